"""Temporary files beside the databases in a changed root: which are removed, and how."""
from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Dict, List

import pytest

from ovirt_node_plugin.merge.root.databases import remove_temporary_files

pytestmark = pytest.mark.unit

NAMES = ["var/lib/dnf/history.sqlite", "var/lib/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite",
         "usr/lib/sysimage/rpm/rpmdb.sqlite"]
ENDS = ("", "-wal", "-shm")
LOCK = "usr/share/rpm/.rpm.lock"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    return tmp_path / "original"


def make_database(root: Path, name: str) -> Path:
    """Make a database whose row is only in the log, as after a program that did not close it."""
    path = root / name
    path.parent.mkdir(parents=True)
    source = root.parent / "source"
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE packages (name)")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO packages VALUES ('agent')")
        for end in ENDS:
            shutil.copy(f"{source}{end}", f"{path}{end}")
    return path


def rows(path: Path) -> List[str]:
    """Return the rows in the database file, without its log."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        return [row[0] for row in database.execute("SELECT name FROM packages")]


def contents(path: Path) -> Dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_a_new_log_is_written_to_the_database_and_removed(
        name: str, root: Path, original: Path) -> None:
    path = make_database(root, name)
    assert rows(path) == [] and len(contents(path)) == 3
    remove_temporary_files(root, original)
    assert rows(path) == ["agent"] and list(contents(path)) == [path.name]


def test_a_database_behind_a_link_is_closed(root: Path, original: Path) -> None:
    path = make_database(root, "usr/share/dnf/history.sqlite")
    (root / "var/lib").mkdir(parents=True)
    (root / "var/lib/dnf").symlink_to("../../usr/share/dnf")
    remove_temporary_files(root, original)
    assert rows(path) == ["agent"] and list(contents(path)) == [path.name]


@pytest.mark.parametrize(("had", "removed"), [
    (("-wal", "-shm"), ()), (("-wal",), ("-shm",)), (("-shm",), ("-wal", "-shm"))])
def test_files_that_the_image_had_stay_with_their_content(
        had: "tuple[str, ...]", removed: "tuple[str, ...]", root: Path, original: Path) -> None:
    path = make_database(root, NAMES[1])
    (original / "var/lib/rpm").mkdir(parents=True)
    for end in had:
        (original / f"{NAMES[1]}{end}").touch()
    before = contents(path)
    remove_temporary_files(root, original)
    if "-wal" in had:
        assert contents(path) == {name: data for name, data in before.items()
                                  if not name.endswith(removed or "none")}
    else:
        assert list(contents(path)) == [path.name] and rows(path) == ["agent"]


@pytest.mark.parametrize("end", ["-journal", "-wal"])
def test_a_database_that_names_another_file_is_left_as_it_is(
        end: str, root: Path, original: Path) -> None:
    path = make_database(root, NAMES[0])
    other = root.parent / "other"
    other.write_bytes(b"content")
    if end == "-wal":
        path.with_name(f"{path.name}{end}").unlink()
        path.with_name(f"{path.name}{end}").symlink_to(other)
    else:
        path.with_name(f"{path.name}{end}").write_bytes(b"the name of the file is at the end")
    before = contents(path)
    remove_temporary_files(root, original)
    assert contents(path) == before and other.read_bytes() == b"content"


def test_a_damaged_database_is_left_as_it_is(root: Path, original: Path) -> None:
    path = make_database(root, NAMES[0])
    for end in ENDS:
        Path(f"{path}{end}").write_bytes(b"no database" * 1000)
    remove_temporary_files(root, original)
    assert path.read_bytes() == b"no database" * 1000


@pytest.mark.parametrize(("content", "had", "stays"), [
    (b"", False, False), (b"", True, True), (b"x", False, True)])
def test_only_a_new_empty_lock_file_is_removed(
        content: bytes, had: bool, stays: bool, root: Path, original: Path) -> None:
    for folder in (root, *([original] if had else [])):
        (folder / LOCK).parent.mkdir(parents=True)
        (folder / LOCK).write_bytes(content)
    remove_temporary_files(root, original)
    assert (root / LOCK).exists() == stays
