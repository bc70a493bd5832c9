"""The entries of a boot configuration, and where their kernel arguments are in its text."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, NamedTuple, Tuple

from ....system.limits import COMMAND_LINE_CHARACTERS

_BOOT_IMAGE = "BOOT_IMAGE="  # with the kernel's path, what boot loaders put before the arguments
_ARGUMENT = re.compile(r'(?:[^\s"]|"[^"]*"?)+', re.ASCII)
_QUOTED = re.compile(r'\A([^\s"=]+=)"([^\0-\x1f"\x7f]* [^\0-\x1f"\x7f]*)"\Z')
_NO_LINUX = re.compile(r"memtest|\.(?:c32|com|cbt|bss|bin|0|img)$", re.IGNORECASE)


class CannotEdit(ValueError):
    """A line of a boot configuration that cannot be changed as the merge needs it.

    ``line`` is its number, ``reason`` what prevents the change, ``hint`` what to do.
    """

    def __init__(self, line: int, reason: str, hint: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line, self.reason, self.hint = line, reason, hint


@dataclass(frozen=True)
class BootEntry:
    """An entry of a boot menu that boots Linux.

    ``kernel`` and ``initrds`` are paths as the configuration gives them; ``arguments`` are
    those that the kernel gets, without ``initrd=``.
    """

    title: str
    kernel: str
    initrds: Tuple[str, ...]
    arguments: str


class ArgumentWord(NamedTuple):
    """A word of a text, from ``start`` to ``end``, that stands for kernel arguments.

    ``gap`` is the end of what is before it on its line. ``arguments`` are those that the kernel
    gets for it. If the word has a variable, it may stand for several, ``is_literal`` is false,
    and ``possible`` are the arguments in all values that the configuration gives to the
    variable. ``is_unknown`` is whether it may stand for any others.
    """

    gap: int
    start: int
    end: int
    arguments: Tuple[str, ...]
    is_literal: bool = True
    possible: Tuple[str, ...] = ()
    is_unknown: bool = False


@dataclass
class EntryText:
    """An entry that boots something, in the text of a configuration.

    Its command is at ``position``, and arguments are added at ``end``. If there is a
    ``new_line``, it is inserted there with all arguments, as the ``words`` are not those of this
    entry alone. ``write`` returns an argument in the loader's syntax, and raises ValueError with
    the reason if there is no way to write it. ``most_characters`` is the longest command line
    that the loader takes. ``problem`` is what prevents any change.
    """

    title: str
    write: Callable[[str], str]
    most_characters: int = COMMAND_LINE_CHARACTERS
    kernel: str = ""
    position: int = 0
    end: int = -1
    initrds: List[str] = field(default_factory=list)
    words: List[ArgumentWord] = field(default_factory=list)
    new_line: str = ""
    problem: str = ""

    @property
    def boots_linux(self) -> bool:
        """Whether it boots Linux, not another program."""
        return bool(self.kernel) and _NO_LINUX.search(self.kernel) is None

    @property
    def arguments(self) -> Tuple[str, ...]:
        """The arguments that the kernel gets."""
        return tuple(argument for word in self.words for argument in word.arguments)

    def entry(self) -> BootEntry:
        """Return the entry without its places in the text."""
        named = [argument[len("initrd="):] for argument in self.arguments
                 if argument.startswith("initrd=")]
        paths = [path for word in (*named, *self.initrds) for path in word.split(",") if path]
        return BootEntry(self.title, self.kernel, tuple(paths), " ".join(
            argument for argument in self.arguments if not argument.startswith("initrd=")))

    def too_long(self, arguments: Tuple[str, ...]) -> bool:
        """Return whether the kernel's command line with ``arguments`` would be too long."""
        length = len(" ".join((_BOOT_IMAGE + self.kernel, *arguments)))
        return length > self.most_characters


class Edit(NamedTuple):
    """A replacement of the text from ``start`` to ``end``."""

    start: int
    end: int
    text: str


def with_edits(text: str, edits: List[Edit]) -> str:
    """Return ``text`` with ``edits``, which do not overlap and are in order."""
    pieces, done = [], 0
    for edit in edits:
        pieces += [text[done:edit.start], edit.text]
        done = edit.end
    return "".join((*pieces, text[done:]))


def split_arguments(line: str) -> Tuple[str, ...]:
    """Return the arguments of a kernel command line."""
    return tuple(_ARGUMENT.findall(line))


def unquoted(argument: str) -> str:
    """Return ``NAME=A B`` for an argument of the form ``NAME="A B"``, any other as it is."""
    return _QUOTED.sub(r"\1\2", argument)


def without_quoted_blanks(argument: str) -> str:
    """Return an argument without its quotes and blanks if it is of the form ``NAME="A B"``."""
    text = unquoted(argument)
    return text.replace(" ", "") if text != argument else argument


def line_number(text: str, position: int) -> int:
    """Return the number of the line at ``position``, the first is 1."""
    return text.count("\n", 0, position) + 1


def label_pattern(volume_id: str) -> "re.Pattern[str]":
    """Return a pattern for a label that is ``volume_id`` in a kernel argument."""
    forms = {volume_id, udev_label(volume_id), volume_id.replace(" ", r"\x20")}
    return re.compile(rf"(?<=LABEL=)(?:{'|'.join(map(re.escape, sorted(forms)))})(?=$|[\s:'\",])"
                      if volume_id else r"(?!)")


def udev_label(volume_id: str) -> str:
    r"""Return a label as udev names it in /dev/disk/by-label: ``A\x20B`` for ``A B``.

    Only letters, digits and ``#+-.:=@_`` stay (blkid_encode_string of libblkid).
    """
    return re.sub(r"[^A-Za-z0-9#+\-.:=@_]", lambda match: f"\\x{ord(match.group()):02x}",
                  volume_id)


def first_words(text: str) -> Iterator[str]:
    """Yield the first word of each line that begins with letters only, in lower case."""
    for match in re.finditer(r"^[ \t]*([A-Za-z]+)(?=[ \t\r]|$)", text, re.MULTILINE):
        yield match.group(1).lower()
