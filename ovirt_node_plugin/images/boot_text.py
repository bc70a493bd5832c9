"""Parse the text of a boot configuration, and change kernel arguments in it.

Three syntaxes are known: isolinux(1) with ``label`` and ``append``, GRUB 2 with ``menuentry``
and ``linux``, and GRUB Legacy with ``title`` and ``kernel``. The rest of a text is kept
unchanged.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Tuple

from ..errors import BadImage
from ..system.limits import BOOT_ARGUMENTS_CHARACTERS, BOOT_ENTRIES

_BLANKS = " \t"
_QUOTED = re.compile(r"(['\"])(.*?)\1")
# Boot loaders separate words by these blanks only, not by all white space of Unicode.
_COMMAND = re.compile(r"[ \t]*([^ \t]+)[ \t]*")
_FIRST_WORD = re.compile(r"([^ \t]+)[ \t]*")
# A line that continues in the next one, or has a comment or a second command
_MORE = re.compile(r"\\$|(?:^|\s)#|;")
_MENUENTRY = re.compile(r"[ \t]*menuentry\b")
_LINUX_COMMAND = re.compile(r"\b(?:linux(?:efi|16)?|kernel)(?:\s|$)")
_NO_LINUX = re.compile(r"memtest|\.(?:c32|com|cbt|bss|bin|0|img)$", re.IGNORECASE)
_KERNEL_COMMANDS = ("linux", "linuxefi", "linux16", "kernel")
_INITRD_COMMANDS = ("initrd", "initrdefi", "initrd16")


@dataclass(frozen=True)
class BootEntry:
    """An entry of a boot menu that boots Linux.

    ``kernel`` and ``initrds`` are paths as the configuration gives them; ``arguments`` are
    the kernel's, without ``initrd=``.
    """

    title: str
    kernel: str
    initrds: Tuple[str, ...]
    arguments: str


@dataclass
class _EntryPosition:
    """An entry, and the position of its arguments in the text, ``start`` to ``end``.

    ``missing`` is true for an entry without arguments of its own: it uses ``default``, and
    ``start`` is where its own arguments can be inserted.
    """

    title: str
    kernel: str = ""
    initrds: List[str] = field(default_factory=list)
    start: int = -1
    end: int = -1
    missing: bool = False
    default: str = ""

    def arguments(self, text: str) -> str:
        """Return the arguments that the entry has in ``text``."""
        return self.default if self.missing else text[self.start:self.end]


def entries(text: str) -> Tuple[BootEntry, ...]:
    """Return the entries of a configuration that boot Linux, in order.

    Raises BadImage for more entries, or more arguments of one, than the limits allow.
    """
    boot_entries = []
    for entry in _linux_entries(text):
        words = entry.arguments(text).split()
        named = [word[len("initrd="):] for word in words if word.startswith("initrd=")]
        paths = [path for word in (*named, *entry.initrds) for path in word.split(",") if path]
        boot_entries.append(BootEntry(entry.title, entry.kernel, tuple(paths), " ".join(
            word for word in words if not word.startswith("initrd="))))
    return tuple(boot_entries)


def edit_arguments(text: str, edit: Callable[[str], str]) -> str:
    """Return a configuration with ``edit`` applied to the arguments of each entry.

    In isolinux these include ``initrd=``. An isolinux entry without arguments of its own
    uses the default ones, and gets a line of its own if ``edit`` changes them.

    Raises ValueError, with the line, if a line to change continues in the next one or has
    more than one command.
    """
    edited = [(entry, edit(entry.arguments(text))) for entry in _linux_entries(text)]
    for line in text.split("\n"):
        if _is_one_line(line) and any(edit(word) != word for word in ("", line)):
            raise ValueError(line.strip())
    parts, done = [], 0
    for entry, arguments in edited:
        old = entry.arguments(text)
        if arguments == old:
            continue
        if _MORE.search(old):
            raise ValueError(old)
        if entry.missing:
            arguments = f"\n  append {arguments}"
        parts += [text[done:entry.start], arguments]
        done = entry.end
    return "".join((*parts, text[done:]))


def _is_one_line(line: str) -> bool:
    """Return whether a line has a whole entry of GRUB 2, with its command."""
    start = _MENUENTRY.match(line)
    brace = line.find("{", start.end()) if start else -1
    return brace >= 0 and _LINUX_COMMAND.search(line, brace) is not None


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return a configuration in which the volume id ``new`` replaces ``old``.

    A blank is written ``\\x20`` in a kernel argument; GRUB 2 needs a second backslash, as it
    removes one. An argument of GRUB's ``search`` is quoted instead.
    """
    blank = r"\\x20" if "menuentry" in text else r"\x20"
    forms = "|".join(re.escape(old.replace(" ", form)) for form in (" ", r"\x20", r"\\x20"))
    named = re.compile(rf"(LABEL=)(?:{forms})(?=$|[\s:'\",])"
                       rf"|((?:--label[ =]|-l )(['\"]?))(?:{forms})\3(?=$|\s)", re.MULTILINE)

    def replaced(match: "re.Match[str]") -> str:
        if match.group(1):
            return match.group(1) + new.replace(" ", blank)
        quote = match.group(3) or ("'" if " " in new else "")
        start = match.group(2)[:len(match.group(2)) - len(match.group(3))]
        return f"{start}{quote}{new}{quote}"

    return named.sub(replaced, text) if old else text


@dataclass(frozen=True)
class _Line:
    """A line: its command in lower case, and the command's value.

    ``start`` and ``end`` are the position of the value, ``line_end`` is the end of the line.
    """

    word: str
    value: str
    start: int
    end: int
    line_end: int


def _lines(text: str) -> Iterator[_Line]:
    """Yield the lines that begin with a word. The time is linear in the length of the text."""
    begin = 0
    for whole in text.split("\n"):
        line_end = begin + len(whole.rstrip("\r"))
        line = whole.rstrip("\r").rstrip(_BLANKS)
        command = _COMMAND.match(line)
        word = command.group(1) if command else ""
        if command and word.isascii() and word.isalnum():
            yield _Line(word=word.lower(), value=line[command.end():],
                        start=begin + command.end(), end=begin + len(line), line_end=line_end)
        begin += len(whole) + 1


def _linux_entries(text: str) -> List[_EntryPosition]:
    parse = _isolinux if any(line.word == "label" for line in _lines(text)) else _grub
    linux_entries: List[_EntryPosition] = []
    for entry in parse(text):
        if not entry.kernel or _NO_LINUX.search(entry.kernel):
            continue
        linux_entries.append(entry)
        length = len(entry.default) if entry.missing else entry.end - entry.start
        if len(linux_entries) > BOOT_ENTRIES or length > BOOT_ARGUMENTS_CHARACTERS:
            raise BadImage(
                f"a boot configuration has more than {BOOT_ENTRIES} entries, or an entry with more"
                f" than {BOOT_ARGUMENTS_CHARACTERS} characters of kernel arguments",
                hint="Compare the image with its published checksum, or download it again.")
    return linux_entries


def _isolinux(text: str) -> Iterator[_EntryPosition]:
    entry, default = _EntryPosition(""), ""
    end_of_kernel = 0
    for line in _lines(text):
        word, value = line.word, line.value
        if word == "label":
            yield _complete(entry, end_of_kernel)
            entry = _EntryPosition(value, default=default)
        elif word in ("kernel", "linux"):
            entry.kernel, end_of_kernel = value, line.line_end
        elif word == "initrd":
            entry.initrds.append(value)
        elif word == "append" and not entry.title:
            default = value
        elif word == "append" and value == "-":
            entry.default = ""
        elif word == "append":
            entry.start, entry.end = line.start, line.end
    yield _complete(entry, end_of_kernel)


def _complete(entry: _EntryPosition, end_of_kernel: int) -> _EntryPosition:
    """Set the position of an isolinux entry without arguments, and return the entry."""
    if entry.start < 0:
        entry.start = entry.end = end_of_kernel
        entry.missing = True
    return entry


def _grub(text: str) -> Iterator[_EntryPosition]:
    title, entry = "", _EntryPosition("")
    for line in _lines(text):
        word, value = line.word, line.value
        if word == "menuentry":
            quoted = _QUOTED.search(value)
            title = quoted.group(2) if quoted else value.split(" ")[0]
        elif word == "title":
            title = value
        elif word in _KERNEL_COMMANDS and value:
            yield entry
            kernel = _FIRST_WORD.match(value)
            assert kernel is not None
            start = line.start + kernel.end()
            entry = _EntryPosition(title=title, kernel=kernel.group(1), initrds=[],
                                   start=start, end=line.end)
        elif word in _INITRD_COMMANDS:
            entry.initrds += value.split()
    yield entry
