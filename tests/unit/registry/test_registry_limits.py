"""Records, undo data and inventories are read up to a limit; what exceeds it is not written."""
from __future__ import annotations

import base64
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Tuple

import pytest

from ovirt_node_plugin.errors import RecordError, Refused
from ovirt_node_plugin.registry import inventory_json, store, xml
from ovirt_node_plugin.registry.inventory import File, Inventory
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.system import json_data, limits
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.undo.changes import AppliedState, Change

pytestmark = pytest.mark.unit

_GZIP = 16 + zlib.MAX_WBITS


def packed(text: bytes) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    return machine.compress(text) + machine.flush()


def refusal(text: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        inventory_json.load(packed(text), origin="i")
    return caught.value.message


def test_an_inventory_that_is_unpacked_to_gigabytes_is_refused() -> None:
    data = packed(b" " * (limits.INVENTORY_BYTES + 1))
    with pytest.raises(RecordError, match="it is cut off, or larger than 33554432 bytes"):
        inventory_json.load(data, origin="i")


@pytest.mark.parametrize("text", [b"[" + b"[]," * 400_000, b'{"a":1,' * 600_000, b'"' + b"," * (
    limits.JSON_ITEMS + 1)])
def test_an_inventory_of_too_many_values_is_refused(text: bytes) -> None:
    assert refusal(text * 2) == "i cannot be read: it has more than 1000000 values"


@pytest.mark.parametrize("start", [b"[", b'{"a":'])
def test_nested_values_are_refused(start: bytes) -> None:
    assert refusal(start * 200_000) == "i cannot be read: its values are nested too deeply"


def test_numbers_of_many_digits_are_refused() -> None:
    assert refusal(b"1" * 1_000_000) == "i cannot be read: it has a number of more than 20 digits"
    assert json_data.parse_json(b"18446744073709551615") == 2**64 - 1


def test_an_inventory_that_could_not_be_read_is_not_written() -> None:
    files = (File(path="/opt/" + "a" * 4000, kind="file"),) * 9000
    with pytest.raises(Refused, match="plugin p has too many files for an inventory"):
        inventory_json.dump(Inventory(name="p", operations=(), packages=(), others=files,
                                      before=()))


def change(content: bytes) -> Change:
    entry = Entry("file", 0o644, 0, 0, content=content)
    return Change("etc/a", entry, None)


def test_contents_of_undo_data_are_limited_together() -> None:
    zeros = bytes(40 << 20)
    content = base64.b64encode(zlib.compress(zeros, 9)).decode()
    before = ('<before kind="file" mode="0644" uid="0" gid="0"'
              f' digest="{sha256(zeros).hexdigest()}"><content>{content}</content></before>')
    changes = "".join(f'<change path="etc/{name}">{before}</change>' for name in "ab")
    text = ('<plugin-manifest format="1" name="p"><descriptor>eJwDAAAAAAE=</descriptor><folders/>'
            f"<settings/><effects>{changes}</effects></plugin-manifest>")
    with pytest.raises(RecordError) as caught:
        xml.load_undo_data(text.encode(), origin="u")
    assert caught.value.message.endswith(
        "it is cut off, or all contents together are larger than 67108864 bytes")


@pytest.mark.parametrize("changes", [
    (change(bytes(33 << 20)), change(bytes(33 << 20))),
    tuple(Change(f"etc/{number}", None, Entry("dir", 0o755, 0, 0)) for number in range(50_000))])
def test_undo_data_that_could_not_be_read_is_not_written(changes: Tuple[Change, ...]) -> None:
    with pytest.raises(Refused, match="plugin p changes too much to be undone later"):
        xml.dump_undo_data(UndoData("p", b"", AppliedState(effects=changes)))


def test_records_are_limited_together(tmp_path: Path) -> None:
    folder = tmp_path / "etc/ovirt.plugins.d"
    folder.mkdir(parents=True)
    for number in range(7):
        (folder / f"p{number}").write_bytes(b" " * (3 << 20))
    damaged = store.read_registry(tmp_path).damaged
    assert damaged["p6"] == ("/etc/ovirt.plugins.d/p6 has more than 16777216 bytes"
                             " of records before it, and is not read")
    assert set(damaged) == {f"p{number}" for number in range(7)}


def test_the_number_of_records_is_limited(tmp_path: Path) -> None:
    folder = tmp_path / "etc/ovirt.plugins.d"
    folder.mkdir(parents=True)
    for number in range(limits.RECORDS + 1):
        (folder / f"p{number}").write_text("")
    with pytest.raises(RecordError, match="has more than 1000 records"):
        store.names(tmp_path)
