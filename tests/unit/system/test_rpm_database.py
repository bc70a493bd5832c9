"""Which folder of a root is its rpm database, and whether a database has packages."""
from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from pathlib import Path
from typing import Callable, Mapping, Optional, Tuple

import pytest

from ovirt_node_plugin.errors import BadRoot
from ovirt_node_plugin.system.path_sets import RPM_DATABASES
from ovirt_node_plugin.system.rpm_database import find_rpmdb, has_packages

pytestmark = pytest.mark.unit

SYSIMAGE, SHARE, VAR = RPM_DATABASES


def sqlite(folder: Path, *, packages: int) -> None:
    """Make a database as rpm's sqlite backend does."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "rpmdb.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        for name in ("Name", "Basenames", "Providename", "Sha1header"):
            database.execute(f"CREATE TABLE '{name}' (key TEXT NOT NULL, hnum INTEGER NOT NULL,"
                             " idx INTEGER NOT NULL)")
        for _ in range(packages):
            database.execute("INSERT INTO Packages (blob) VALUES (?)", (bytes(3000),))
        database.commit()


def ndb(folder: Path, *, packages: int) -> None:
    """Make a database as rpm's ndb backend does: a header of two slots, and a page of slots."""
    folder.mkdir(parents=True, exist_ok=True)
    slots = b"".join(b"Slot" + struct.pack("<III", number, number * 8, 8)
                     for number in range(1, packages + 1))
    free = b"Slot" + bytes(12)
    data = struct.pack("<4sIIII", b"RpmP", 0, 1, 1, packages + 1).ljust(32, b"\0") + slots
    (folder / "Packages.db").write_bytes(data + free * ((4096 - len(data)) // 16))


def bdb(folder: Path, *, packages: int, order: str = "<") -> None:
    """Make a hash of Berkeley DB; the header of a package is in a page of overflow."""
    folder.mkdir(parents=True, exist_ok=True)
    meta = struct.pack(f"{order}QIIIIBBBB", 0, 0, 0x61561, 9, 4096, 0, 8, 0, 0)
    pages = [meta, *(bytes(25) + bytes([kind]) for kind in (13, 13, *[7] * packages))]
    (folder / "Packages").write_bytes(b"".join(page.ljust(4096, b"\0") for page in pages))


def big_endian(folder: Path, *, packages: int) -> None:
    bdb(folder, packages=packages, order=">")


Make = Callable[..., None]


@pytest.mark.parametrize("make", [sqlite, ndb, bdb, big_endian])
def test_a_database_with_and_without_packages_is_told_apart(tmp_path: Path, make: Make) -> None:
    for packages in (0, 1, 3):
        folder = tmp_path / f"{packages} \udcff"  # a name that is not UTF-8
        make(folder, packages=packages)
        before = sorted(path.name for path in folder.iterdir())
        assert has_packages(tmp_path, folder.name) is (packages > 0)
        assert sorted(path.name for path in folder.iterdir()) == before


def test_what_is_no_database_has_no_packages(tmp_path: Path) -> None:
    for name in ("rpmdb.sqlite", "Packages.db", "Packages"):
        for number, data in enumerate((b"", b"x" * 10, b"\xff" * 9000, b"RpmP" + b"\xff" * 28,
                                       b"RpmP" + bytes(60),
                                       b"SQLite format 3\0" + bytes(4096),
                                       struct.pack("<QIIII", 0, 0, 0x61561, 9, 0))):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            (folder / name).write_bytes(data)
            assert not has_packages(tmp_path, folder.name), (name, data[:16])


def test_a_view_that_never_ends_is_not_read(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "rpmdb.sqlite")) as database:
        database.execute("CREATE VIEW Packages AS WITH RECURSIVE n(i) AS"
                         " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0")
        database.commit()
    assert not has_packages(tmp_path, ".")


def test_a_link_out_of_the_root_is_no_database(tmp_path: Path) -> None:
    sqlite(tmp_path / "outside", packages=1)
    root = tmp_path / "root"
    for name in (SHARE, VAR):
        (root / name).mkdir(parents=True)
    (root / SHARE / "rpmdb.sqlite").symlink_to(tmp_path / "outside/rpmdb.sqlite")
    assert find_rpmdb(root) is None


# the packages in each folder, the links, the files of macros, and the folder that is found
Case = Tuple[Mapping[str, int], Mapping[str, str], Mapping[str, str], Optional[str]]
EL9 = {"usr/lib/rpm/macros": "%_usr\t\t\t/usr\n%_var /var\n%_dbpath\t\t%{_var}/lib/rpm\n"}
CASES: Mapping[str, Case] = {
    "none": ({}, {}, {}, None),
    "a file of that name in the top folder": ({}, {}, {"Packages": ""}, None),
    "one": ({VAR: 2}, {}, {}, VAR),
    "one that is empty": ({VAR: 0}, {}, {}, VAR),
    "an empty stray": ({SHARE: 0, VAR: 2}, {}, {}, VAR),
    "two empty strays": ({SYSIMAGE: 0, SHARE: 0, VAR: 2}, {}, {}, VAR),
    "all empty, of which the macros name one": ({SYSIMAGE: 0, VAR: 0}, {}, EL9, VAR),
    "a link": ({SHARE: 2}, {VAR: "../../usr/share/rpm"}, {}, SHARE),
    "a link and a stray": ({SYSIMAGE: 0, SHARE: 2}, {VAR: "../../usr/share/rpm"}, {}, SHARE),
    "two, of which the macros name one": ({SYSIMAGE: 1, VAR: 2}, {}, EL9, VAR),
    "two, of which the macros name one by a link": (
        {SYSIMAGE: 1, SHARE: 2}, {VAR: "/usr/share/rpm"}, EL9, SHARE),
    "macros that name an empty one": ({SHARE: 2, VAR: 0}, {}, EL9, SHARE),
    "macros that name another folder": (
        {SHARE: 0, "srv/rpm": 1}, {}, {"etc/rpm/macros": "%_dbpath /srv/rpm"}, "srv/rpm"),
    "macros of the administrator": (
        {VAR: 2, SYSIMAGE: 1}, {},
        {**EL9, "etc/rpm/macros.image": "%_dbpath %_usr/lib/sysimage/rpm"}, SYSIMAGE),
    "later macros": (
        {VAR: 2, SYSIMAGE: 1}, {},
        {**EL9, "usr/lib/rpm/macros.d/macros.x": "# %_dbpath /x\n  %_dbpath /usr/lib/sysimage/rpm",
         "etc/rpm/macros.y": "%_dbpath_rebuild /var/lib/other"}, SYSIMAGE),
    "a command in macros": (
        {VAR: 0, SHARE: 1}, {}, {"etc/rpm/macros": "%_dbpath %(touch /tmp/x; echo /var/lib/rpm)"},
        SHARE),
    "macros without an end": (
        {VAR: 0, SHARE: 1}, {}, {"etc/rpm/macros": "%_dbpath /%{a}%{a}\n%a %{_dbpath}%{a}"}, SHARE),
    "macros out of the root": (
        {VAR: 1}, {}, {"etc/rpm/macros": "%_dbpath /../../var/lib/rpm"}, VAR),
    "macros that are too large": (
        {VAR: 1, SHARE: 0}, {}, {"etc/rpm/macros": "%_dbpath /usr/share/rpm\n" + "#" * (1 << 20)},
        VAR),
}


def make_case(root: Path, packages: Mapping[str, int], links: Mapping[str, str],
              macros: Mapping[str, str]) -> None:
    for folder, number in packages.items():
        sqlite(root / folder, packages=number)
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    for name, text in macros.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_database_that_rpm_uses_is_found(tmp_path: Path, case: Case) -> None:
    packages, links, macros, expected = case
    make_case(tmp_path, packages, links, macros)
    assert find_rpmdb(tmp_path) == expected


@pytest.mark.parametrize("packages, links, macros", [
    ({SHARE: 1, VAR: 2}, {}, {}), ({SYSIMAGE: 1, SHARE: 1}, {VAR: "/usr/share/rpm"}, {}),
    ({SYSIMAGE: 1, SHARE: 1, VAR: 0}, {}, EL9)])
def test_two_databases_with_packages_are_refused_and_both_named(
        tmp_path: Path, packages: Mapping[str, int], links: Mapping[str, str],
        macros: Mapping[str, str]) -> None:
    make_case(tmp_path, packages, links, macros)
    with pytest.raises(BadRoot) as caught:
        find_rpmdb(tmp_path)
    first, second = [folder for folder, number in packages.items() if number]
    assert f"in /{first} and /{second}" in caught.value.message
    assert "rpm --dbpath=FOLDER -qa" in caught.value.hint


def test_rpm_of_the_running_system_decides_where_its_database_is(tmp_path: Path) -> None:
    make_case(tmp_path, {SHARE: 1, VAR: 2, "home/rpm": 0}, {}, EL9)
    assert find_rpmdb(tmp_path, named="/usr/share/rpm") == SHARE
    assert find_rpmdb(tmp_path, named="/var/lib/rpm") == VAR
    with pytest.raises(BadRoot):  # an empty one is none
        find_rpmdb(tmp_path, named="/home/rpm")


@pytest.mark.parametrize("real, linked, var", [
    (real, linked, var) for real, linked in ((SHARE, SYSIMAGE), (SYSIMAGE, SHARE))
    for var in ("absent", "relative", "absolute", "empty folder", "through the other")])
@pytest.mark.parametrize("named", ["", f"/{SYSIMAGE}", f"/{SHARE}", f"/{VAR}"])
@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_the_layouts_of_image_mode_have_one_database(tmp_path: Path, real: str, linked: str,
                                                     var: str, named: str, form: str) -> None:
    """Base images link one folder to the other in either direction, and keep an old copy."""
    sqlite(tmp_path / real, packages=2)
    sqlite(tmp_path / "usr/lib/sysimage/rpm-ostree-base-db", packages=1)
    link = tmp_path / linked
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"/{real}" if form == "absolute" else os.path.relpath(
        tmp_path / real, link.parent))
    (tmp_path / "var/lib").mkdir(parents=True)
    if var == "empty folder":
        (tmp_path / VAR).mkdir()
    elif var != "absent":
        (tmp_path / VAR).symlink_to({"relative": f"../../{real}", "absolute": f"/{real}",
                                     "through the other": f"../../{linked}"}[var])
    assert find_rpmdb(tmp_path, named=named) == real
