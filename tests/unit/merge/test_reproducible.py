"""The times of a merge, and what replaces them in a changed root."""
from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from pathlib import Path

import pytest

from ovirt_node_plugin.merge.root.reproducible import Start, replace_times
from ovirt_node_plugin.merge.root.transaction_times import with_install_time

pytestmark = pytest.mark.unit

BEFORE, DATE, PACKAGED, SINCE, LATER = 1000, 2000, 3000, 4000, 5000
START = Start(SINCE, DATE)
HISTORY = "var/lib/dnf/history.sqlite"


def write(root: Path, name: str, time: float, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))
    return path


def times(*paths: Path) -> "list[int]":
    return [int(path.lstat().st_mtime) for path in paths]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    return tmp_path / "original"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize(("time", "after"), [
    (BEFORE, BEFORE), (DATE, DATE), (PACKAGED, PACKAGED), (SINCE, DATE), (LATER, DATE)])
def test_only_what_the_merge_wrote_gets_the_date(
        time: int, after: int, root: Path, original: Path) -> None:
    path = write(root, "opt/a", time)
    replace_times(root, original, START, work=root)
    assert times(path) == [after]


def test_entries_of_the_input_keep_their_times(root: Path, original: Path) -> None:
    """Also those that are later than the merge, as by a wrong clock."""
    for folder in (root, original):
        write(folder, "etc/kept", LATER)
        write(folder, "etc/changed", LATER if folder == original else LATER + 0.5)
        for path in (folder / "etc", folder):
            os.utime(path, (LATER, LATER))
    replace_times(root, original, START, work=root)
    assert times(root / "etc/kept", root / "etc/changed", root / "etc", root) == [
        LATER, DATE, LATER, LATER]


def test_folders_and_links_get_the_date_and_no_link_is_followed(
        root: Path, original: Path, tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/a", LATER)
    os.utime(outside.parent, (LATER, LATER))
    (root / "link").symlink_to(outside.parent)
    (root / "new").mkdir()
    (root / "replaced").mkdir()
    new = write(root, "replaced/a", LATER)
    (original / "replaced").symlink_to(outside.parent)
    replace_times(root, original, START, work=root)
    assert times(root / "link", root / "new", root, new) == [DATE] * 4
    assert times(outside, outside.parent) == [LATER] * 2


def test_nothing_changes_without_a_date(root: Path, original: Path) -> None:
    path = write(root, "opt/a", LATER)
    replace_times(root, original, Start(SINCE, None), work=root)
    assert times(path) == [LATER]


def history(path: Path, *rows: "tuple[int, int, str]") -> Path:
    """Write a history with the table of transactions of DNF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE trans (id INTEGER PRIMARY KEY, dt_begin INTEGER, dt_end"
                         " INTEGER, user_id INTEGER, cmdline TEXT)")
        database.executemany("INSERT INTO trans (dt_begin, dt_end, user_id, cmdline)"
                             " VALUES (?1, ?1, ?2, ?3)", rows)
    return path


def transactions(path: Path) -> "list[tuple[object, ...]]":
    with contextlib.closing(sqlite3.connect(path)) as database:
        return list(database.execute("SELECT dt_begin, dt_end, user_id, cmdline FROM trans"))


def test_new_transactions_in_the_history_do_not_depend_on_time_user_and_work_folder(
        root: Path, original: Path) -> None:
    contents = []
    for work, user, begin in (("/w/a", 1000, SINCE), ("/other/work", -1, LATER)):
        path = history(root / HISTORY, (BEFORE, 5, "install old /w/a/x"),
                       (begin, user, f"--installroot={work}/draft install isv"))
        replace_times(root, original, START, work=Path(work))
        contents.append(path.read_bytes())
        assert transactions(path) == [(BEFORE, BEFORE, 5, "install old /w/a/x"),
                                      (DATE, DATE, -1, "--installroot=draft install isv")]
        path.unlink()
    assert contents[0] == contents[1] and b"/other/work" not in contents[1]


def test_an_unchanged_or_unsafe_history_is_not_opened(
        root: Path, original: Path, tmp_path: Path) -> None:
    path = history(root / HISTORY, (LATER, 5, "x"))
    os.utime(path, (BEFORE, BEFORE))
    unchanged = path.read_bytes()
    replace_times(root, original, START, work=root)
    assert (path.read_bytes(), times(path)) == (unchanged, [BEFORE])
    write(root, f"{HISTORY}-journal", BEFORE, "a journal names a file to remove")
    os.utime(path, (LATER, LATER))
    replace_times(root, original, START, work=root)
    assert path.read_bytes() == unchanged
    (root / f"{HISTORY}-journal").unlink()
    outside = tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    replace_times(root, original, START, work=root)
    assert outside.read_bytes() == unchanged


def header(time: int, transaction: int) -> bytes:
    """Return the header of an installed package with a name and the times of the install."""
    entries = ((1000, 6, 0, 1), (1008, 4, 4, 1), (1128, 4, 8, 1))
    return (struct.pack(">2I", len(entries), 12)
            + b"".join(struct.pack(">2IiI", *entry) for entry in entries)
            + struct.pack(">4s2I", b"abc", time, transaction))


def test_the_time_of_an_install_is_replaced() -> None:
    assert with_install_time(header(LATER, SINCE), SINCE, DATE, 3) == header(DATE + 3, DATE)
    assert with_install_time(header(BEFORE, BEFORE), SINCE, DATE, 3) is None


def test_a_header_that_is_not_valid_is_left_as_it_is() -> None:
    valid = header(LATER, LATER)
    for size in range(len(valid)):
        assert with_install_time(valid[:size], SINCE, DATE, 0) is None
    for value in (None, 5, "text"):
        assert with_install_time(value, SINCE, DATE, 0) is None
    for offset in (-1, -4, 9, 1 << 30):
        changed = bytearray(valid)
        struct.pack_into(">i", changed, 8 + 16 + 8, offset)
        result = with_install_time(bytes(changed), SINCE, DATE, 0)
        assert result is None or len(result) == len(valid)


@pytest.mark.parametrize("text", ["", "no database", "SQLite format 3\0 damaged"])
def test_a_history_that_cannot_be_read_is_left_as_it_is(
        text: str, root: Path, original: Path) -> None:
    path = write(root, HISTORY, LATER, text)
    replace_times(root, original, START, work=root)
    assert (path.read_text(), times(path)) == (text, [DATE])
