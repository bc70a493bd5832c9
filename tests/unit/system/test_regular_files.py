"""Opening and reading of regular files; other kinds are refused."""
from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict

import pytest

from ovirt_node_plugin.errors import OutsideRoot
from ovirt_node_plugin.system.paths import read_inside
from ovirt_node_plugin.system.regular_files import (
    NotRegular,
    TooLarge,
    opened_handle,
    opened_regular,
    read_regular,
)

pytestmark = pytest.mark.unit
TOP = Path(__file__).resolve().parents[3]


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)  # bind(2) takes short paths only


OTHERS: Dict[str, Callable[[Path], None]] = {
    "folder": Path.mkdir, "fifo": os.mkfifo, "socket": make_socket,
    "link": lambda path: path.symlink_to("real"), "loop": lambda path: path.symlink_to(path),
    "device": lambda path: path.symlink_to("/dev/zero"), "none": lambda path: None}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("follow", [False, True])
def test_a_special_file_is_refused_without_blocking(
        tmp_path: Path, kind: str, follow: bool) -> None:
    (tmp_path / "real").write_bytes(b"content")
    OTHERS[kind](tmp_path / "there")
    if kind == "link" and follow:
        assert read_regular(tmp_path / "there", follow=True) == b"content"
    else:
        with pytest.raises(OSError, match="there"):
            read_regular(tmp_path / "there", follow=follow)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_a_special_file_is_distinguished_from_a_missing_one(tmp_path: Path, kind: str) -> None:
    OTHERS[kind](tmp_path / "there")
    with pytest.raises(NotRegular) as caught, opened_regular(tmp_path / "there"):
        pass
    assert caught.value.strerror == "not a regular file"
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none")


def test_a_file_is_read_only_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, max_bytes=5) == b"12345"
    with pytest.raises(TooLarge) as caught:
        read_regular(path, max_bytes=4)
    assert (caught.value.strerror, caught.value.filename) == ("larger than 4 bytes", str(path))
    os.truncate(path, 1 << 40)  # a sparse file that does not fit in memory
    with pytest.raises(TooLarge, match="larger than 1048576 bytes"):
        read_regular(path)


def test_a_file_is_closed_after_an_error(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    (tmp_path / "file").write_bytes(b"x")
    for name in ("file", "."):
        try:
            with opened_handle(tmp_path / name) as handle:
                assert os.read(handle, 9) == b"x"
                raise KeyError
        except (KeyError, NotRegular):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_name_is_opened_relative_to_an_open_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with opened_regular("file", dir_fd=folder) as stream:
            assert stream.read() == b"x"
    finally:
        os.close(folder)


def test_a_file_in_a_root_is_found_through_links_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    (root / "usr/file").write_bytes(b"inside")
    (tmp_path / "file").write_bytes(b"outside")
    (root / "link").symlink_to("/usr/file")
    (root / "out").symlink_to("../file")
    assert read_inside(root, "link") == b"inside"
    with pytest.raises(FileNotFoundError):
        read_inside(root, "out")
    with pytest.raises(OSError, match="symbolic links"):
        read_inside(root, "link", follow_last=False)
    with pytest.raises(OutsideRoot):
        read_inside(root, "../file")


def test_the_module_imports_no_expensive_modules() -> None:
    code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
            "import ovirt_node_plugin.system.regular_files\n"
            "print({'typing', 'pathlib', 'dataclasses', 'subprocess'} & set(sys.modules))")
    completed = subprocess.run([sys.executable, "-I", "-S", "-c", code, TOP], check=True,
                               capture_output=True, text=True)
    assert completed.stdout.strip() == "set()"
