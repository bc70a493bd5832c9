"""The lines of tmpfiles.d(5): the type, the path without quotes, and the argument."""
from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from typing import Iterator, Match

# The types that create their path.
MAKING = frozenset("fFdDvqQpLcbC")
# The types whose path is a pattern for paths that exist already.
_MATCHING = frozenset("wexXrRzZtThHaAm")
_MODE = re.compile("[0-7]{1,8}")
_LINE = re.compile(r"[\n\r\0]")
_LINE_TYPE = re.compile(r"[A-Za-z][-!+=~^$?]*")
_WORD = re.compile(r"\s*((?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"'\\]|\\.)+)")
_PIECE = re.compile(r"[\"']|\\(x[0-9A-Fa-f]{2}|[0-7]{3}|.)")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
            "s": " "}
# The specifiers that are the same on every system, "Specifiers" in tmpfiles.d(5)
_SPECIFIER = re.compile("%(.)")
_SPECIFIERS = {"%": "%", "t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log",
               "T": "/tmp", "V": "/var/tmp", "h": "/root"}


@dataclass(frozen=True)
class TmpfilesLine:
    """One line. ``type`` is a letter and its modifiers, ``path`` has no quotes any more.

    Specifiers whose value depends on the system are still in ``path``, and ``is_open`` tells
    that there are some.
    """

    type: str
    path: str
    argument: str
    is_open: bool
    mode: str = ""

    @property
    def makes(self) -> bool:
        """Whether the line creates its path."""
        return self.type[0] in MAKING

    @property
    def gives_rights(self) -> bool:
        """Whether the line makes files that run with the rights of their owner or group."""
        digits = self.mode.lstrip("~:")
        return self.type[0] in "fFzZCw" and _MODE.fullmatch(digits) is not None and (
            int(digits, 8) & (stat.S_ISUID | stat.S_ISGID) != 0)

    @property
    def is_pattern(self) -> bool:
        """Whether the path is a pattern for paths that exist."""
        return self.type[0] in _MATCHING


def tmpfiles_lines(text: str) -> Iterator[TmpfilesLine]:
    """Yield the lines of a configuration that have a type and a path."""
    for line in _LINE.split(text):
        kind = _WORD.match(line)
        path = _WORD.match(line, kind.end()) if kind else None
        if not (kind and path and _LINE_TYPE.fullmatch(_plain(kind.group(1)))):
            continue
        rest = line[path.end():].split(None, 4)
        value, is_open = _expanded(_plain(path.group(1)))
        yield TmpfilesLine(type=_plain(kind.group(1)), path=value,
                           argument=rest[4].strip() if len(rest) > 4 else "", is_open=is_open,
                           mode=_plain(rest[0]) if rest else "")


def _plain(word: str) -> str:
    """Return a word without its quotes and escapes."""
    quote = ""

    def piece(match: Match[str]) -> str:
        nonlocal quote
        escape, char = match.group(1), match.group()
        if escape is None:
            if quote in ("", char):
                quote = "" if quote else char
                return ""
            return char
        if len(escape) == 3:
            return chr(int(escape[1:], 16) if escape[0] == "x" else int(escape, 8))
        return _ESCAPES.get(escape, escape)

    return _PIECE.sub(piece, word)


def _expanded(path: str) -> tuple[str, bool]:
    names = {match.group(1) for match in _SPECIFIER.finditer(path)}
    return (_SPECIFIER.sub(lambda match: _SPECIFIERS.get(match.group(1), match.group()), path),
            not names <= _SPECIFIERS.keys())
