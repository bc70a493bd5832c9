"""Entries, atomic writes and the lock of a root."""
from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import Locked, OutsideRoot, Status
from ovirt_node_plugin.system.entries import (
    Entry,
    locked,
    read_entry,
    same_entry,
    write_atomic,
    write_entry,
)

pytestmark = pytest.mark.unit


def names(folder: Path) -> List[str]:
    """Return the names in a folder, including temporary files."""
    return sorted(os.listdir(folder))


def test_a_file_is_read_with_mode_digest_and_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    (tmp_path / "f").chmod(0o4750)
    entry = read_entry(tmp_path, "/f")
    assert entry is not None
    assert entry == Entry("file", 0o4750, os.geteuid(), os.getegid(),
                          hashlib.sha256(b"data").hexdigest(), b"data", entry.xattrs)
    brief = read_entry(tmp_path, "f", content=False)
    assert brief is not None
    assert brief.content is None
    assert brief.same(entry)


def test_every_kind_of_entry_is_distinguished(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    entries = {name: read_entry(tmp_path, name) for name in ("link", "dir", "fifo", "none", "f/x")}
    assert {name: entry.kind if entry else None for name, entry in entries.items()} == {
        "link": "link", "dir": "dir", "fifo": "other", "none": None, "f/x": None}
    assert entries["link"] is not None
    assert entries["link"].content == b"/etc/passwd"


def test_an_absent_entry_equals_only_an_absent_entry(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    entry = read_entry(tmp_path, "f")
    assert same_entry(None, None)
    assert same_entry(entry, entry)
    assert not same_entry(entry, None)
    assert not same_entry(None, entry)


def test_a_written_entry_is_read_back_unchanged(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"one")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "link").symlink_to("f")
    (tmp_path / "dir").mkdir(mode=0o750)
    before = {name: read_entry(tmp_path, name) for name in ("f", "link", "dir", "new")}
    (tmp_path / "f").write_bytes(b"two")
    (tmp_path / "f").chmod(0o777)
    (tmp_path / "link").unlink()
    (tmp_path / "dir").chmod(0o700)
    (tmp_path / "new").touch()
    for name, entry in before.items():
        write_entry(tmp_path, name, entry)
    assert {name: read_entry(tmp_path, name) for name in before} == before
    assert names(tmp_path) == ["dir", "f", "link"]


def test_only_an_empty_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "theirs").touch()
    with pytest.raises(OSError):
        write_entry(tmp_path, "dir", None)
    (tmp_path / "dir" / "theirs").unlink()
    write_entry(tmp_path, "dir", None)
    assert names(tmp_path) == []


def test_removing_a_link_keeps_its_target(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("dir")
    write_entry(tmp_path, "link", None)
    assert names(tmp_path) == ["dir"]


def test_removing_an_absent_entry_is_no_error(tmp_path: Path) -> None:
    write_entry(tmp_path, "none", None)
    assert names(tmp_path) == []


def test_an_entry_without_content_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    entry = read_entry(tmp_path, "f", content=False)
    with pytest.raises(ValueError, match="content of f was not kept"):
        write_entry(tmp_path, "f", entry)


def test_a_linked_parent_does_not_redirect_a_write_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "outside").mkdir(parents=True)
    outside.mkdir()
    (root / "etc").symlink_to("../outside")
    write_entry(root, "etc/f", Entry("file", 0o644, os.geteuid(), os.getegid(), "", b"x"))
    assert names(outside) == []
    assert names(root / "outside") == ["f"]
    with pytest.raises(OutsideRoot):
        write_entry(root, "../f", None)


def test_writing_over_a_link_replaces_the_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "f").symlink_to("victim")
    write_atomic(tmp_path / "f", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "f").is_symlink()


def test_a_write_sets_the_mode_independent_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_atomic(tmp_path / "f", b"x", mode=0o755)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o755


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_files(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    (tmp_path / "f").write_bytes(b"old")

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(tmp_path / "f", b"new")
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_second_writer_is_refused_with_a_hint_to_wait(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(Locked) as caught, locked(tmp_path):
            raise AssertionError("not reached")
        assert caught.value.status == Status.LOCKED
    with locked(tmp_path):
        assert names(tmp_path) == []


def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError("x")
    with locked(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = ("import pathlib, sys, time\nfrom ovirt_node_plugin.system.entries import locked\n"
            "with locked(pathlib.Path(sys.argv[1])):\n print('held', flush=True)\n"
            " time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)],
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked), locked(tmp_path):
            raise AssertionError("not reached")
        holder.send_signal(signal.SIGKILL)
    with locked(tmp_path):
        pass
