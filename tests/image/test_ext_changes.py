"""Changes of a root written again to an ext filesystem: complete, and the same each time."""
from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import struct
import time
from pathlib import Path
from typing import Iterator, List

import pytest

from ovirt_node_plugin.compare.trees import differences
from ovirt_node_plugin.errors import RolledBack
from ovirt_node_plugin.images import ext_changes
from ovirt_node_plugin.images.ext_changes import ExtChanges
from ovirt_node_plugin.images.mounts import loop_mounted
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.root

DATE = 1700000000
FORMS = (["-t", "ext4"], ["-t", "ext4", "-I", "128", "-O", "^metadata_csum"],
         ["-t", "ext4", "-b", "1024", "-O", "inline_data"], ["-t", "ext3"])
# acl(5) as the kernel shows it, include/uapi/linux/posix_acl_xattr.h: tag, permissions, id
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in (
    (1, 6, -1), (2, 4, 10), (4, 4, -1), (16, 6, -1), (32, 4, -1)))


@contextlib.contextmanager
def mounted(file: Path, at: Path, *, writable: bool = False) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    with loop_mounted(file, at, kind="ext4", writable=writable, run=run) as root:
        yield root


def make_image(image: Path, *options: str) -> Path:
    """Make a filesystem with entries, one of them an indexed folder; return ``image``."""
    fill(image.with_name("filled"))
    with open(image, "wb") as stream:
        stream.truncate(48 << 20)
    run(["mke2fs", "-q", *options, "-d", image.with_name("filled"), image])
    run(["e2fsck", "-f", "-y", "-D", image], ok=(0, 1))
    if "128" in options:  # these inodes have whole seconds, and changes are detected by the time
        time.sleep(1)
    return image


def fill(root: Path) -> None:
    """Write what is in the image before any change."""
    root.mkdir()
    for name in ("kept", "content", "mode", "owner", "xattr", "gone", "same-size", "to-folder",
                 "to-link", "linked", "relinked", "renamed"):
        (root / name).write_text(f"{name} before\n" * 100)
        os.utime(root / name, (DATE - 5, DATE - 5))
    os.setxattr(root / "xattr", "user.gone", b"1")
    os.setxattr(root / "xattr", "user.kept", b"2")
    for name in ("linked", "relinked"):
        os.link(root / name, root / f"{name} 2")
    for folder in ("gone-folder/a/b", "folder", "to-file/a", "many"):
        (root / folder).mkdir(parents=True)
    (root / "gone-folder/a/file").write_text("")
    (root / "to-file/a/file").write_text("")
    for number in range(400):
        (root / f"many/{number:040}").write_text("")


def change(root: Path, order: List[int]) -> None:
    """Make changes of every kind, in an order that should make no difference."""
    steps = [_replace, _add_files, _add_others, _link, _fill_folders]
    for number in order:
        steps[number](root)
    for path in sorted(root.rglob("*")):
        if path.lstat().st_mtime > DATE:
            os.utime(path, (DATE, DATE), follow_symlinks=False)
    os.utime(root, (DATE, DATE))


def _replace(root: Path) -> None:
    (root / "content").write_text("after\n")
    (root / "same-size").write_text("same-size AFTER\n" * 100)
    (root / "mode").chmod(0o4711)
    os.chown(root / "owner", 70000, 123456)
    os.removexattr(root / "xattr", "user.gone")
    os.setxattr(root / "xattr", "security.selinux", b"system_u:object_r:etc_t:s0\0")
    (root / "gone").unlink()
    shutil.rmtree(root / "gone-folder")
    for name in ("to-folder", "to-link"):
        (root / name).unlink()
    (root / "to-folder").mkdir()
    (root / "to-link").symlink_to("kept")
    shutil.rmtree(root / "to-file")
    (root / "to-file").write_text("file")
    (root / "renamed").rename(root / "folder/renamed")
    (root / "folder").chmod(0o2750)


def _add_files(root: Path) -> None:
    for name in ('quote " \' $ ; # <5> \\', "\tblank", "ümlaut", os.fsdecode(b"\xff\xfe"), "-f",
                 "long-" * 40):
        (root / name).mkdir()
        (root / name / name).write_text(name, encoding="utf-8", errors="surrogateescape")
    (root / "large").write_bytes(b"large" * 600_001)
    with open(root / "sparse", "wb") as stream:
        stream.truncate(9_000_000)
        stream.write(b"start")
        stream.seek(8_000_000)
        stream.write(b"end")
    (root / "times").write_text("")
    os.utime(root / "times", ns=(0, (DATE - 1) * 10**9 + 123456789))
    os.setxattr(root / "times", "user.long", b"x" * 300)
    os.setxattr(root / "times", "security.capability", b"\1\0\0\2" + b"\1" * 16)
    os.setxattr(root / "times", "system.posix_acl_access", ACL)


def _add_others(root: Path) -> None:
    (root / "link").symlink_to("x/" * 150)
    (root / "short link").symlink_to("../a b")
    os.lchown(root / "link", 5, 6)
    for name, kind, device in (
            ("char", stat.S_IFCHR, os.makedev(5, 700)), ("null", stat.S_IFCHR, 0),
            ("block", stat.S_IFBLK, os.makedev(300, 1)), ("fifo", stat.S_IFIFO, 0)):
        os.mknod(root / "folder" / name, kind | 0o640, device)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(root / "socket"))


def _link(root: Path) -> None:
    os.link(root / "linked", root / "folder/linked 3")
    (root / "relinked 2").unlink()
    (root / "relinked 2").write_text("of its own")
    (root / "new").write_text("new")
    os.link(root / "new", root / "new 2")


def _fill_folders(root: Path) -> None:
    for number in range(0, 400, 3):
        (root / f"many/{number:040}").unlink()
    for number in range(400, 550):
        (root / f"many/{number:040}").write_text("x")


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_changes_are_written_completely_and_twice_the_same(
        form: List[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, outputs = make_image(tmp_path / "image", *form), []
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(DATE))
    with mounted(image, tmp_path / "old") as old:
        for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
            work = tmp_path / f"work-{order[0]}"
            work.mkdir()
            copy, output = (Path(shutil.copyfile(image, work / name))
                            for name in ("copy", "output"))
            with mounted(copy, work / "new", writable=True) as new:
                change(new, order)
                run(["sync", "--file-system", new])
                changes = ExtChanges(old, new, work, DATE)
                changes.apply(output, run=run)
                run(["e2fsck", "-f", "-n", output])
                with mounted(output, work / "result") as result:
                    changes.check(result)
                    check_result(old, new, result)
            outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1]


def check_result(old: Path, new: Path, result: Path) -> None:
    """Compare ``result`` with ``new``, and what is not changed with ``old``."""
    assert list(differences(new, result, content_limit_bytes=None, times=True)) == []
    before, after = (root.joinpath("kept").stat() for root in (old, result))
    assert (after.st_ino, after.st_ctime_ns, after.st_mtime_ns) == (
        before.st_ino, before.st_ctime_ns, before.st_mtime_ns)
    assert {(result / name).lstat().st_ctime_ns for name in (
        "content", "mode", "link", "new", "large", "folder", "many")} == {DATE * 10**9}


def test_a_change_that_is_not_written_is_detected(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_image(tmp_path / "image")
    copy = Path(shutil.copyfile(image, tmp_path / "copy"))
    with mounted(image, tmp_path / "old") as old, mounted(
            copy, tmp_path / "new", writable=True) as new:
        (new / "line\nbreak").write_text("text")
        changes = ExtChanges(old, new, tmp_path, DATE)
        with pytest.raises(RolledBack, match="cannot be written to"):
            changes.check(old)
        with pytest.raises(RolledBack, match=r"cannot write the name '/line\\nbreak'"):
            changes.apply(tmp_path / "copy 2", run=run)
        (new / "line\nbreak").rename(new / "line\rbreak")
        with pytest.raises(RolledBack, match=r"cannot write the name '/line\\rbreak'"):
            ExtChanges(old, new, tmp_path, DATE).apply(tmp_path / "copy 2", run=run)
        (new / "line\rbreak").rename(new / "line\nbreak")
        # what debugfs does not report
        monkeypatch.setattr(ext_changes, "_quoted", lambda word: word.replace("\n", "-"))
        output = Path(shutil.copyfile(image, tmp_path / "output"))
        changes.apply(output, run=run)
        with mounted(output, tmp_path / "result") as result, pytest.raises(
                RolledBack, match="break' cannot be written to"):
            changes.check(result)


def test_a_target_is_never_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debugfs takes the rest of a long line for another line; its command dump writes a file."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(DATE))
    image, victim = make_image(tmp_path / "image", *FORMS[0], "-b", "4096"), tmp_path / "victim"
    copies = [Path(shutil.copyfile(image, tmp_path / name)) for name in ("copy", "output")]
    with mounted(image, tmp_path / "old") as old, mounted(
            copies[0], tmp_path / "new", writable=True) as new:
        for number, quotes in enumerate((1, 2000, 3900)):
            target = f'{"%" * quotes} dump /kept {victim} '.replace("%", '"')
            (new / f"link-{number}").symlink_to(target)
        deep = new.joinpath(*["d" * 250] * 10)
        deep.mkdir(parents=True)
        (deep / "link").symlink_to('"' * 2900 + f" dump /kept {victim}")
        run(["sync", "--file-system", new])
        with pytest.raises(RolledBack, match="too long for debugfs"):
            ExtChanges(old, new, tmp_path, DATE).apply(copies[1], run=run)
        (deep / "link").unlink()
        changes = ExtChanges(old, new, tmp_path, DATE)
        changes.apply(copies[1], run=run)
        with mounted(copies[1], tmp_path / "result") as result:
            changes.check(result)
    assert not victim.exists()
