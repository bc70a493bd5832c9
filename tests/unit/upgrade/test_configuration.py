"""Which content files of plugins have after an upgrade, and what is said about it."""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Optional, Sequence

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.inventory import (
    CONFIG,
    GHOST,
    File,
    Inventory,
    InventoryPackage,
    Operation,
)
from ovirt_node_plugin.system.path_sets import FACTORY_ETC, MANIFESTS
from ovirt_node_plugin.target import HOST, NODE, Target
from ovirt_node_plugin.upgrade.configuration import configuration_notes

pytestmark = pytest.mark.unit

OLD, NEW, OWN = "default of version 1", "default of version 2", "of the administrator"


def file_of(path: str, content: str, marks: Sequence[str], kind: str = "sha256") -> File:
    digest = hashlib.new(kind, content.encode()).hexdigest()
    return File(path, "file", 0o644, "root", "root", len(content), f"{kind}:{digest}",
                marks=tuple(marks), since=1)


def save(root: Path, *files: File) -> None:
    """Write the inventory of the plugin ``cim`` with one package of these files."""
    (root / MANIFESTS).mkdir(parents=True)
    store.save_inventory(root, Inventory("cim", (Operation(
        "install", "2026-11-29T12:00:00Z", "ovirt-node-plugin 1.0", "", "1.0"),),
        (InventoryPackage("cim-1-1.noarch", "", 1, files),)))


def target(root: Path, kind: str = NODE) -> Target:
    return Target(root, kind, "oVirt Node 4.5.5", "4.5.5", "usr/share/rpm")


def write(root: Path, path: str, content: str) -> None:
    where = root / path.lstrip("/")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(content)


def notes(folder: Path, path: str, present: str, new: Optional[str] = NEW, *,
          factory: Optional[str] = None, marks: Sequence[str] = (CONFIG,),
          kind: str = "sha256") -> str:
    """Return the notes on a file that has the content ``present`` in the old root.

    ``factory`` is its pristine content; it is empty if the image has none of it, and None in a
    root without such copies. ``new`` is the content in the new root.
    """
    old_root, new_root = folder / "old", folder / "new"
    save(old_root, file_of(path, OLD, marks, kind))
    save(new_root, *([] if new is None else [file_of(path, new, marks, kind)]))
    write(old_root, path, present)
    if factory is not None:
        (old_root / FACTORY_ETC).mkdir(parents=True)
    if factory:
        write(old_root, f"{FACTORY_ETC}{path[len('/etc'):]}", factory)
    return "\n".join(configuration_notes("cim", target(old_root), new_root))


@pytest.mark.parametrize("factory", [None, OLD])
@pytest.mark.parametrize(("present", "new", "text"), [
    (OLD, NEW, ""), (OLD, OLD, ""), (OLD, None, ""),
    (OWN, NEW, "/etc/cim.conf, which was changed, is kept; the image's differs from it and is not"
               " used"),
    (OWN, None, "/etc/cim.conf, which was changed, is kept"),
    (OWN, OWN, "/etc/cim.conf, which was changed, is kept")])
def test_a_changed_file_in_etc_is_kept(
        factory: Optional[str], present: str, new: Optional[str], text: str,
        tmp_path: Path) -> None:
    assert notes(tmp_path, "/etc/cim.conf", present, new, factory=factory) == text


@pytest.mark.parametrize("factory", ["", "of the image without the plugin"])
@pytest.mark.parametrize("marks", [(CONFIG,), ()])
def test_an_old_file_that_is_not_in_the_factory_copy_is_kept_too(
        factory: str, marks: Sequence[str], tmp_path: Path) -> None:
    text = notes(tmp_path, "/etc/cim.conf", OLD, NEW, factory=factory, marks=marks)
    assert text == ("/etc/cim.conf is kept although it was not changed, as /usr/share/factory/etc"
                    " of this root has not the same file; the image's differs and is not used")
    assert notes(tmp_path / "same", "/etc/cim.conf", OLD, OLD, factory=factory) == ""


@pytest.mark.parametrize(("path", "marks", "text"), [
    ("/opt/cim/cim.conf", (CONFIG,), "/opt/cim/cim.conf, which was changed, is replaced by the"
                                     " image's"),
    ("/opt/cim/cim.conf", (), ""), ("/var/lib/cim/state", (CONFIG,), ""),
    ("/etc/cim.log", (GHOST,), "")])
def test_files_outside_of_etc_are_those_of_the_image(
        path: str, marks: Sequence[str], text: str, tmp_path: Path) -> None:
    assert notes(tmp_path, path, OWN, marks=marks) == text
    assert notes(tmp_path / "unchanged", path, OLD, marks=marks) == ""


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha512"])
def test_digests_are_of_the_type_that_the_package_has(kind: str, tmp_path: Path) -> None:
    assert notes(tmp_path, "/etc/cim.conf", OLD, kind=kind) == ""
    assert "is kept" in notes(tmp_path / "changed", "/etc/cim.conf", OWN, kind=kind)


def test_what_cannot_be_compared_has_no_notes(tmp_path: Path) -> None:
    save(tmp_path / "old", File("/etc/a", "file", digest="shake_128:ab", since=1),
         File("/etc/b", "file", digest="sha256:ab", since=1))
    (tmp_path / "old/etc/b").symlink_to("/etc/b")
    old, missing = tmp_path / "old", tmp_path / "missing"
    assert list(configuration_notes("cim", target(old), missing)) == []
    assert list(configuration_notes("cim", target(missing), old)) == []


def test_the_factory_copies_of_a_host_are_those_of_systemd(tmp_path: Path) -> None:
    assert notes(tmp_path, "/etc/cim.conf", OLD, factory="") != ""
    assert list(configuration_notes(
        "cim", target(tmp_path / "old", HOST), tmp_path / "new")) == []
