"""Merges with SOURCE_DATE_EPOCH: no time of a file of the input changes."""
from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.program import Program

pytestmark = pytest.mark.root

EPOCH = 1700000000


@pytest.fixture(scope="module")
def tree(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs that contains the root of a Node, with a file from after EPOCH."""
    folder = tmp_path_factory.mktemp("tree")
    root = built.node_root(folder / "root")
    (root / "etc/new").write_text("new\n")
    os.utime(root / "etc/new", (EPOCH + 1000, EPOCH + 1000))
    run(["mksquashfs", root, folder / "node.squashfs", "-comp", "gzip", "-no-progress"])
    return folder / "node.squashfs"


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH is set."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))


def unpacked(image: Path, to: Path) -> Path:
    """Unpack a squashfs into the new folder ``to`` and return it."""
    run(["unsquashfs", "-no-progress", "-quiet", "-dest", to, image])
    return to


def file_times(root: Path) -> Dict[str, int]:
    """Map the files below ``root`` to their times of modification, in seconds."""
    return {path.relative_to(root).as_posix(): int(path.lstat().st_mtime)
            for path in root.rglob("*") if path.is_symlink() or path.is_file()}


def superblock_time(squashfs: Path) -> int:
    """Return the time in the superblock of a squashfs; its third word."""
    time: int = struct.unpack("<I", squashfs.read_bytes()[8:12])[0]
    return time


@pytest.mark.usefixtures("dated")
def test_files_keep_their_times_in_a_merge_and_a_shell(
        tree: Path, program: Program, tmp_path: Path) -> None:
    before = file_times(unpacked(tree, tmp_path / "before"))
    agent = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    merged, shelled = tmp_path / "merged.img", tmp_path / "shelled.img"
    succeeded(program("merge", tree, agent, "-o", merged, "-y", UNSIGNED))
    succeeded(program("shell", merged, "-o", shelled, "--", "true"))
    assert before["etc/new"] == EPOCH + 1000
    state = ("usr/share/rpm/", "usr/share/dnf/")
    for image in (merged, shelled):
        after = file_times(unpacked(image, tmp_path / image.stem))
        assert {path for path, time in before.items() if after.get(path) != time
                and not path.startswith(state)} == set()
        assert superblock_time(image) == EPOCH
