"""Read an entry of systemd-boot, which is a file of its own.

As in src/boot/efi/boot.c of systemd and the Boot Loader Specification, "Type #1 Boot Loader
Specification Entries": a line is a key and a value, and nothing in a value is quoted.
"""
from __future__ import annotations

import re
from typing import Iterator, Tuple

from .model import (
    ArgumentWord,
    Edit,
    EntryText,
    label_pattern,
    udev_label,
    with_edits,
    without_quoted_blanks,
)

_LINE = re.compile(r"^[ \t]*([^\s#]\S*)[ \t]*(.*)$", re.MULTILINE)
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+', re.ASCII)
_UNWRITABLE = re.compile(r'[\0- "\x7f]')
_NEW_LINE = "\noptions "


def write(argument: str) -> str:
    """Return a kernel argument as it is written. Raises ValueError with the reason."""
    unwritable = _UNWRITABLE.search(without_quoted_blanks(argument))
    if unwritable:
        raise ValueError(f"systemd-boot has no notation for {unwritable.group()!r}")
    return argument


def entries(text: str) -> Iterator[EntryText]:
    """Yield the entry of a file if it boots Linux."""
    entry, kernel_end = EntryText("", write), 0
    for key, key_end, start, end in _lines(text):
        value = text[start:end]
        if key == "title":
            entry.title = value
        elif key == "linux":
            entry.kernel, entry.position, kernel_end = value, start, end
        elif key == "initrd":
            entry.initrds.append(value)
        elif key == "options":
            entry.words += _words(text, key_end, start, end)
            entry.end = end
            if value.startswith('"') and value.endswith('"'):
                entry.problem = "its options are quoted as a whole"
    if entry.end < 0:
        entry.new_line, entry.end = _NEW_LINE, kernel_end
    if entry.kernel:
        yield entry


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return an entry in which kernel arguments name the volume id ``new``, not ``old``."""
    pattern, label = label_pattern(old), udev_label(new)
    return with_edits(text, [
        Edit(start, end, pattern.sub(lambda match: label, text[start:end]))
        for key, _, start, end in _lines(text) if key == "options"])


def _lines(text: str) -> Iterator[Tuple[str, int, int, int]]:
    """Yield each key, its end, and the start and end of its value."""
    for match in _LINE.finditer(text):
        end = match.start(2) + len(match.group(2).rstrip(" \t\r"))
        yield match.group(1), match.end(1), match.start(2), end


def _words(text: str, gap: int, start: int, end: int) -> Iterator[ArgumentWord]:
    for match in _WORD.finditer(text, start, end):
        yield ArgumentWord(gap, match.start(), match.end(), (match.group(),))
        gap = match.end()
