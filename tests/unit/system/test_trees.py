"""Folders of a root: listing and removing their entries."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import OutsideRoot
from ovirt_node_plugin.system import trees
from ovirt_node_plugin.system.paths import relative_inside
from ovirt_node_plugin.system.trees import Listing, Relative, remove_new, stat_of

pytestmark = [pytest.mark.unit]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("etc/a/deep", "var/cache/x", "var/lib/mine", "usr/lib/modules", "outside"):
        (root / folder).mkdir(parents=True)
    (root / "etc/a/file").write_text("x")
    os.symlink("usr/lib", root / "lib")
    os.symlink("../var", root / "etc/link")
    return root


def test_names_follow_no_link_and_skip_excluded_paths(root: Path) -> None:
    assert Listing(root).below("etc") == {"etc", "etc/a", "etc/a/deep", "etc/a/file", "etc/link"}
    assert Listing(root).below("var") == {"var", "var/lib", "var/lib/mine"}
    assert Listing(root).below("var/cache") == {"var/cache", "var/cache/x"}
    assert Listing(root).inside("var/cache") == set()


@pytest.mark.parametrize("tree", ["lib", "etc/link", "etc/link/lib", "missing", "etc/a/file"])
def test_a_path_that_is_no_folder_of_the_root_has_no_names(root: Path, tree: str) -> None:
    assert Listing(root).below(tree) == set()
    assert Listing(root).inside(tree) == set()


@pytest.mark.parametrize("link", ["../../usr/state", "/usr/state", "../..//usr/state"])
def test_an_excluded_path_is_excluded_under_its_real_name(root: Path, link: str) -> None:
    (root / "usr/state/deep").mkdir(parents=True)
    os.symlink(link, root / "var/lib/dnf")
    assert Listing(root).below("usr") == {"usr", "usr/lib", "usr/lib/modules"}
    assert Listing(root).inside("usr/state") == Listing(root).inside("usr/state/deep") == set()
    assert "usr/state" not in Listing(root).inside("usr")


def test_names_stop_at_mounts(root: Path) -> None:
    assert Listing(root, mounts={"etc/a"}).below("etc") == {"etc", "etc/a", "etc/link"}


def test_names_in_a_folder_are_not_those_below_it(root: Path) -> None:
    assert Listing(root).inside("etc") == {"etc/a", "etc/link"}
    assert Listing(root).inside("") == {"etc", "var", "usr", "lib", "outside"}


def test_new_folders_are_removed_with_all_entries(root: Path) -> None:
    remove_new(root, ["etc/a", "etc/a/file", "etc/link", "missing/x"])
    assert Listing(root).below("etc") == {"etc"}
    assert (root / "var").is_dir()


def test_the_target_of_a_parent_replaced_by_a_link_is_kept(root: Path) -> None:
    remove_new(root, ["etc/link/lib"])
    assert (root / "var/lib").is_dir()


def test_deep_folders_are_removed_without_recursion(root: Path) -> None:
    folder = os.open(root, os.O_RDONLY)
    try:
        for _ in range(400):
            os.mkdir("deep", dir_fd=folder)
            below = os.open("deep", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = below
    finally:
        os.close(folder)
    remove_new(root, ["deep"])
    assert not (root / "deep").exists()


def test_a_mount_is_not_removed(root: Path, monkeypatch: pytest.MonkeyPatch,
                                tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"26 25 8:1 /x {root}/etc/a/de\\040ep rw - ext4 x rw\n")
    monkeypatch.setattr(trees, "_MOUNTINFO", table)
    assert trees.mounts_below(root) == {"etc/a/de ep"}
    with pytest.raises(OutsideRoot) as caught:
        remove_new(root, ["etc/a"])
    assert f"{root}/etc/a/de ep is a mount" in str(caught.value)
    assert (root / "etc/a/file").exists()


def test_a_folders_state_does_not_change_with_its_size(root: Path) -> None:
    state = stat_of(root / "etc")
    assert state is not None and len(state) == 4
    assert stat_of(root / "missing") is None
    assert stat_of(root / "etc/a/file/below") is None


@pytest.mark.parametrize("name", ["/lib/modules/x", "lib", "/etc/link/lib/y", "/", "etc/a/",
                                  "/new/folder/z", "//etc//a/./file"])
def test_many_names_are_made_relative_like_single_ones(root: Path, name: str) -> None:
    relative = Relative(root)
    assert relative(name) == relative_inside(root, name)
    assert relative(name) == relative_inside(root, name)


@pytest.mark.parametrize("name", ["../x", "/etc/../x", "/etc/..", "a/../../b"])
def test_names_that_climb_are_refused(root: Path, name: str) -> None:
    with pytest.raises(OutsideRoot):
        Relative(root)(name)
