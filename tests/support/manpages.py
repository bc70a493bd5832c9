"""Manual pages as data: their sections, terms and examples.

The parser knows the macros of man(7) that this project's pages use. An example is the
text between ``.EX`` and ``.EE``; the comment before it gives its kind:
``.\\" test: KIND [WORDS]``.
"""
from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

MAN = Path(__file__).resolve().parents[2] / "man"
PAGES = ("dnf-node-plugin.8", "node-plugin.xml.5", "ovirt.plugins.d.5", "ovirt-node-plugin.8")

_ESCAPES = {r"\-": "-", r"\e": "\\", r"\&": "", r"\(aq": "'", r"\(dq": '"', r"\(ga": "`",
            r"\(ha": "^", r"\(ti": "~"}
_FONT_MACROS = (".B", ".I", ".BR", ".RB", ".BI", ".IB", ".IR", ".RI")


@dataclass(frozen=True)
class Example:
    """An example; ``kind`` is empty if the page does not give it."""

    kind: str
    words: str
    text: str


def source(page: str) -> List[str]:
    """Return the source lines of a page."""
    return (MAN / page).read_text(encoding="utf-8").splitlines()


def plain(text: str) -> str:
    """Return text without roff escapes."""
    text = re.sub(r"\\f(?:\[\w*\]|.)", "", text)
    return re.sub(r"\\(?:\(..|.)", lambda match: _ESCAPES[match.group()], text)


def text_of(line: str) -> str:
    """Return the printed text of a source line, empty if it prints nothing."""
    macro, _, rest = line.partition(" ")
    if macro in _FONT_MACROS:
        quoted = re.sub(r"(?<!\\)\\(?=[^\\])", r"\\\\", rest)  # shlex would eat them
        quoted = quoted.replace("'", "\\'")
        words = shlex.split(quoted)
        return plain((" " if len(macro) == 2 else "").join(words))
    return "" if line.startswith(".") else plain(line)


def section(page: str, title: str) -> List[str]:
    """Return the source lines of the section ``.SH TITLE``."""
    lines = source(page)
    start = next(number for number, line in enumerate(lines)
                 if line.startswith(".SH ") and line[4:].strip('"') == title)
    end = next((number for number in range(start + 1, len(lines))
                if lines[number].startswith(".SH ")), len(lines))
    return lines[start + 1:end]


def prose(lines: List[str]) -> str:
    """Return the printed text of source lines as one line."""
    return " ".join(filter(None, map(text_of, lines)))


def terms(lines: List[str]) -> List[str]:
    """Return the terms of ``.TP`` paragraphs, in order."""
    return [text_of(lines[number + 1]) for number, line in enumerate(lines) if line == ".TP"]


def terms_by_first_word(lines: List[str]) -> Dict[str, str]:
    """Map the first word of each term to the term."""
    return {term.split()[0]: term for term in terms(lines)}


def examples(page: str) -> List[Example]:
    """Return all examples of a page, in order."""
    page_examples: List[Example] = []
    lines = source(page)
    for number, line in enumerate(lines):
        if line == ".EX":
            marker = re.fullmatch(r'\.\\" test: (\S+) ?(.*)', lines[number - 1])
            end = lines.index(".EE", number)
            text = "".join(plain(line) + "\n" for line in lines[number + 1:end])
            kind, words = marker.groups() if marker else ("", "")
            page_examples.append(Example(kind, words, text))
    return page_examples


def examples_of_kind(page: str, *kinds: str) -> Tuple[Example, ...]:
    """Return the examples of a page whose kind is one of ``kinds``."""
    return tuple(example for example in examples(page) if example.kind in kinds)
