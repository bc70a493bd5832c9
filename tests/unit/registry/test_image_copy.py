"""The image's own copy of the registry: what is written to it, and that it counts."""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.registry import image_copy, places, store
from ovirt_node_plugin.registry.inventory import Inventory, Operation
from ovirt_node_plugin.registry.record import Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.system.entries import Entry
from ovirt_node_plugin.system.path_sets import (
    FACTORY_ETC,
    IMAGE_MANIFESTS,
    IMAGE_REGISTRY,
    REGISTRIES,
)
from ovirt_node_plugin.undo.changes import AppliedState, Change
from ovirt_node_plugin.vdsm import capabilities

pytestmark = [pytest.mark.unit]

AT = "2026-11-22T16:40:11Z"
SECRET = Change("etc/shadow", Entry("file", 0, 0, 0, hashlib.sha256(b"x").hexdigest(), b"x"), None)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return the root of an image, with its own copy of the registry."""
    for name in ("etc", "usr/lib"):
        (tmp_path / "root" / name).mkdir(parents=True)
    image_copy.keep(tmp_path / "root")
    return tmp_path / "root"


def save(root: Path, name: str, version: str = "1", *changes: Change) -> None:
    record = Record(name=name, version=version, vendor="v", summary="s", installed_at=AT, tool="t",
                    mode="offline", source="/s", target_kind="node", target_version="4.5",
                    repos=(), packages=(), settings=())
    store.save(root, record, UndoData(name, b"<d/>", AppliedState(effects=changes)),
               Inventory(name, (Operation("install", AT, "t", "", version),), ()))


def tree(root: Path) -> Dict[str, bytes]:
    """Return the content of every file of the registry, in both places."""
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for folder in REGISTRIES if (root / folder).is_dir()
            for path in (root / folder).iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("has_factory", [False, True])
def test_an_image_has_the_same_files_in_all_places(image: Path, has_factory: bool) -> None:
    if has_factory:
        (image / FACTORY_ETC).mkdir(parents=True)
        (image / FACTORY_ETC / "passwd").touch()
    save(image, "cim", "1", SECRET)
    save(image, "snmp")
    for name in ("cim", "snmp"):
        for place in (places.IMAGE, *([places.PRISTINE] if has_factory else ())):
            for path, copy in zip(places.ETC.files(name), place.files(name)):
                assert (image / path).read_bytes() == (image / copy).read_bytes()
                assert mode(image / path) == mode(image / copy)
    assert mode(image / IMAGE_MANIFESTS / "cim.xml") == 0o600
    written = REGISTRIES if has_factory else REGISTRIES[:4]
    assert [mode(image / folder) for folder in written] == [0o755] * len(written)
    assert len(tree(image)) == 3 * len(written)
    for name in ("cim", "snmp"):
        store.forget(image, name)
    assert not any((image / folder).exists() for folder in REGISTRIES)


def test_the_last_removal_removes_both_places(image: Path) -> None:
    for name in ("a", "b", "c"):
        save(image, name)
    for name in ("a", "c", "b"):
        assert (image / IMAGE_REGISTRY).is_dir()
        store.forget(image, name)
        store.forget(image, name)
    assert (os.listdir(image / "etc"), os.listdir(image / "usr/lib")) == ([], [])


def test_a_root_without_a_copy_gets_none_by_a_change(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    save(tmp_path, "cim")
    assert len(tree(tmp_path)) == 3
    store.forget(tmp_path, "cim")
    assert [path.name for path in tmp_path.iterdir()] == ["etc"]


def test_a_new_copy_has_all_records(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    save(tmp_path, "cim", "1", SECRET)
    save(tmp_path, "snmp")
    (tmp_path / "etc/ovirt.plugins.d/odd").mkdir()
    before = tree_of_plugins(tmp_path)
    image_copy.keep(tmp_path)
    image_copy.keep(tmp_path)
    assert store.names(tmp_path) == ("cim", "snmp")
    assert tree_of_plugins(tmp_path) == before
    assert sorted(os.listdir(tmp_path / IMAGE_REGISTRY)) == ["cim", "snmp"]
    assert mode(tmp_path / IMAGE_MANIFESTS / "cim.xml") == 0o600


def tree_of_plugins(root: Path) -> Dict[str, object]:
    """Return everything that the registry tells about each plugin."""
    return {name: (store.read_record(root, name), store.read_undo_data(root, name),
                   store.read_inventory(root, name)) for name in ("cim", "snmp")}


def test_the_record_of_the_image_counts_for_every_reader(image: Path) -> None:
    save(image, "cim", "2")
    save(image, "gone", "1")
    image_files = {path: data for path, data in tree(image).items() if path.startswith("usr/")}
    (image / IMAGE_REGISTRY).rename(image / "r")
    save(image, "cim", "1", SECRET)  # what imgbased copies from the old image
    (image / "r").rename(image / IMAGE_REGISTRY)
    for path in places.IMAGE.files("gone"):
        (image / path).unlink()
        del image_files[path]
    assert store.names(image) == ("cim",)
    assert store.read_record(image, "cim").version == "2"
    assert store.read_undo_data(image, "cim").state.effects == ()
    inventory = store.read_inventory(image, "cim")
    assert inventory is not None and inventory.operations[-1].version_to == "2"
    plugins = capabilities.describe_plugins(str(image))["plugins"]
    assert isinstance(plugins, list)
    assert [(plugin["name"], plugin["version"], plugin["state"]) for plugin in plugins] == [
        ("cim", "2", "installed")]
    store.copy_records(image, ["cim"], image / "copy")
    assert store.read_record(image / "copy", "cim").version == "2"


def test_a_file_of_the_image_that_cannot_be_read_is_no_reason_to_remove_that_in_etc(
        image: Path) -> None:
    save(image, "cim")
    copy = image / places.IMAGE.record("cim")
    copy.unlink()
    copy.mkdir()
    assert image_copy.differences(image) == {}


def test_records_in_etc_do_not_count_after_the_last_removal(image: Path) -> None:
    save(image, "cim")
    save(image, "stale")
    for path in places.IMAGE.files("stale"):
        (image / path).unlink()
    store.forget(image, "cim")
    assert store.names(image) == () and (image / IMAGE_REGISTRY).is_dir()


def planned(root: Path) -> List[Tuple[str, str]]:
    return [(name, path) for name, paths in image_copy.differences(root).items()
            for path in paths]


@pytest.mark.parametrize("interrupted_after", range(10))
def test_an_interrupted_correction_is_completed_by_the_next(
        image: Path, interrupted_after: int) -> None:
    for name in ("cim", "gone"):
        save(image, name, "1", SECRET)
    for path in places.IMAGE.files("gone"):
        (image / path).unlink()
    for path in places.ETC.files("cim"):
        (image / path).write_text("of another image")
    save(image, "new")
    for path in places.ETC.files("new"):
        (image / path).unlink()
    steps = planned(image)
    assert len(steps) == 9
    for name, path in steps[:interrupted_after]:
        image_copy.correct(image, name, path)
    for name in ("gone", "new"):  # a record is never without the other files
        record, *others = places.ETC.files(name)
        assert not (image / record).exists() or all((image / path).exists() for path in others)
    assert planned(image) == steps[interrupted_after:]
    for name, path in planned(image):
        image_copy.correct(image, name, path)
    files = tree(image)
    assert image_copy.differences(image) == {} and len(files) == 12
    for name in ("cim", "new"):
        for path, copy in zip(places.ETC.files(name), places.IMAGE.files(name)):
            assert files[path] == files[copy] and mode(image / path) == mode(image / copy)
