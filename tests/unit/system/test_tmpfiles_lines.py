"""The lines of tmpfiles.d(5)."""
from __future__ import annotations

from dataclasses import replace

import pytest

from ovirt_node_plugin.system.tmpfiles_lines import TmpfilesLine, tmpfiles_lines

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("text", "kind", "path", "argument"), [
    ("w+ /etc/hosts - - - - 1.2.3.4 evil", "w+", "/etc/hosts", "1.2.3.4 evil"),
    ("d /run/a 0755 root root 10d", "d", "/run/a", ""),
    ("  L+!\t/etc/motd - - - - /opt/a ", "L+!", "/etc/motd", "/opt/a"),
    ('f "/etc/with blank" 0644', "f", "/etc/with blank", ""),
    ("f '/etc/a\"b'", "f", '/etc/a"b', ""),
    (r"f /et\x63/hosts", "f", "/etc/hosts", ""),
    (r"f /et\143/hosts", "f", "/etc/hosts", ""),
    (r'"w" "/etc"/ho"st"s', "w", "/etc/hosts", ""),
    ("w %t/a", "w", "/run/a", ""),
    ("w %%t", "w", "%t", ""),
])
def test_types_paths_and_arguments_are_read_as_systemd_reads_them(
        text: str, kind: str, path: str, argument: str) -> None:
    assert [replace(line, mode="") for line in tmpfiles_lines(text)] == [
        TmpfilesLine(kind, path, argument, False)]


@pytest.mark.parametrize(("text", "gives"), [
    ("z /a 4755", True), ("f /a ~02755", True), ("Z /a 0755", False), ("d /a 2755", False),
    ("z /a -", False), ("z /a", False), ('z /a "4755"', True), ("C /a :6000 - - - /b", True)])
def test_modes_that_give_the_rights_of_the_owner_are_told(text: str, gives: bool) -> None:
    assert [line.gives_rights for line in tmpfiles_lines(text)] == [gives]


@pytest.mark.parametrize("text", ["", "# w /etc/hosts", "w", "wrong /etc/hosts", "\"", "1 /a"])
def test_what_is_no_line_is_left_out(text: str) -> None:
    assert list(tmpfiles_lines(text)) == []


def test_a_specifier_that_depends_on_the_system_leaves_the_path_open() -> None:
    assert [(line.path, line.is_open) for line in tmpfiles_lines("f /run/%m\nr /var/%H/a")] == [
        ("/run/%m", True), ("/var/%H/a", True)]


def test_lines_end_where_systemd_ends_them() -> None:
    assert [line.path for line in tmpfiles_lines("d /a\rd /b\0d /c\nd /d\u2028x")] == [
        "/a", "/b", "/c", "/d"]


@pytest.mark.parametrize("text", [
    "w " + "/a" * 500_000, '"' * 1_000_000, "w \"" + "a" * 1_000_000, "\\" * 1_000_000,
    "w /a\n" * 200_000, "w " + "\\x41" * 250_000, " " * 1_000_000])
def test_a_mebibyte_of_anything_is_read(text: str) -> None:
    assert sum(1 for _ in tmpfiles_lines(text)) in (0, 1, 200_000)
