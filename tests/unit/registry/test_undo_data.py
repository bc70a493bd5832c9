"""Undo data: the changes of an install, written and read."""
from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import RecordError
from ovirt_node_plugin.registry.store import read_undo_data
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.registry.xml import dump_undo_data, load_undo_data
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import MANIFESTS
from ovirt_node_plugin.undo.changes import Applied, AppliedState, Change

pytestmark = pytest.mark.unit


def entry(data: bytes, *, kind: str = "file", mode: int = 0o644, kept: bool = True) -> Entry:
    return Entry(kind, mode, 0, 7, hashlib.sha256(data).hexdigest(), data if kept else None,
                 (("user.a", b"\x00\xff"),))


def undo_data(*changes: Change, effects: tuple[Change, ...] = (),
              factory: tuple[Change, ...] = ()) -> UndoData:
    setting = Applied(kind="service", key="a.service", value="enabled", before="disabled",
                      changes=changes)
    return UndoData("foo", b"<node-plugin>\xc3\xa4</node-plugin>",
                    AppliedState((setting,), effects, factory), ("etc/ovirt.plugins.d",),
                    files={"files/a": b"\x00\xff", "files/b/c": b""})


FOLDER = Entry("dir", 0o755, 0, 0)
FULL = undo_data(
    Change("etc/a", None, entry(b"x", kept=False)),
    Change("etc/b \u00e4%\udcff<\">\n", entry(b"\x00old\r\n"), None),
    Change("etc/link", entry(b"/dev/null", kind="link", mode=0o777), FOLDER),
    effects=(Change("etc/c", entry(b""), entry(b"y", kept=False)),),
    factory=(Change("usr/share/factory/etc/d", entry(b"z", kept=False), None),))


def test_undo_data_is_read_as_it_was_written() -> None:
    assert load_undo_data(dump_undo_data(FULL), origin="x") == FULL


def test_the_same_undo_data_is_the_same_bytes() -> None:
    assert dump_undo_data(FULL) == dump_undo_data(load_undo_data(dump_undo_data(FULL), origin="x"))


def test_the_changes_are_those_of_the_settings_and_then_the_effects() -> None:
    assert [change.path for change in FULL.state.changes[:-1]] == [
        change.path for change in FULL.state.settings[0].changes]
    assert FULL.state.changes[-1:] == FULL.state.effects
    assert undo_data().state.changes == ()


def test_undo_data_with_content_of_private_files_is_private() -> None:
    secret = Change("etc/shadow", entry(b"root:$y$", mode=0o000), entry(b"x", kept=False))
    assert undo_data(effects=(secret,)).private
    assert undo_data(secret).private
    assert undo_data(factory=(secret,)).private
    assert not FULL.private
    placed = undo_data(Change("etc/shadow", None, entry(b"x", mode=0, kept=False)))
    assert not replace(placed, files={}).private
    assert placed.private  # the file of the bundle may be what was placed


@pytest.mark.parametrize(("old", "new", "reason"), [
    ('format="1"', 'format="2"', "expected '1' as format"),
    ('mode="0644"', 'mode="9"', "permission bits"),
    ('path="etc/a"', 'path="/etc/a"', "a path relative to the root"),
    ('gid="7"', 'gid="4294967295"', "a uid and gid of at most"),
    ('kind="link"', 'kind="fifo"', "expected 'file'"),
    ("<settings>", "<settings><x/>", "<x>"),
    ("<effects>", "", "well-formed"),
    ("<?xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><?xml", "expected"),
])
def test_damaged_undo_data_is_refused_with_the_position(old: str, new: str, reason: str) -> None:
    text = dump_undo_data(FULL).decode()
    assert old in text
    with pytest.raises(RecordError, match=reason) as caught:
        load_undo_data(text.replace(old, new).encode(), origin="/etc/x")
    assert caught.value.message.startswith("/etc/x:")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"<a/>", b"<plugin-manifest/>" * 2])
def test_a_document_without_undo_data_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        load_undo_data(data, origin="x")


def test_an_entity_or_a_doctype_is_refused() -> None:
    text = dump_undo_data(FULL).replace(
        b"<plugin-manifest", b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
        b"<plugin-manifest", 1)
    with pytest.raises(RecordError, match="no DOCTYPE"):
        load_undo_data(text, origin="x")


@pytest.mark.parametrize(("content", "reason"), [
    (b"other", "does not match its digest"),
    (None, "not base64"),
    (b"", "cannot be unpacked"),
])
def test_content_that_does_not_match_its_digest_is_refused(
        content: bytes | None, reason: str) -> None:
    encoded = base64.b64encode(zlib.compress(b"\x00old\r\n", 9))
    if content is None:
        replacement = b"&lt;"
    else:
        replacement = base64.b64encode(zlib.compress(content, 9) if content else b"\x00\x01")
    with pytest.raises(RecordError, match=reason):
        load_undo_data(dump_undo_data(FULL).replace(encoded, replacement), origin="x")


def test_missing_undo_data_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=f"/{MANIFESTS}/foo.xml cannot be read"):
        read_undo_data(tmp_path, "foo")
