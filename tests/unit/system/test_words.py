"""Texts for people: sizes, counts and shortened lists."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.system import words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("size_bytes", "text"), [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 20, "1.0 MiB"),
    (3 << 19, "1.5 MiB"), (5 << 30, "5.0 GiB"), (4 << 40, "4096.0 GiB"),
])
def test_a_size_has_the_largest_unit_that_gives_at_least_one(size_bytes: int, text: str) -> None:
    assert words.size(size_bytes) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_a_count_has_a_singular_or_plural_noun(number: int, text: str) -> None:
    assert words.count(number, "file") == text


def test_omitted_lines_are_counted() -> None:
    assert words.first_lines([], 2) == []
    assert words.first_lines(["a", "b"], 2) == ["a", "b"]
    assert words.first_lines(["a", "b", "c"], 2) == ["a", "b", "and 1 more"]
    assert words.first_lines(["a", "b", "c"], 1, before="x{}: ", after="; see y") == [
        "a", "x{}: and 2 more; see y"]


def test_names_in_one_line_are_omitted_only_above_the_limit() -> None:
    assert words.first_names(["a", "b"], 2) == "a, b"
    assert words.first_names(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize("char", [
    *map(chr, range(0x20)), *map(chr, range(0x7f, 0xa0)), "\u200b", "\u2028", "\u2029",
    *map(chr, range(0x202a, 0x202f)), *map(chr, range(0x2066, 0x206a)), "\ufeff", "\udcff"])
def test_characters_that_change_a_terminal_or_hide_text_are_escaped(char: str) -> None:
    shown = words.printable(f"a{char}b")
    assert shown.isprintable() and shown != f"a{char}b" and shown == words.printable(shown)


def test_printable_text_and_kept_characters_stay() -> None:
    assert words.printable("Müller – 東京 \\x1b") == "Müller – 東京 \\x1b"
    assert words.printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"
