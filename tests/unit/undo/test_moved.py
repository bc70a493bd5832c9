"""What is saved by name only is moved back, and what cannot be restored is named."""
from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ovirt_node_plugin.undo import journal, undoing
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.unit]

INTENT = journal.Intent("install", ("foo",), "test")
SCOPE = journal.Scope(paths=("opt/foo/x",), trees=("etc",), bare=("opt", "var"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("etc", "opt/data/deep", "opt/empty", "var/lib/state", "usr/share"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("opt/data/file", "opt/data/deep/file", "opt/mode", "var/lib/state/x"):
        (tmp_path / name).write_text(name)
    (tmp_path / "opt/link").symlink_to("data")
    (tmp_path / "opt/empty").chmod(0o750)
    return tmp_path


def undo(root: Path) -> undoing.Undone:
    undone = undoing.undo(root)
    assert not journal.left_over(root)
    return undone


def test_moved_and_removed_entries_without_content_are_restored(root: Path) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE).close()
    (root / "opt/data").rename(root / "opt/data.old")
    (root / "opt/link").unlink()
    (root / "opt/empty").rmdir()
    (root / "opt/mode").rename(root / "var/moved")
    shutil.copytree(root / "var/lib/state", root / "var/copied")  # as mv(1) between filesystems
    shutil.rmtree(root / "var/lib/state")
    (root / "opt/new").mkdir()
    assert undo(root).changed == ()
    assert state_differences(before, tree_state(root)) == []


def test_a_file_in_the_place_of_a_moved_or_copied_one_is_replaced(root: Path) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE).close()
    (root / "opt/mode").rename(root / "opt/mode.bak")
    (root / "opt/mode").write_text("a new file")
    (root / "opt/backup").mkdir()
    shutil.copy2(root / "opt/data/file", root / "opt/backup/file")
    (root / "opt/data/file").write_text("in place")
    assert undo(root).changed == ()
    assert state_differences(before, tree_state(root)) == []


@pytest.mark.parametrize("target", ["", "/var/data", "../var/data", "/usr/share", "data", "none"])
def test_a_folder_that_a_file_or_a_link_replaced_is_restored(root: Path, target: str) -> None:
    before = tree_state(root)
    journal.begin(root, INTENT, SCOPE).close()
    (root / "opt/data").rename(root / "var/data")
    if target:
        (root / "opt/data").symlink_to(target)
    else:
        (root / "opt/data").write_text("a file")
    assert undo(root).changed == ()
    assert state_differences(before, tree_state(root)) == []


def test_what_cannot_be_restored_is_named(root: Path) -> None:
    large = root / "etc/large"
    with open(large, "wb") as stream:
        stream.truncate((16 << 20) + 1)
    (root / "opt/kept").write_text("the same")
    journal.begin(root, INTENT, SCOPE).close()
    with open(large, "r+b") as stream:
        stream.write(b"in place")
    (root / "opt/data/file").write_text("another")
    (root / "opt/mode").chmod(0o600)
    (root / "opt/data/deep/file").unlink()
    os.utime(root / "opt/kept")
    os.utime(root / "var/lib/state/x")
    assert undo(root).changed == (
        "/etc/large was changed", "/opt/data/deep/file was removed", "/opt/data/file was changed",
        "/opt/kept was changed", "/opt/mode was changed", "/var/lib/state/x was changed")


def test_a_file_whose_folder_is_not_saved_is_named(root: Path) -> None:
    (root / "usr/share/file").write_text("content")
    journal.begin(root, INTENT, replace(SCOPE, near=("usr/share",))).close()
    (root / "usr/share/file").rename(root / "var/file")
    (root / "usr/share").rmdir()
    assert undo(root).changed == ("/usr/share/file was removed",)


def test_a_running_system_changes_files_itself(root: Path) -> None:
    journal.begin(root, INTENT, journal.Scope(paths=("opt/foo/x",), trees=("etc",),
                                              near=("opt",), live=True)).close()
    (root / "opt/mode").unlink()
    assert undo(root).changed == ()
