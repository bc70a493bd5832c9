"""Whether a root is booted, in image mode or deployed, seen by a process whose ``/`` it is."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Sequence, Tuple

import pytest

from ovirt_node_plugin.system import kernel
from ovirt_node_plugin.target import identify

pytestmark = pytest.mark.root

SYSTEMD, OSTREE = "run/systemd/system", "run/ostree-booted"
BASES = ("usr/lib/bootc", "usr/lib/ostree")
READ_ONLY = "read-only"
NONE, LIVE, BOOTED, IMAGE, BUILD, DEPLOYED, BOOTED_DEPLOYED = (
    (False, False, False, False), (True, False, False, False), (True, True, False, False),
    (False, False, True, False), (True, False, True, False),
    (True, False, True, True), (True, True, True, True))


def modes(root: Path) -> Tuple[bool, bool, bool, bool]:
    target = identify(root)
    return target.live, target.booted, target.image_mode, target.deployed


def modes_inside(root: Path, *, read_only: bool) -> Tuple[bool, ...]:
    """Return the modes of ``root`` for a process in a chroot there."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if read_only:
                usr = str(root / "usr")
                kernel.unshare(kernel.CLONE_NEWNS)
                kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SLAVE)
                kernel.mount(usr, usr, None, kernel.MS_BIND)
                kernel.mount(None, usr, None,
                             kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)
            os.chroot(root)
            os.write(writing, bytes(modes(Path("/"))))
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as stream:
        return tuple(map(bool, stream.read()))


def make(root: Path, paths: Sequence[str]) -> Path:
    (root / "usr").mkdir(parents=True)
    for path in paths:
        if path == OSTREE:
            (root / "run").mkdir(exist_ok=True)
            (root / path).touch()
        elif path != READ_ONLY:
            (root / path).mkdir(parents=True)
    return root


@pytest.mark.parametrize("paths, expected", [
    ([], LIVE), ([READ_ONLY], LIVE), ([OSTREE], LIVE),
    ([SYSTEMD], BOOTED), ([SYSTEMD, READ_ONLY], BOOTED), ([SYSTEMD, OSTREE], BOOTED),
    *[([base, *paths], expected) for base in BASES for paths, expected in [
        ([], BUILD), ([READ_ONLY], DEPLOYED), ([OSTREE], BUILD), ([SYSTEMD], BOOTED),
        ([SYSTEMD, OSTREE], BOOTED_DEPLOYED), ([SYSTEMD, READ_ONLY], BOOTED_DEPLOYED),
        ([SYSTEMD, OSTREE, READ_ONLY], BOOTED_DEPLOYED)]]])
def test_modes_of_the_root_of_a_process(tmp_path: Path, paths: Sequence[str],
                                        expected: Tuple[bool, ...]) -> None:
    root = make(tmp_path / "root", paths)
    assert modes_inside(root, read_only=READ_ONLY in paths) == expected


@pytest.mark.parametrize("base", BASES)
def test_an_unpacked_root_is_in_image_mode_and_never_booted_or_deployed(tmp_path: Path,
                                                                        base: str) -> None:
    assert modes(make(tmp_path / "root", [base, SYSTEMD, OSTREE])) == IMAGE
    assert modes(make(tmp_path / "other", [SYSTEMD, OSTREE])) == NONE


def test_links_are_followed_inside_the_root_only(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", BASES) / "usr/lib/bootc"
    root = make(tmp_path / "root", ["usr/lib", "opt/bootc"])
    (root / "usr/lib/bootc").symlink_to(outside)
    (root / "usr/lib/ostree").symlink_to("../../../../outside/usr/lib/ostree")
    assert modes(root) == NONE
    (root / "usr/lib/bootc").unlink()
    (root / "usr/lib/bootc").symlink_to("/opt/bootc")
    assert modes(root) == IMAGE
