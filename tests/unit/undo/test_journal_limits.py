"""A journal is read up to a limit; a change that needs a larger one does not begin."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.errors import RecordError, Refused
from ovirt_node_plugin.system import json_data
from ovirt_node_plugin.system.path_sets import JOURNAL
from ovirt_node_plugin.undo import journal, live_log
from ovirt_node_plugin.undo.journal import Intent, Scope

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("text", "reason"), [
    (b"[" * 200_000, "maximum recursion|Stack overflow|too many"),
    (b"[" + b"1," * 1_000_001, "it has more than 1000000 values"),
    (b'{"format":1,"scope":{},"index":{"a":{"stat":[1e999,0,0,0],"kind":"file","mtime_ns":1}}}',
     "the description of a file is invalid"),
    (b'{"format":1,"scope":{},"index":{"/' + b"a" * 300 + b'":null}}', "it names '/aaa")])
def test_a_hostile_journal_is_refused(text: bytes, reason: str, tmp_path: Path) -> None:
    folder = tmp_path / JOURNAL
    folder.mkdir(parents=True)
    (folder / "journal.json").write_bytes(text)
    with pytest.raises(RecordError, match=f"(?i)cannot be read: .*({reason})") as caught:
        journal.intent(tmp_path)
    assert len(caught.value.message) < 1000


def test_a_hostile_log_of_live_changes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / JOURNAL
    folder.mkdir(parents=True)
    (folder / "live").write_bytes(b"[" * 200_000 + b"\n")
    with pytest.raises(RecordError, match="cannot be read"):
        live_log.read_log(tmp_path)


def test_a_root_with_too_many_files_is_refused_before_a_change(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_data, "JSON_ITEMS", 50)
    (tmp_path / "var").mkdir()
    for number in range(50):
        (tmp_path / f"var/{number}").write_text("")
    with pytest.raises(Refused, match="the root has too many files for a journal"):
        journal.begin(tmp_path, Intent("install", ("a",), "t"), Scope(paths=(), bare=("var",)))
    assert not journal.left_over(tmp_path)
