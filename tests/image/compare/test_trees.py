"""Comparison of trees with entries that only root can create, and of real images."""
from __future__ import annotations

import os
import shutil
import stat
import struct
from pathlib import Path
from typing import Callable, List, Sequence

import pytest

from ovirt_node_plugin.compare.isos import iso_differences
from ovirt_node_plugin.compare.trees import Difference, differences
from ovirt_node_plugin.images.iso.iso import read_iso
from ovirt_node_plugin.images.mounts import loop_mounted
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.root

# linux/capability.h, struct vfs_cap_data: revision 2 with effective bit; cap_net_raw is 13
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
LABEL = b"system_u:object_r:%s_t:s0\0"


def _owner(root: Path) -> None:
    os.chown(root / "file", 12, 34)


def _owner_of_link(root: Path) -> None:
    os.lchown(root / "link", 0, 5)


def _device(root: Path) -> None:
    (root / "null").unlink()
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 5))


def _label(root: Path) -> None:
    os.setxattr(root / "folder", "security.selinux", LABEL % b"etc")


def _label_of_link(root: Path) -> None:
    os.setxattr(root / "link", "security.selinux", LABEL % b"usr", follow_symlinks=False)


def _label_of_device(root: Path) -> None:
    os.setxattr(root / "null", "security.selinux", LABEL % b"null")


def _capability(root: Path) -> None:
    os.removexattr(root / "file", "security.capability")


def _trusted(root: Path) -> None:
    os.setxattr(root / "file", "trusted.note", b"mine")


CHANGES = [
    (_owner, "file", ["owner 0:0 -> 12:34", f"xattr security.capability 0x{CAPABILITY.hex()}"
                                            " -> none"]),  # chown(2) removes it
    (_owner_of_link, "link", ["owner 0:0 -> 0:5"]),
    (_device, "null", ["device 1:3 -> 1:5"]),
    (_label, "folder", ["xattr security.selinux none -> system_u:object_r:etc_t:s0"]),
    (_label_of_link, "link", ["xattr security.selinux system_u:object_r:bin_t:s0"
                              " -> system_u:object_r:usr_t:s0"]),
    (_label_of_device, "null", ["xattr security.selinux none -> system_u:object_r:null_t:s0"]),
    (_capability, "file", [f"xattr security.capability 0x{CAPABILITY.hex()} -> none"]),
    (_trusted, "file", ["xattr trusted.note none -> mine"]),
]


def make_tree(root: Path) -> Path:
    """Make a small tree with an entry of each type that can have attributes."""
    (root / "folder").mkdir(parents=True)
    (root / "file").write_text("text")
    os.setxattr(root / "file", "security.capability", CAPABILITY)
    os.symlink("file", root / "link")
    os.setxattr(root / "link", "security.selinux", LABEL % b"bin", follow_symlinks=False)
    os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    return root


@pytest.mark.parametrize("change, path, details", CHANGES)
def test_each_kind_of_change_is_reported(tmp_path: Path, change: Callable[[Path], None], path: str,
                                         details: List[str]) -> None:
    old, new = (make_tree(tmp_path / name) for name in ("old", "new"))
    assert list(differences(old, new, content_limit_bytes=None)) == []
    change(new)
    assert list(differences(old, new, content_limit_bytes=None)) == [
        Difference(path, "changed", tuple(details))]


def test_a_tree_equals_its_squashfs_until_one_is_changed(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root")
    os.link(root / "file", root / "folder/second")
    run(["mksquashfs", root, tmp_path / "image", "-no-progress", "-quiet"])
    (tmp_path / "at").mkdir()
    with loop_mounted(tmp_path / "image", tmp_path / "at", kind="squashfs", run=run) as at:
        assert list(differences(root, at, content_limit_bytes=None, times=True)) == []
        for change in (_label_of_link, _device, _trusted):
            change(root)
        shutil.copy2(root / "folder/second", root / "folder/copy")
        (root / "folder/copy").rename(root / "folder/second")
        changes = list(differences(root, at, content_limit_bytes=None, times=True))
    assert [difference.path for difference in changes] == ["file", "folder/second", "link", "null"]
    assert "links 1 -> 2" in changes[0].details and "links 1 -> 2" in changes[1].details


def make_iso(folder: Path, name: str, change: Callable[[Path], None]) -> Path:
    """Make a small ISO with a boot image from a tree that ``change`` edits."""
    tree = folder / name
    (tree / "boot").mkdir(parents=True)
    (tree / "boot/image.bin").write_bytes(bytes(range(256)) * 16)
    (tree / "payload").write_text(name)
    (tree / "text").write_text("text")
    change(tree)
    iso = folder / f"{name}.iso"
    run(["xorriso", "-as", "mkisofs", "-o", iso, "-b", "boot/image.bin", "-c", "boot/catalog",
         "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])
    return iso


def iso_changes(old: Path, new: Path) -> Sequence[Difference]:
    return list(iso_differences((old, read_iso(old, run=run)), (new, read_iso(new, run=run)),
                                ignored=["/payload"]))


def _moved(tree: Path) -> None:
    (tree / "boot/a").write_text("")
    for number in range(9):  # each has a block before the blocks of the files
        (tree / f"empty-{number}").mkdir()


def _rewritten(tree: Path) -> None:
    (tree / "text").write_text("tExt")
    (tree / "boot/image.bin").write_bytes(bytes(range(256)) * 15 + bytes(256))


def _larger(tree: Path) -> None:
    (tree / "text").write_text("larger")
    (tree / "new").write_text("")


def test_files_on_isos_are_compared(tmp_path: Path) -> None:
    plain, moved, rewritten, larger = (make_iso(tmp_path, name, change) for name, change in (
        ("plain", lambda tree: None), ("moved", _moved), ("rewritten", _rewritten),
        ("larger", _larger)))
    images = [next(file for file in read_iso(iso, run=run).files if file.path == "/boot/image.bin")
              for iso in (plain, moved)]
    assert images[0].lba != images[1].lba  # and both images contain it
    assert iso_changes(plain, plain) == []
    assert iso_changes(plain, moved) == [Difference("/boot/a", "added")]
    assert iso_changes(moved, plain) == [Difference("/boot/a", "removed")]
    assert iso_changes(plain, rewritten) == [Difference("/boot/image.bin", "changed", ("content",)),
                                         Difference("/text", "changed", ("content",))]
    assert iso_changes(plain, larger) == [Difference("/new", "added"),
                                      Difference("/text", "changed", ("size 4 -> 6",))]
