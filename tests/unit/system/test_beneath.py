"""Folders beneath a root: no link is followed, with openat2(2) and without it."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovirt_node_plugin.system import beneath, trees

pytestmark = [pytest.mark.unit]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with folders, and links that lead out of it."""
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    (root / "a/up").symlink_to("../../outside")
    (root / "a/absolute").symlink_to(tmp_path / "outside")
    (root / "a/same").symlink_to("b")
    return root


@pytest.mark.parametrize("has_openat2", [True, False])
@pytest.mark.parametrize("folder", [".", "a", "a/b", "a/./b"])
def test_a_folder_beneath_the_root_is_opened(root: Path, folder: str, has_openat2: bool) -> None:
    with beneath.opened(root) as top:
        descriptor = beneath.open_folder(top, folder, has_openat2=has_openat2)
    try:
        assert os.path.samestat(os.fstat(descriptor), os.stat(root / folder))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("has_openat2", [True, False])
@pytest.mark.parametrize("folder", ["a/up", "a/absolute", "a/same", "a/up/x", "..", "a/../..",
                                    "../root/a", "a/b/file", "a/missing", "/etc"])
def test_what_is_no_folder_beneath_the_root_is_not_opened(
        root: Path, folder: str, has_openat2: bool) -> None:
    descriptors = sorted(os.listdir("/proc/self/fd"))
    with beneath.opened(root) as top:
        with pytest.raises(OSError):
            beneath.open_folder(top, folder, has_openat2=has_openat2)
    assert sorted(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("path", ["a/up/file", "a/absolute/file", "../outside/file", "a/..", ".",
                                  ""])
def test_an_entry_that_a_link_leads_to_is_not_reached(root: Path, path: str) -> None:
    with pytest.raises(OSError):
        with beneath.parent_opened(root, path):
            pass


def test_a_link_itself_is_reached_and_not_followed(root: Path, tmp_path: Path) -> None:
    with beneath.parent_opened(root, "a/up") as where:
        os.unlink(where)
    assert not os.path.lexists(root / "a/up")
    assert (tmp_path / "outside/file").read_text() == "precious"


def test_a_folder_is_removed_with_links_in_it_and_what_they_lead_to_stays(
        root: Path, tmp_path: Path) -> None:
    deep = root.joinpath("a", *["deep"] * 400)
    deep.mkdir(parents=True)
    (deep / "link").symlink_to(tmp_path / "outside")
    trees.remove_new(root, ["a"])
    assert os.listdir(root) == []
    assert (tmp_path / "outside/file").read_text() == "precious"
