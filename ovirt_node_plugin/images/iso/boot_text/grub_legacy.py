"""Read the configuration of GRUB Legacy, as of live images for UEFI until EL 6.

As in stage2/stage2.c of GRUB 0.97: a line is a command, nothing is quoted, and a backslash at
the end continues a line. ``=`` may follow a command instead of a blank.
"""
from __future__ import annotations

import re
from typing import Iterator, List, Tuple

from .model import ArgumentWord, Edit, EntryText, label_pattern, udev_label, with_edits

_MOST_CHARACTERS = 1500  # NEW_HEAPSIZE, in which a line is read
_LINE = re.compile(r"(?:[^\\\n]+|\\(?:\r?\n|[^\n]|\Z))+")
_COMMAND = re.compile(r"[ \t]*([A-Za-z]+)(?![^ \t=\r\n])[ \t=]*")
_WORD = re.compile(r"(?:[^ \t\r\n\\]|\\(?!\r?\n))+")
_UNWRITABLE = re.compile(r"[\0- \x7f]|\\$")


def write(argument: str) -> str:
    """Return a kernel argument as GRUB Legacy reads it. Raises ValueError with the reason."""
    unwritable = _UNWRITABLE.search(argument)
    if unwritable:
        raise ValueError(f"GRUB Legacy has no notation for {unwritable.group()!r} in an argument")
    return argument


def entries(text: str) -> Iterator[EntryText]:
    """Yield the entries of a configuration, in linear time."""
    title, entry = "", None
    for command, start, end in _commands(text):
        if command == "title":
            title = text[start:end].strip()
        elif command == "kernel":
            words = [word for word in _words(text, start, end)
                     if not text.startswith("--", word.start)]
            if words:
                if entry is not None:
                    yield entry
                entry = EntryText(title, write, _MOST_CHARACTERS, position=start,
                                  kernel=text[words[0].start:words[0].end], words=words[1:],
                                  end=words[-1].end)
        elif command == "initrd" and entry is not None:
            entry.initrds += [text[word.start:word.end] for word in _words(text, start, end)]
    if entry is not None:
        yield entry


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return a configuration in which kernel arguments name the volume id ``new``, not ``old``."""
    pattern, label = label_pattern(old), udev_label(new)
    return with_edits(text, [
        Edit(start, end, pattern.sub(lambda match: label, text[start:end]))
        for command, start, end in _commands(text) if command == "kernel"])


def _commands(text: str) -> Iterator[Tuple[str, int, int]]:
    """Yield each command in lower case, and the start and end of its value."""
    for line in _LINE.finditer(text):
        match = _COMMAND.match(text, line.start(), line.end())
        if match:
            yield match.group(1).lower(), match.end(), line.end()


def _words(text: str, start: int, end: int) -> List[ArgumentWord]:
    words: List[ArgumentWord] = []
    for match in _WORD.finditer(text, start, end):
        gap = words[-1].end if words else start
        words.append(ArgumentWord(gap, match.start(), match.end(), (match.group(),)))
    return words
