"""The text of a boot configuration: its entries, and their kernel arguments changed in place.

isolinux(1)'s, with ``label`` and ``append``; GRUB 2's, with ``menuentry`` and ``linux``; and
GRUB's old one, with ``title`` and ``kernel``. All the rest of a text stays as it is.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Tuple

_BLANKS = " \t"
_QUOTED = re.compile(r"(['\"])(.*?)\1")
_FIRST = re.compile(r"\S+[ \t]*")
# What goes on in the next line, or holds more than one command or a comment
_MORE = re.compile(r"\\$|(?:^|\s)#|;")
_ONE_LINE = re.compile(r"^[ \t]*menuentry\b.*\{.*\b(?:linux(?:efi|16)?|kernel)\s.*$", re.MULTILINE)
_NO_LINUX = re.compile(r"memtest|\.(?:c32|com|cbt|bss|bin|0|img)$", re.IGNORECASE)
_BOOTS_LINUX = ("linux", "linuxefi", "linux16", "kernel")
_BRINGS_INITRD = ("initrd", "initrdefi", "initrd16")


@dataclass(frozen=True)
class BootEntry:
    """One choice of a boot menu that boots Linux.

    ``kernel`` and ``initrds`` are paths as the configuration has them, ``arguments`` the
    kernel's.
    """

    title: str
    kernel: str
    initrds: Tuple[str, ...]
    arguments: str


@dataclass
class _Found:
    """An entry as it is read: where in the text its arguments are, or would be put."""

    title: str
    kernel: str = ""
    initrds: List[str] = field(default_factory=list)
    start: int = -1
    end: int = -1
    missing: bool = False
    default: str = ""


def entries(text: str) -> Tuple[BootEntry, ...]:
    """Return the entries of a configuration that boot Linux, in order."""
    found = []
    for one in _found(text):
        words = (one.default if one.missing else text[one.start:one.end]).split()
        named = [word[len("initrd="):] for word in words if word.startswith("initrd=")]
        paths = [path for word in (*named, *one.initrds) for path in word.split(",") if path]
        found.append(BootEntry(one.title, one.kernel, tuple(paths), " ".join(
            word for word in words if not word.startswith("initrd="))))
    return tuple(found)


def edit_arguments(text: str, edit: Callable[[str], str]) -> str:
    """Return a configuration with ``edit`` applied to the arguments of each entry.

    Of isolinux, ``initrd=`` is among them. An entry without arguments has those that are
    given for all of them, and gets a line of its own if they change.

    Raises ValueError, with the line, for one that cannot be changed so that its meaning is
    kept: one that goes on in the next line, or has more in it than one command.
    """
    new = [(one, edit(one.default if one.missing else text[one.start:one.end]))
           for one in _found(text)]
    for match in _ONE_LINE.finditer(text):
        if any(edit(word) != word for word in ("", match.group())):
            raise ValueError(match.group().strip())
    for one, arguments in reversed(new):
        old = one.default if one.missing else text[one.start:one.end]
        if arguments == old:
            continue
        if _MORE.search(old):
            raise ValueError(old)
        if one.missing:
            arguments = f"\n  append {arguments}"
        text = text[:one.start] + arguments + text[one.end:]
    return text


def renamed(text: str, old: str, new: str) -> str:
    """Return a configuration that names the ISO by the volume id ``new`` in place of ``old``.

    A blank in a kernel argument is ``\\x20``, of which GRUB 2 takes away one backslash; in
    GRUB's search it stands between quotes.
    """
    blank = r"\\x20" if "menuentry" in text else r"\x20"
    forms = "|".join(re.escape(old.replace(" ", one)) for one in (" ", r"\x20", r"\\x20"))
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
    """A command in lower case, its value, where that is, and where the line ends."""

    word: str
    value: str
    start: int
    end: int
    line_end: int


def _lines(text: str) -> Iterator[_Line]:
    """Yield the lines that begin with a word; in a time that grows as the text does."""
    begin = 0
    for whole in text.splitlines(keepends=True):
        line = whole.rstrip("\r\n").rstrip(_BLANKS)
        line_end = begin + len(whole.rstrip("\r\n"))
        word = line.split(None, 1)[0] if line.strip() else ""
        if word.isascii() and word.isalnum():
            after = line.index(word) + len(word)
            value = line[after:].lstrip(_BLANKS)
            end = begin + len(line)
            yield _Line(word=word.lower(), value=value, start=end - len(value), end=end,
                        line_end=line_end)
        begin += len(whole)


def _found(text: str) -> List[_Found]:
    read = _isolinux if any(line.word == "label" for line in _lines(text)) else _grub
    return [one for one in read(text) if one.kernel and not _NO_LINUX.search(one.kernel)]


def _isolinux(text: str) -> Iterator[_Found]:
    one, default = _Found(""), ""
    end_of_kernel = 0
    for line in _lines(text):
        word, value = line.word, line.value
        if word == "label":
            yield _complete(one, end_of_kernel)
            one = _Found(value, default=default)
        elif word in ("kernel", "linux"):
            one.kernel, end_of_kernel = value, line.line_end
        elif word == "initrd":
            one.initrds.append(value)
        elif word == "append" and not one.title:
            default = value
        elif word == "append" and value == "-":
            one.default = ""
        elif word == "append":
            one.start, one.end = line.start, line.end
    yield _complete(one, end_of_kernel)


def _complete(one: _Found, end_of_kernel: int) -> _Found:
    """Return an entry of isolinux, which need not have arguments."""
    if one.start < 0:
        one.start = one.end = end_of_kernel
        one.missing = True
    return one


def _grub(text: str) -> Iterator[_Found]:
    title, last = "", _Found("")
    for line in _lines(text):
        word, value = line.word, line.value
        if word == "menuentry":
            quoted = _QUOTED.search(value)
            title = quoted.group(2) if quoted else value.split(" ")[0]
        elif word == "title":
            title = value
        elif word in _BOOTS_LINUX and value:
            yield last
            kernel = _FIRST.match(value)
            assert kernel is not None
            start = line.start + kernel.end()
            last = _Found(title=title, kernel=kernel.group().strip(), initrds=[], start=start,
                          end=line.end)
        elif word in _BRINGS_INITRD:
            last.initrds += value.split()
    yield last
