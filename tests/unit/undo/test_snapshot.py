"""The JSON form of saved entries."""
from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from ovirt_node_plugin.undo.snapshot import SavedEntry

pytestmark = [pytest.mark.unit]

STATE = (0o100644, 0, 0, 5, 1, 1, 1)
ENTRIES = (
    SavedEntry(STATE, "file", 1, offset=3, size_bytes=5),
    SavedEntry(STATE, "file", -1, (("user.a", b"\0\xff"), ("security.b", b"")), size_bytes=5,
               number=2, linked=True),
    SavedEntry(STATE, "link", 1, target="file", twin="etc/other"),
    SavedEntry(STATE, "other", 1, device=2049))


def stored(entry: SavedEntry) -> Dict[str, Any]:
    """Return an entry as it is after it was written to a file and read again."""
    data: Dict[str, Any] = json.loads(json.dumps(entry.dump()))
    return data


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_saved_entry_is_loaded_as_it_was_dumped(entry: SavedEntry) -> None:
    assert SavedEntry.load(stored(entry)) == entry


@pytest.mark.parametrize("fault", [
    {"stat": "no"}, {"stat": [1, 2, 3]}, {"stat": [None] * 7}, {"kind": 1}, {"mtime_ns": "1"},
    {"xattrs": {}}, {"xattrs": [["user.a"]]}, {"xattrs": [["user.a", 1]]}, {"target": None},
    {"device": -1}, {"offset": "1"}, {"size_bytes": -1}, {"number": 1.5}, {"twin": 1}])
def test_an_invalid_saved_entry_is_refused(fault: Dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        SavedEntry.load({**stored(ENTRIES[0]), **fault})


@pytest.mark.parametrize("name", ["stat", "kind", "mtime_ns"])
def test_a_saved_entry_without_a_required_name_is_refused(name: str) -> None:
    data = stored(ENTRIES[0])
    del data[name]
    with pytest.raises(KeyError):
        SavedEntry.load(data)
