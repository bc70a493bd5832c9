"""Words of GRUB 2's scripts, read and written."""
from __future__ import annotations

import itertools
import random
from typing import Iterator, List

import pytest

from ovirt_node_plugin.system.grub_words import (
    Part,
    kernel_text,
    parts,
    quoted,
    quoted_argument,
    tokens,
    value,
)

pytestmark = pytest.mark.unit

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
PASSABLE = [character for character in PRINTABLE if character not in " '\"\\"]


def words(script: str) -> List[str]:
    return [script[token.start:token.end] for token in tokens(script)]


def values(count: int) -> Iterator[str]:
    """Yield each printable character in a value, each pair of the special ones, and mixtures."""
    special = "{}|&$;<>#*?!=[]()'\"\\x2 ~`%"
    yield from (f"a=b{character}c" for character in PRINTABLE)
    yield from ("".join(pair) for pair in itertools.product(special, repeat=2))
    chosen = random.Random(13)
    yield from ("".join(chosen.choices(special + "ab", k=chosen.randint(1, 12)))
                for _ in range(count))


def test_what_is_written_as_a_word_is_read_as_the_same_text() -> None:
    for text in values(3000):
        word = quoted(text)
        assert words(f"echo {word} end") == ["echo", word, "end"], text
        assert value(word) == text


@pytest.mark.parametrize("text", ["a", "a=b:c/d,e@f%g+h-i_j.k~l!m^n[o](p)", "a=b#c", "hd:LABEL=x"])
def test_a_word_that_needs_no_quotes_gets_none(text: str) -> None:
    assert quoted(text) == text


@pytest.mark.parametrize(("text", "word"), [
    ("ds=nocloud;s=http://10.0.0.1/", "'ds=nocloud;s=http://10.0.0.1/'"), ("#a", "'#a'"),
    ("a*", "'a*'"), ("then", "'then'"), ("", "''"), ("it's $5", '"it\'s \\$5"'),
    (r"LABEL=A\x20B", r"LABEL=A\\x20B"), (r"LABEL=A\x20B;", r"'LABEL=A\x20B;'")])
def test_quotes_are_written_where_they_are_needed(text: str, word: str) -> None:
    assert quoted(text) == word and value(word) == text


@pytest.mark.parametrize("character", [c for c in PRINTABLE if c not in PASSABLE] + ["\n", "\t"])
def test_an_argument_that_grub_would_change_is_refused(character: str) -> None:
    with pytest.raises(ValueError) as caught:
        quoted_argument(f"a=b{character}c")
    assert caught.value.args == (character,)


@pytest.mark.parametrize("argument", [*(f"a=b{c}c" for c in PASSABLE), r"LABEL=A\x20B"])
def test_an_argument_that_is_written_reaches_the_kernel_unchanged(argument: str) -> None:
    text = value(quoted_argument(argument))
    assert text is not None and kernel_text(text) == argument


def test_the_kernel_gets_quotes_and_backslashes_as_grub_passes_them() -> None:
    assert kernel_text("a=b c") == 'a="b c"' and kernel_text("a b") == '"a b"'
    assert kernel_text("a='\"\\") == "a=\\'\\\"\\\\"
    assert kernel_text(r"a=\x20\x2") == r"a=\x20\\x2"


@pytest.mark.parametrize(("script", "expected"), [
    ("a;b&&c||d|e{f}g<h>i", ["a", ";", "b", "&&", "c", "||", "d", "|", "e", "{", "f", "}", "g",
                             "<", "h", ">", "i"]),
    ("a # b 'c\nd", ["a", "\n", "d"]), ("a#b\n", ["a#b", "\n"]), ("#a'b\\\nc", ["\n", "c"]),
    ("a\\\nb \\\r\n c", ["a\\\nb", "c"]), ("a b\\\n", ["a", "b"]),
    ("a\\ b\\;c", ["a\\ b\\;c"]),
    ("'a b'\"c 'd\"e${f}$g", ["'a b'\"c 'd\"e${f}$g"]), ('"a\\"b" c', ['"a\\"b"', "c"]),
    ("a $ b", ["a", "$", "b"]), ("a 'b c", ["a", "'b c"]), ("a b\\", ["a", "b\\"]),
    ("a\r\nb", ["a", "\n", "b"]), ('$"a b" c', ['$"a b"', "c"])])
def test_a_script_is_split_as_grub_does(script: str, expected: List[str]) -> None:
    assert words(script) == expected


def test_a_quote_that_is_not_closed_is_told() -> None:
    assert [token.closed for token in tokens("a 'b' \"c")] == [True, True, False]


@pytest.mark.parametrize(("word", "expected"), [
    ("a\\\n#'b\nc", (Part("a"), Part(""), Part("c"))),
    ("a\\;b\\\nc", (Part("a"), Part(";"), Part("b"), Part(""), Part("c"))),
    ("a$b'$c'", (Part("a"), Part("b", is_variable=True), Part("$c", quoted=True))),
    ('"a\\$b${c}\\d"', (Part("a$b", quoted=True), Part("c", is_variable=True, quoted=True),
                        Part("\\d", quoted=True)))])
def test_a_word_has_texts_and_variables(word: str, expected: object) -> None:
    assert parts(word) == expected


@pytest.mark.parametrize("word", ["$a", "a${b}c", '"$a"', "$1", "${?}"])
def test_a_word_with_a_variable_has_no_value_of_its_own(word: str) -> None:
    assert value(word) is None


@pytest.mark.parametrize("script", [
    "'" * 300_001, '"' * 300_001, "a\\" * 200_000, "$" * 300_000, "#" * 300_000, "\\\n" * 200_000,
    "#'\n" * 100_000, "a'" * 200_001, "{;" * 200_000], ids=range(9))
def test_a_large_script_is_split_in_linear_time(script: str) -> None:
    assert sum(1 for _ in tokens(script)) <= len(script)
