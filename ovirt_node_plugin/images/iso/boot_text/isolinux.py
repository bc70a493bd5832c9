"""Read the configuration of isolinux(1), syslinux(1) and their menus.

As in com32/elflink/ldlinux/readconfig.c and com32/menu/readconfig.c of syslinux: a line is a
command, nothing is quoted, and control characters are blanks.
"""
from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Set, Tuple

from ....system.limits import COMMAND_LINE_CHARACTERS
from .model import (
    ArgumentWord,
    Edit,
    EntryText,
    label_pattern,
    udev_label,
    with_edits,
    without_quoted_blanks,
)

_COMMAND = re.compile(r"[\0- ]*([^\0- ]+)[\0- ]*")
_WORD = re.compile(r'(?:[^\0- "]|"[^"]*"?)+')  # quotes are for the kernel
_UNWRITABLE = re.compile(r"[\0- \x7f]")
# Types of what is booted: kernel_types in readconfig.c, in which "linux" and "kernel" are Linux
_LINUX, _OTHERS = ("kernel", "linux"), ("localboot", "boot", "bss", "pxe", "fdimage", "comboot",
                                        "com32", "config")
_STARTS = ("default", "ontimeout", "onerror")  # by themselves, a label or the name of a kernel
_NEW_LINE = "\n  append "
_MENU_ENDS = ("begin", "end", "separator")  # that end an entry
_MENU_OTHERS = ("goto", "exit", "quit")  # that make it one of the menu itself


class _Line(NamedTuple):
    """A command in lower case, which ends at ``command_end``; its value begins at ``start``.

    ``line_end`` excludes ``\\r``.
    """

    command: str
    command_end: int
    start: int
    line_end: int


def write(argument: str) -> str:
    """Return a kernel argument as isolinux reads it. Raises ValueError with the reason."""
    unwritable = _UNWRITABLE.search(without_quoted_blanks(argument))
    if unwritable:
        raise ValueError(f"isolinux has no notation for {unwritable.group()!r} in an argument")
    if "initrd=" in argument[1:]:  # which new_linux_kernel() looks for anywhere in the line
        raise ValueError("isolinux would take initrd= in an argument for an initramfs")
    return argument


def entries(text: str) -> Iterator[EntryText]:
    """Yield the entries of a configuration, in linear time."""
    default: Tuple[ArgumentWord, ...] = ()
    label = _Label(text, None)
    labels: Set[str] = set()
    starts: List[_Line] = []
    includes = False
    for line in _lines(text):
        if line.command in _STARTS:
            starts.append(line)
        if line.command == "include" or _menu_command(text, line) == "include":
            includes = True
            default = (*default, ArgumentWord(0, 0, 0, (), is_literal=False, is_unknown=True))
        elif line.command == "label":
            yield from label.entries(default)
            label = _Label(text, line)
            labels.add(text[line.start:line.line_end].strip())
        elif line.command == "menu" and label.ends_at(line):
            yield from label.entries(default)
            label = _Label(text, None)
        elif line.command == "append" and not label.is_open:
            default = tuple(_words(text, line))
        else:
            label.add(line)
    yield from label.entries(default)
    for line in starts if not includes else ():
        yield from _unlabelled(text, line, labels)


def _unlabelled(text: str, line: _Line, labels: Set[str]) -> Iterator[EntryText]:
    """Yield what ``default`` or a similar command boots if it names a kernel and no label."""
    words = list(_words(text, line))
    name = text[words[0].start:words[0].end] if words else ""
    if name not in labels:
        yield EntryText("", write, kernel=name, position=line.start, words=words[1:], problem=(
            f"{line.command} names {name}, which is no label here"
            if EntryText(name, write, kernel=name).boots_linux else ""))


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return a configuration in which kernel arguments name the volume id ``new``, not ``old``."""
    pattern, label = label_pattern(old), udev_label(new)
    edits = [Edit(line.start, line.line_end, pattern.sub(
        lambda match: label, text[line.start:line.line_end])) for line in _lines(text)
        if line.command in ("append", *_LINUX)]
    return with_edits(text, edits)


class _Label:
    """What is known of an entry while its lines are read."""

    def __init__(self, text: str, line: Optional[_Line]) -> None:
        self.is_open = line is not None
        title = text[line.start:line.line_end].strip() if line else ""
        self._text, self._boots_linux, self._appends = text, True, False
        self._entry = EntryText(title, write)
        self._name_end = line.line_end if line else 0
        self._kernel_words: List[ArgumentWord] = []

    def ends_at(self, line: _Line) -> bool:
        """Return whether a ``menu`` command ends the entry."""
        command = _menu_command(self._text, line)
        if command in _MENU_OTHERS:
            self._boots_linux = False
        return command in _MENU_ENDS

    def add(self, line: _Line) -> None:
        """Read a line of the entry; the last one of a command counts."""
        entry, words = self._entry, list(_words(self._text, line))
        if line.command in _LINUX:
            self._boots_linux = True
            self._kernel_words = words[1:]
            entry.kernel = self._text[words[0].start:words[0].end] if words else ""
            entry.position, self._name_end = line.start, line.line_end
        elif line.command in _OTHERS:
            self._boots_linux = False
        elif line.command == "initrd":
            entry.initrds = [self._text[line.start:line.line_end].strip()]
            entry.most_characters = COMMAND_LINE_CHARACTERS - len(f" initrd={entry.initrds[0]}")
        elif line.command == "append":
            self._appends = True
            has_none = [word.arguments for word in words] == [("-",)]
            entry.words = [] if has_none else words
            entry.new_line = _NEW_LINE if has_none else ""
            entry.end = (line.line_end if has_none else words[-1].end if words
                         else line.command_end)

    def entries(self, default: Tuple[ArgumentWord, ...]) -> Iterator[EntryText]:
        """Yield the entry, if it may boot Linux; ``default`` are the arguments of all."""
        entry = self._entry
        if not self.is_open or not self._boots_linux:
            return
        if not entry.kernel and self._appends:
            entry.kernel = entry.title.partition(" ")[0]  # a label is also a kernel's name
        if not self._appends:
            entry.new_line, entry.end = _NEW_LINE, self._name_end
            entry.words = list(default)
        if self._kernel_words and entry.new_line:
            entry.problem = "it has arguments behind the kernel's name, but no append line"
        elif any(word.is_unknown for word in entry.words):
            entry.problem = "it has no append line, and an included file may have one for all"
        entry.words = [*self._kernel_words, *entry.words]
        yield entry


def _menu_command(text: str, line: _Line) -> str:
    """Return what follows ``menu``; empty if that is not the command."""
    word = _WORD.search(text, line.start, line.line_end)
    return word.group().lower() if word and line.command == "menu" else ""


def _lines(text: str) -> Iterator[_Line]:
    """Yield the commands, without the text between ``text`` and ``endtext``."""
    begin, in_text = 0, False
    for whole in text.split("\n"):
        line = whole.partition("\r")[0]
        match = _COMMAND.match(line)
        if match:
            command = match.group(1).lower()
            if in_text:
                in_text = command != "endtext"
            elif command == "text":
                in_text = True
            else:
                yield _Line(command, begin + match.end(1), begin + match.end(), begin + len(line))
        begin += len(whole) + 1


def _words(text: str, line: _Line) -> Iterator[ArgumentWord]:
    gap = line.command_end
    for match in _WORD.finditer(text, line.start, line.line_end):
        yield ArgumentWord(gap, match.start(), match.end(), (match.group(),))
        gap = match.end()
