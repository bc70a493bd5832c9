"""The registry of a root: writing, reading, listing and deleting records."""
from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Tuple

import pytest

from ovirt_node_plugin.errors import RecordError
from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.origin import Origin
from ovirt_node_plugin.registry.record import InstalledPackage, Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import MANIFESTS, REGISTRY
from ovirt_node_plugin.undo.changes import Applied, AppliedState, Change

pytestmark = pytest.mark.unit

TOP = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/etc").mkdir(parents=True)
    return tmp_path / "root"


def record(name: str = "cim", **other: Tuple[str, ...]) -> Record:
    sample = Record(
        name=name, version="1.0", vendor="A & \"B\" <C>", summary="Sch\u00f6n  zwei",
        installed_at="2026-11-22T16:40:11Z", tool="ovirt-node-plugin 0.1.0", mode="offline",
        source="/srv/x y", target_kind="node", target_version="4.5.5", repos=("b", "a"),
        packages=(InstalledPackage("z-1-1.noarch", "sha256:00", "dependency"),
                  InstalledPackage("a-1:2-1.x86_64", "", "requested", "r",
                                   "0123456789abcdef", True)),
        settings=(Applied("service", "a.service", "enabled", "disabled", ()),))
    return dataclasses.replace(sample, repos=other.get("repos", sample.repos))


def undo_data(name: str = "cim", *changes: Change) -> UndoData:
    return UndoData(name, b"<d/>", AppliedState(effects=changes))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_saved_plugin_is_read_back(root: Path) -> None:
    store.save(root, record(), undo_data())
    loaded = store.read_record(root, "cim")
    assert loaded == dataclasses.replace(
        record(), repos=("a", "b"), packages=tuple(reversed(record().packages)))
    assert store.read_undo_data(root, "cim").descriptor == b"<d/>"
    assert store.read_registry(root) == store.Registry({"cim": loaded}, {})


def test_a_record_without_signatures_of_an_older_version_is_read(root: Path) -> None:
    store.save(root, record(), undo_data())
    path = root / REGISTRY / "cim"
    path.write_bytes(path.read_bytes().replace(
        b' signer="0123456789abcdef" checked="yes"', b""))
    loaded = store.read_record(root, "cim")
    assert [(package.signer, package.checked) for package in loaded.packages] == [("", False)] * 2
    assert loaded.trust == "unsigned"


def test_a_record_with_an_origin_is_read_back_and_one_of_an_older_version_is_read(
        root: Path) -> None:
    origin = Origin("A & B", ("0123456789abcdef",), "https://example.com/?a=1&b=2")
    store.save(root, dataclasses.replace(record(), recorded_origin=origin), undo_data())
    assert store.read_record(root, "cim").origin == origin
    store.save(root, record(), undo_data())
    assert b"<origin" not in (root / REGISTRY / "cim").read_bytes()
    loaded = store.read_record(root, "cim")
    assert (loaded.recorded_origin, loaded.origin) == (
        None, Origin('A & "B" <C>', (), "/srv"))


@pytest.mark.parametrize("key", ["", "me", "0123456789ABCDEF", "0123456789abcdef0"])
def test_an_invalid_key_of_an_origin_makes_a_record_damaged(root: Path, key: str) -> None:
    origin = Origin("A", (key,), "/x")
    store.save(root, dataclasses.replace(record(), recorded_origin=origin), undo_data())
    with pytest.raises(RecordError, match="key id"):
        store.read_record(root, "cim")


@pytest.mark.parametrize("attribute", ['signer="me"', 'signer="0123456789ABCDEF"',
                                       'checked="perhaps"'])
def test_an_invalid_signature_makes_a_record_damaged(root: Path, attribute: str) -> None:
    store.save(root, record(), undo_data())
    path = root / REGISTRY / "cim"
    path.write_text(path.read_text().replace('reason="dependency"',
                                             f'reason="dependency" {attribute}'))
    with pytest.raises(RecordError, match=attribute.partition("=")[0]):
        store.read_record(root, "cim")


def test_records_are_world_readable_independent_of_the_umask(root: Path) -> None:
    old = os.umask(0o077)
    try:
        store.save(root, record(), undo_data())
    finally:
        os.umask(old)
    assert [mode(root / name) for name in (REGISTRY, MANIFESTS, f"{REGISTRY}/cim",
                                           f"{MANIFESTS}/cim.xml")] == [
        0o755, 0o755, 0o644, 0o644]


def test_undo_data_with_a_hidden_files_content_is_roots_alone(root: Path) -> None:
    secret = Entry("file", 0o000, 0, 0, hashlib.sha256(b"x").hexdigest(), b"x")
    store.save(root, record(), undo_data("cim", Change("etc/shadow", secret, None)))
    assert mode(root / f"{MANIFESTS}/cim.xml") == 0o600
    assert mode(root / f"{REGISTRY}/cim") == 0o644


def test_the_same_record_is_the_same_bytes(root: Path) -> None:
    store.save(root, record(), undo_data())
    once = (root / REGISTRY / "cim").read_bytes()
    store.save(root, store.read_record(root, "cim"), undo_data())
    assert (root / REGISTRY / "cim").read_bytes() == once
    assert once.splitlines()[1:3] == [b'<plugin-record format="1">', b"  <name>cim</name>"]


def test_the_record_contains_no_changes_of_settings(root: Path) -> None:
    change = Change("etc/x", None, Entry("dir", 0o755, 0, 0))
    setting = Applied("service", "a.service", "enabled", "disabled", (change,))
    store.save(root, dataclasses.replace(record(), settings=(setting,)),
                  UndoData("cim", b"", AppliedState((setting,))))
    assert store.read_record(root, "cim").settings[0].changes == ()
    assert store.read_undo_data(root, "cim").state.settings == (setting,)


def test_created_folders_are_removed_with_the_last_plugin(root: Path) -> None:
    for name in ("a", "b", "c"):
        store.save(root, record(name), undo_data(name))
    store.save(root, record("a"), undo_data("a"))  # an upgrade keeps the record
    for name in ("a", "c", "b"):
        assert (root / REGISTRY).is_dir()
        store.forget(root, name)
        store.forget(root, name)
    assert os.listdir(root / "etc") == []


def test_folders_of_the_image_are_kept(root: Path) -> None:
    (root / REGISTRY).mkdir()
    store.save(root, record(), undo_data())
    store.forget(root, "cim")
    assert os.listdir(root / "etc") == [Path(REGISTRY).name]


def test_a_folder_with_a_foreign_file_is_kept(root: Path) -> None:
    store.save(root, record(), undo_data())
    (root / REGISTRY / "README").write_text("")
    store.forget(root, "cim")
    assert os.listdir(root / "etc") == [Path(REGISTRY).name]


def test_names_are_sorted_and_exclude_files_that_are_no_records(root: Path) -> None:
    assert store.names(root) == ()
    (root / REGISTRY).mkdir()
    for name in ("b", "a.1", ".b.x7d", "README", "-x", "a b", "x" * 65):
        (root / REGISTRY / name).write_text("")
    assert store.names(root) == ("a.1", "b")


def test_listing_imports_no_xml_library(root: Path) -> None:
    script = ("import sys; from pathlib import Path; from ovirt_node_plugin.registry import store\n"
              "store.names(Path(sys.argv[1])); store.read_registry(Path(sys.argv[1]))\n"
              "sys.exit('lxml' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", script, str(root)], cwd=TOP).returncode == 0


def test_claims_and_repo_owners_are_read_from_all_records(root: Path) -> None:
    store.save(root, record("one", repos=("r1", "both")), undo_data("one"))
    store.save(root, record("two", repos=("r2", "both")), undo_data("two"))
    assert store.claims(root) == {"z-1-1.noarch", "a-1:2-1.x86_64"}
    assert store.repo_owners(root) == {"r1": "one", "both": "one", "r2": "two"}


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "well-formed"),
    (b"<a/>", "expected <plugin-record>"),
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]><plugin-record/>", "no DOCTYPE"),
    (b"\xff", "UTF-8"),
    (b"<a>" * 100, "levels"),
])
def test_a_damaged_record_is_reported_and_the_others_are_read(
        root: Path, data: bytes, reason: str) -> None:
    store.save(root, record("good"), undo_data("good"))
    (root / REGISTRY / "bad").write_bytes(data)
    registry = store.read_registry(root)
    assert list(registry.records) == ["good"]
    assert reason in registry.damaged["bad"]
    assert f"/{REGISTRY}/bad" in registry.damaged["bad"]


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "loop", "huge", "renamed"])
def test_an_entry_that_is_no_record_is_reported_as_damaged(root: Path, kind: str) -> None:
    store.save(root, record("other"), undo_data("other"))
    path = root / REGISTRY / "bad"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("other")
    elif kind == "loop":
        path.symlink_to("bad")
    elif kind == "huge":
        with open(path, "wb") as stream:
            stream.truncate(1 << 40)
    else:
        path.write_bytes((root / REGISTRY / "other").read_bytes())
    registry = store.read_registry(root)
    assert (list(registry.records), list(registry.damaged)) == (["other"], ["bad"])


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".x", "A"])
def test_an_invalid_plugin_name_is_refused(root: Path, name: str) -> None:
    with pytest.raises(RecordError, match="no plugin name"):
        store.read_record(root, name)
    with pytest.raises(RecordError, match="no plugin name"):
        store.save(root, record(name), undo_data(name))


def test_characters_that_xml_cannot_contain_are_escaped(root: Path) -> None:
    store.save(root, dataclasses.replace(record(), source="/a\x01\udcffb"), undo_data())
    assert store.read_record(root, "cim").source == "/a\\x01\\udcffb"


def test_links_in_the_root_do_not_lead_outside(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in (REGISTRY, MANIFESTS):
        (root / name).symlink_to(outside / Path(name).name)
    store.save(root, record(), undo_data())
    assert os.listdir(outside) == []
    assert store.names(root) == ("cim",)
    store.forget(root, "cim")
    assert os.listdir(root) == ["etc"]


def test_the_time_is_utc_and_honours_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795365611")
    assert store.installed_now() == "2026-11-22T16:40:11Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert store.installed_now() > "2025"
