"""Times of folders in a changed root."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovirt_node_plugin.merge.root import leftovers

pytestmark = pytest.mark.unit

BEFORE, AFTER = 10**18 + 7, 2 * 10**18
FOLDERS = ("", "etc", "etc/same", "etc/new", "etc/gone", "etc/replaced", "etc/link")


@pytest.fixture
def trees(tmp_path: Path) -> "list[Path]":
    """A changed root and the original, each with the same folders."""
    trees = [tmp_path / "root", tmp_path / "original"]
    for tree in trees:
        for folder in FOLDERS:
            (tree / folder).mkdir()
            (tree / folder / "file").touch()
        os.mkfifo(tree / "etc/fifo")
    return trees


def set_times(tree: Path, nanoseconds: int) -> None:
    for folder in FOLDERS:
        os.utime(tree / folder, ns=(0, nanoseconds), follow_symlinks=False)


def test_only_folders_with_the_same_entries_have_their_time_again(
        trees: "list[Path]", tmp_path: Path) -> None:
    root, original = trees
    outside = tmp_path / "outside"
    (outside / "file").parent.mkdir()
    (outside / "file").touch()
    (root / "etc/new/new").touch()
    (root / "etc/gone/file").unlink()
    (root / "etc/link/file").unlink()
    (root / "etc/link").rmdir()
    (root / "etc/link").symlink_to(outside)
    os.replace(root / "etc/same/file", root / "etc/replaced/file")
    (root / "etc/same/file").touch()
    set_times(root, AFTER)
    set_times(original, BEFORE)
    os.utime(outside, ns=(0, AFTER))
    leftovers.remove(root, original)
    times = {folder: (root / folder).lstat().st_mtime_ns for folder in FOLDERS}
    assert {folder for folder, time in times.items() if time == BEFORE} == {
        "", "etc", "etc/same", "etc/replaced"}
    assert {times[folder] for folder in ("etc/new", "etc/gone", "etc/link")} == {AFTER}
    assert outside.stat().st_mtime_ns == AFTER


def test_a_very_deep_tree_is_no_error(tmp_path: Path) -> None:
    here = os.getcwd()
    for name in ("root", "original"):
        (tmp_path / name).mkdir()
        os.chdir(tmp_path / name)
        try:
            for _ in range(30):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
        finally:
            os.chdir(here)  # programs of other tests import the library from it
    leftovers.remove(tmp_path / "root", tmp_path / "original")
