"""Inventories as data and as documents: deltas, sizes and invalid documents."""
from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import random
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest

from ovirt_node_plugin.errors import RecordError
from ovirt_node_plugin.registry import inventory_json, store
from ovirt_node_plugin.registry.inventory import (
    ADDED,
    CHANGED,
    REMOVED,
    Account,
    File,
    Inventory,
    InventoryPackage,
    Operation,
    counted,
)
from ovirt_node_plugin.registry.unowned_files import unowned
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.undo.changes import Applied, AppliedState, Change

pytestmark = pytest.mark.unit

MOMENT = "2026-11-22T16:40:11Z"
INSTALL = Operation("install", MOMENT, "tool 1", "", "1.0", packages_added=("a-1-1.noarch",))
UPGRADE = Operation("upgrade", MOMENT, "tool 1", "1.0", "1.1")


def file(path: str, *, digest: str = "ab" * 32, since: int = 1, **more: Any) -> File:
    return File(path, "file", 0o644, "root", "root", 3, f"sha256:{digest}", since=since, **more)


def sample() -> Inventory:
    files = (file("/opt/a"), File("/opt/l", "link", 0o777, "root", "root", link="a", since=1),
             file("/opt/b", marks=("config",), unchecked=("size",), capabilities="cap_chown=ep"))
    unowned_files = (File("/etc/x", "file", 0o600, "root", "22", xattrs=(("user.a", "YQ=="),),
                          by="scriptlets", change=ADDED, since=1),
                     File("/etc/gone", by="scriptlets", change=REMOVED, since=1))
    setting = Applied("service", "a.service", "enabled", "disabled", ())
    operation = dataclasses.replace(
        INSTALL, settings_on=(setting,), accounts_added=(Account("user", "a", 7, "scriptlets"),))
    package = InventoryPackage("a-1-1.noarch", "cd" * 32, 1, files)
    return Inventory("a", (operation,), (package,), unowned_files,
                     (File("/etc/gone", "file", 0o644, "root", "root", 5),))


def test_an_inventory_is_read_as_it_was_written() -> None:
    assert inventory_json.load(inventory_json.dump(sample()), origin="x") == sample()


def test_the_same_inventory_is_the_same_bytes() -> None:
    assert inventory_json.dump(sample()) == inventory_json.dump(sample())


def test_names_of_any_bytes_are_preserved() -> None:
    odd = File("/opt/\udcff\n\\\"ä", "file", 0o644, "root", "root", since=1)
    inventory = Inventory("a", (INSTALL,), (InventoryPackage("a", "", 1, (odd,)),))
    assert inventory_json.load(inventory_json.dump(inventory), origin="x") == inventory


def test_each_file_is_on_a_line_of_its_own() -> None:
    text = gzip.decompress(inventory_json.dump(sample())).decode("ascii")
    (line,) = [line for line in text.splitlines() if '"/opt/a"' in line]
    assert json.loads(line.rstrip(",]}"  "\n") + "}")["size_bytes"] == 3
    assert json.loads(text)["format"] == 1


def test_an_install_adds_all_of_its_files() -> None:
    delta = counted(sample()).delta()
    assert [added.path for added in delta.files_added] == ["/etc/x", "/opt/a", "/opt/b", "/opt/l"]
    assert [added.path for added in delta.files_removed] == ["/etc/gone"]
    assert delta.files_removed[0].size_bytes == 5
    assert (delta.operation.files_added, delta.operation.files_removed) == (4, 1)


def test_an_upgrade_records_old_and_new_digests() -> None:
    new = Inventory(
        "a", (INSTALL, UPGRADE),
        (InventoryPackage("a-2-1.noarch", "", 2, (file("/opt/a"), file("/opt/b", since=2),
                                                  file("/opt/c", since=2))),),
        (dataclasses.replace(file("/etc/group", since=2), by="scriptlets", change=CHANGED),),
        tuple(entry.remembered() for entry in (file("/opt/b", digest="ef" * 32), file("/opt/d"))))
    delta = counted(new).delta()
    assert [entry.path for entry in delta.files_added] == ["/opt/c"]
    assert [(old.digest, after.path) for old, after in delta.files_changed] == [
        ("", "/etc/group"), ("sha256:" + "ef" * 8, "/opt/b")]
    assert [entry.path for entry in delta.files_removed] == ["/opt/d"]


def test_existing_entries_are_not_recorded_as_added() -> None:
    shared = Inventory("a", (INSTALL,), (InventoryPackage("lib-1-1.noarch", "", 0, (
        file("/usr/lib/x", since=0),)),))
    assert shared.delta().files_added == ()


def test_accounts_are_those_added_and_not_removed() -> None:
    user, group = Account("user", "a", 7, "scriptlets"), Account("group", "a", None, "group a")
    first = dataclasses.replace(INSTALL, accounts_added=(user, group))
    second = dataclasses.replace(UPGRADE, accounts_removed=(user,))
    assert Inventory("a", (first, second), ()).accounts == (group,)


def random_files(count: int, seed: int) -> Tuple[File, ...]:
    pick = random.Random(seed)
    return tuple(dataclasses.replace(
        file(f"/opt/vendor/{pick.choice(('lib', 'share', 'bin'))}/module{pick.randrange(60)}"
             f"/{pick.getrandbits(32):08x}.py", digest=f"{pick.getrandbits(256):064x}"),
        size_bytes=pick.randrange(200_000)) for _ in range(count))


def test_five_thousand_files_take_less_than_300_kib() -> None:
    files = random_files(5000, 1)
    inventory = Inventory("a", (INSTALL,), (InventoryPackage("a-1-1.noarch", "ab" * 32, 1, files),))
    assert len(inventory_json.dump(inventory)) < 300 * 1024


def test_an_upgrade_of_half_of_five_thousand_files_takes_less_than_300_kib() -> None:
    files = random_files(5000, 1)
    changed = tuple(dataclasses.replace(entry, since=2) for entry in files[:2500])
    before = tuple(entry.remembered() for entry in changed)
    entry = Inventory("a", (INSTALL, UPGRADE), (
        InventoryPackage("a-2-1.noarch", "ab" * 32, 2, (*changed, *files[2500:])),), (), before)
    assert len(counted(entry).delta().files_changed) == 2500
    assert len(inventory_json.dump(entry)) < 300 * 1024


def document(**changes: Any) -> bytes:
    content: Dict[str, Any] = json.loads(gzip.decompress(inventory_json.dump(sample())))
    return gzip.compress(json.dumps({**content, **changes}).encode())


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "cut off"), (b"{}", "incorrect header"), (gzip.compress(b"{}"), "format"),
    (gzip.compress(b"[]"), "format"),
    (gzip.compress(b"[" * 100_000), "nested too deeply|format"),
    (inventory_json.dump(sample())[:-12], "cut off"),
    (document(format=2), "format"), (document(name=1), "name is not a text"),
    (document(operations=[]), "no operation"), (document(operations=[1]), "operations"),
    (document(packages={}), "packages"),
    (document(others=[{"path": "etc/x"}]), "not an absolute path"),
    (document(others=[{"path": "/../x"}]), "not an absolute path"),
    (document(others=[{"path": "/x", "mode": "0999"}]), "not the mode of a file"),
    (document(others=[{"path": "/x", "size_bytes": -1}]), "size_bytes"),
    (document(others=[{"path": "/x", "since": True}]), "since"),
    (document(others=[{"path": "/x", "marks": "config"}]), "marks"),
    (document(others=[{"path": "/x", "xattrs": []}]), ""),
], ids=map(str, itertools.count()))
def test_an_invalid_inventory_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    if reason == "":
        inventory_json.load(data, origin="/x")  # an empty list is equivalent to none
        return
    with pytest.raises(RecordError, match=f"(?i)/x cannot be read: .*({reason})"):
        inventory_json.load(data, origin="/x")


def test_unknown_keys_are_ignored() -> None:
    assert inventory_json.load(document(more=[1]), origin="x") == sample()


def saved(root: Path, data: bytes, name: str = "a") -> None:
    path = root / store.inventory_path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_an_inventory_of_another_plugin_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, inventory_json.dump(sample()), name="b")
    with pytest.raises(RecordError, match="of the plugin a"):
        store.read_inventory(tmp_path, "b")


def test_a_plugin_without_an_inventory_has_none(tmp_path: Path) -> None:
    assert store.read_inventory(tmp_path, "a") is None


def test_an_inventory_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    saved(tmp_path, inventory_json.dump(sample()))
    (tmp_path / store.inventory_path(tmp_path, "a")).rename(tmp_path / "real")
    (tmp_path / store.inventory_path(tmp_path, "a")).symlink_to(tmp_path / "real")
    with pytest.raises(RecordError):
        store.read_inventory(tmp_path, "a")


def entry(text: bytes, mode: int = 0o644) -> Entry:
    import hashlib
    return Entry("file", mode, 0, 0, hashlib.sha256(text).hexdigest(), text)


def written(root: Path) -> Callable[[str, bytes, int], Entry]:
    def write(path: str, text: bytes, mode: int = 0o644) -> Entry:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text)
        (root / path).chmod(mode)
        return entry(text, mode).without_content()
    return write


def test_unowned_files_name_the_setting_or_scriptlet_that_made_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write = written(tmp_path)
    added = Change("etc/made", None, write("etc/made", b"xy", 0o644))
    changed = Change("etc/changed", entry(b"old"), write("etc/changed", b"new!", 0o644))
    removed = Change("etc/gone", entry(b"old"), None)
    setting = Applied("service", "a.service", "enabled", "", (
        Change("etc/want", None, write("etc/want", b"", 0o644)),))
    files, before = unowned(tmp_path, AppliedState((setting,), (added, changed, removed)), ())
    assert [(item.path, item.change, item.by, item.size_bytes) for item in files] == [
        ("/etc/changed", CHANGED, "scriptlets", 4), ("/etc/gone", REMOVED, "scriptlets", 0),
        ("/etc/made", ADDED, "scriptlets", 2), ("/etc/want", ADDED, "service a.service", 0)]
    assert sorted(before) == ["/etc/changed", "/etc/gone"]


def test_an_entry_that_replaced_a_file_names_its_package(tmp_path: Path) -> None:
    new = written(tmp_path)("etc/mine", b"new", 0o644)
    state = AppliedState(effects=(
        Change("etc/mine", entry(b"old"), new), Change("etc/mine", new, None)))
    files, before = unowned(tmp_path, state, {"etc/mine"})
    assert files == () and list(before) == ["/etc/mine"]


@pytest.mark.parametrize(("mode", "folder_mode"), [(0o640, 0o755), (0o644, 0o700)])
def test_an_inventory_contains_no_digest_of_private_files(tmp_path: Path, mode: int,
                                                          folder_mode: int) -> None:
    after = written(tmp_path)("etc/secret/pin", b"1234", mode)
    (tmp_path / "etc/secret").chmod(folder_mode)
    state = AppliedState(effects=(Change("etc/secret/pin", None, after),))
    (item,), _ = unowned(tmp_path, state, ())
    assert (item.digest, item.size_bytes) == ("", 4)
