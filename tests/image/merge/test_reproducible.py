"""Merges with SOURCE_DATE_EPOCH: two write the same, and no time of the input changes."""
from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

from ovirt_node_plugin.images.mounts import loop_mounted
from ovirt_node_plugin.merge.root.reproducible import Start, replace_times
from ovirt_node_plugin.system.run import StrPath, run
from ovirt_node_plugin.system.trees import walk
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import TOP, succeeded
from tests.support.iso_contents import extract_iso
from tests.support.isos import make_iso
from tests.support.program import Program

pytestmark = pytest.mark.root

EPOCH = 1700000000
# Of the second run: what should make no difference
OTHER = ("env", f"SOURCE_DATE_EPOCH={EPOCH}", "TZ=Asia/Tokyo", "COLUMNS=40",
         f"PYTHONPATH={TOP}", f"PATH={os.environ['PATH']}:/usr/sbin:/sbin",
         "unshare", "--uts", "sh", "-ec", 'umask 077\nhostname other\ncd /\nexec "$@"', "sh")
MTIME = 3  # in the values of metadata()
SETTINGS = ('<kernel-argument name="isv.mode" value="fast"/>', '<user name="isvuser"/>')
SCRIPTLETS = {"post": "mkdir /etc/isv\necho made >/etc/isv/made\nln -s made /etc/isv/link"}


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
def isv(tmp_path: Path) -> Path:
    """A plugin whose settings and scriptlets change the root and the boot configurations."""
    return make_plugin(tmp_path, "isv", files={"/opt/isv/text": "hello"}, settings=SETTINGS,
                       scriptlets=SCRIPTLETS)


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOURCE_DATE_EPOCH is set."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(EPOCH))


def merge_twice(program: Program, tmp_path: Path, image: Path, *words: object) -> Tuple[Path, Path]:
    """Merge twice under different circumstances; return the outputs, of the same name.

    The files of the plugins have other times for the second merge, also later than EPOCH.
    """
    outputs = tmp_path / "first" / image.name, tmp_path / "second" / image.name
    for output in outputs:
        output.parent.mkdir(parents=True)
    succeeded(program("merge", image, *words, "-o", outputs[0], "-y", UNSIGNED))
    for plugin in (word for word in words if isinstance(word, Path)):
        for path in plugin.rglob("*"):
            os.utime(path, (EPOCH + 5000, EPOCH + 5000))
    other = Program(tmp_path / "another/work", program.dnf)
    other.work.mkdir(parents=True)
    run([*OTHER, *other.argv("merge", image, *words, "-o", outputs[1], "-y", UNSIGNED)])
    return outputs


def unpacked(image: Path, to: Path) -> Path:
    """Unpack a squashfs into the new folder ``to`` and return it."""
    run(["unsquashfs", "-no-progress", "-quiet", "-dest", to, image])
    return to


def file_times(root: Path) -> Dict[str, int]:
    """Map the files below ``root`` to their times of modification, in seconds."""
    return {os.path.relpath(entry.path, root): int(entry.stat(follow_symlinks=False).st_mtime)
            for entry in walk(root) if not entry.is_dir(follow_symlinks=False)}


def metadata(root: Path) -> Dict[str, Tuple[object, ...]]:
    """Map every entry below ``root`` to its content and attributes."""
    entries: Dict[str, Tuple[object, ...]] = {}
    for path in (root, *root.rglob("*")):
        info = path.lstat()
        content = (os.readlink(path) if path.is_symlink()
                   else path.read_bytes() if path.is_file() else b"")
        entries[os.path.relpath(path, root)] = (
            info.st_mode, info.st_uid, info.st_gid, info.st_mtime_ns, content,
            [(name, os.getxattr(path, name, follow_symlinks=False))
             for name in os.listxattr(path, follow_symlinks=False)])
    return entries


def test_rpm_databases_of_rpm_before_4_18_become_the_same(
        built: support.Fixtures, isv: Path, tmp_path: Path) -> None:
    """Such an rpm does not know the variable: here it does not get it."""
    (package,) = isv.rglob("*.rpm")
    databases = []
    for name in ("first", "second"):
        start = Start(int(time.time()), EPOCH)
        root = built.node_root(tmp_path / name)
        rpm: List[StrPath] = ["rpm", "--root", root, "--dbpath", "/usr/share/rpm"]
        before = run([*rpm, "-qa", "--qf", "%{nevra} %{installtime} %{installtid}\n"])
        time.sleep(1)
        run([*rpm, "--nosignature", "--noplugins", "-i", package])
        replace_times(root, root, start, work=tmp_path)
        databases.append((root / "usr/share/rpm/rpmdb.sqlite").read_bytes())
        after = run([*rpm, "-qa", "--qf", "%{nevra} %{installtime} %{installtid}\n"])
        assert set(after.splitlines()) - set(before.splitlines()) == {
            f"isv-1.0-1.noarch {EPOCH} {EPOCH}"}
        assert set(before.splitlines()) < set(after.splitlines())
        assert run([*rpm, "-q", "--tid", str(EPOCH)]) == "isv-1.0-1.noarch\n"
        run([*rpm, "-V", "--noscripts", "--nodeps", "isv"])
        run(["rpmdb", *rpm[1:], "--verifydb"])
    assert databases[0] == databases[1]


def superblock_time(squashfs: Path) -> int:
    """Return the time in the superblock of a squashfs; its third word."""
    time: int = struct.unpack("<I", squashfs.read_bytes()[8:12])[0]
    return time


@pytest.mark.usefixtures("dated")
def test_files_keep_their_times_in_a_merge_and_a_shell(
        tree: Path, program: Program, isv: Path, tmp_path: Path) -> None:
    before = file_times(unpacked(tree, tmp_path / "before"))
    merged, shelled = tmp_path / "merged.img", tmp_path / "shelled.img"
    succeeded(program("merge", tree, isv, "-o", merged, "-y", UNSIGNED))
    succeeded(program("shell", merged, "-o", shelled, "--", "sh", "-c", "echo >/etc/shelled"))
    assert before["etc/new"] == EPOCH + 1000
    for image in (merged, shelled):
        after = file_times(unpacked(image, tmp_path / image.stem))
        assert {after[path] for path, time in before.items() if after[path] != time} <= {EPOCH}
        unchanged = {path for path, time in before.items() if after[path] == time}
        assert {"etc/new", "etc/os-release", "etc/chrony.conf"} <= unchanged
        assert after["etc/isv/made"] == after["etc/isv/link"] == EPOCH < after["opt/isv/text"]
        assert superblock_time(image) == EPOCH
    assert after["etc/shelled"] == EPOCH


def test_a_note_says_if_the_variable_has_no_effect(
        tree: Path, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    agent, output = make_plugin(tmp_path, "agent"), tmp_path / "new.img"
    words = "Note: SOURCE_DATE_EPOCH has no effect: yesterday is not a time"
    assert words in succeeded(
        program("merge", tree, agent, "-o", output, "--dry-run", UNSIGNED)).out
    assert words in succeeded(program("shell", tree, "-o", output, "--", "true")).err


@pytest.mark.usefixtures("dated")
@pytest.mark.parametrize("form", ["tree-live", "installer"])
def test_two_merges_write_the_same_iso(
        form: str, built: support.Fixtures, program: Program, isv: Path, tmp_path: Path) -> None:
    """The installer has a filesystem image in its squashfs."""
    first, second = merge_twice(program, tmp_path, built.iso(form), isv, "--keep-bundles")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.usefixtures("dated")
def test_two_merges_into_xfs_differ_only_outside_of_files(
        built: support.Fixtures, program: Program, isv: Path, tmp_path: Path) -> None:
    iso = make_iso("old-live", built.node_root(tmp_path / "root"), tmp_path / "xfs.iso",
                   filesystem="xfs")
    image = extract_iso(iso, tmp_path / "iso") / "LiveOS/squashfs.img"
    first, second = (unpacked(output, output.parent / "unpacked") / "LiveOS/ext3fs.img"
                     for output in merge_twice(program, tmp_path, image, isv))
    assert (first.stat().st_mtime, first.stat().st_size) == (EPOCH, second.stat().st_size)
    (tmp_path / "at").mkdir()
    contents = []
    for filesystem in (first, second):
        with loop_mounted(filesystem, tmp_path / "at", kind="xfs", run=run,
                          options=["nouuid", "norecovery"]) as root:
            contents.append(metadata(root))
    assert contents[0] == contents[1] and "opt/isv/text" in contents[0]


@pytest.mark.usefixtures("dated")
def test_two_merges_write_the_same_folder_and_a_removal_restores_it(
        node: Path, program: Program, isv: Path, tmp_path: Path) -> None:
    before = metadata(node)
    first, second = merge_twice(program, tmp_path, node, isv)
    after, bare = metadata(first), tmp_path / "bare"
    assert after == metadata(second)
    succeeded(program("merge", first, "--remove", "isv", "-o", bare, "-y"))
    restored = metadata(bare)
    for entries in (after, restored):
        assert {entry[MTIME] for path, entry in entries.items()
                if entry != before.get(path) and not path.startswith("opt/isv")} == {
                    EPOCH * 10**9}
    assert {path for path in before if before[path][MTIME + 1:] != restored[path][MTIME + 1:]
            and not path.startswith(("usr/share/rpm", "etc/"))} == set()
