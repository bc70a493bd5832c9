"""Add kernel arguments to the text of a boot configuration, and remove them exactly.

The text is the line of /etc/kernel/cmdline (kernel-install(8)), or an entry of the Boot
Loader Specification with ``options`` lines. Arguments are found by their text without quotes,
and written with those that the syntax of the line needs; ``-`` and ``_`` in a name are equal
(the kernel's Documentation/admin-guide/kernel-parameters.rst).
"""
from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass
from typing import Callable, Iterable, List, Optional, Sequence, Tuple

from .argument_syntax import KERNEL, Syntax, Word

SET, ADD, DROP = "", "+", "-"
_BLANKS = " \t\r\n"
_OPTIONS = re.compile(r"^[ \t]*options((?:[ \t].*)?)$", re.MULTILINE)


@dataclass(frozen=True)
class Argument:
    """One argument, and how it is changed.

    ``how`` is SET (it replaces all others of its name), ADD (it is added to them) or DROP
    (it is removed; without a value, all of its name are).
    """

    name: str
    value: str
    how: str

    @property
    def token(self) -> str:
        """The argument as the kernel gets it, without quotes."""
        return f"{self.name}={self.value}" if self.value else self.name

    @property
    def word(self) -> str:
        """The argument in the kernel's syntax: with quotes around a value with blanks."""
        return KERNEL.write(self.token)

    @property
    def code(self) -> str:
        """The argument with ``how`` as a prefix: ``a=b``, ``+a=b``, ``-a=b`` or ``-a``."""
        return self.how + self.token

    def matches(self, token: str) -> bool:
        """Return whether this argument sets, adds or removes ``token``."""
        name = token.partition("=")[0]
        if plain_name(name) != plain_name(self.name):
            return False
        return self.how == SET or not self.value or token.partition("=")[2] == self.value


def decode(code: str) -> Argument:
    """Return the argument of an ``Argument.code``."""
    how = code[0] if code[0] in (ADD, DROP) else SET
    name, _, value = code[len(how):].partition("=")
    return Argument(name, value, how)


def join(codes: Iterable[str]) -> str:
    """Return several ``Argument.code`` as one text, with quotes around values with blanks."""
    return " ".join(map(KERNEL.write, codes))


def split(text: str) -> Tuple[Argument, ...]:
    """Return the arguments of a text that ``join`` returned."""
    return tuple(decode(word.text) for word in KERNEL.words(text))


def plain_name(name: str) -> str:
    """Return a name with ``_`` for ``-``, which are equal for the kernel."""
    return name.replace("-", "_")


def edited(text: str, arguments: Sequence[Argument], *, entry: bool,
           syntax: Syntax = KERNEL) -> str:
    """Return ``text`` with ``arguments`` applied; unchanged if they are already.

    ``entry``: it is a boot loader entry. ``syntax`` is that of the command line.
    """
    editor = _Editor(syntax)
    return _on_lines(text, entry, syntax, lambda lines: editor.edit_all(lines, arguments))


def restored(text: str, base: Optional[str], gone: Sequence[Argument],
             kept: Sequence[Argument], *, entry: bool, syntax: Syntax = KERNEL) -> str:
    """Return ``text`` with ``gone`` undone and ``kept`` applied.

    ``base`` is the text before the first argument of any plugin; without it, replaced
    arguments cannot be restored. The result is exact if nothing else changed the command
    line since; else each of ``gone`` is undone separately, and other changes stay.
    """
    editor = _Editor(syntax)
    before = _lines(base, entry, syntax) if base is not None else []
    lines = _lines(text, entry, syntax)
    first = before or [syntax.default]
    if base is not None and len(lines) == len(first) and editor.texts(lines) == editor.texts(
            editor.edit_all(first, [*gone, *kept])):
        after = editor.edit_all(first, kept)
        if entry and not before and after == first:
            return re.sub(r"^options(?:[ \t].*)?\n?", "", text, flags=re.MULTILINE)
        return _on_lines(text, entry, syntax, lambda _: after)
    for argument in gone:
        text = _on_lines(text, entry, syntax, functools.partial(editor.undo_all, argument, before))
    return edited(text, kept, entry=entry, syntax=syntax)


def problems(text: str, argument: Argument, *, entry: bool,
             syntax: Syntax = KERNEL) -> Tuple[str, ...]:
    """Return the tokens that contradict ``argument``, or its own if that is missing."""
    matching = [word for line in _lines(text, entry, syntax) for word in syntax.words(line)
                if argument.matches(word.text)]
    if argument.how == DROP:
        return tuple(word.text for word in matching)
    if not any(word.text == argument.token and word.is_sound for word in matching):
        return (argument.token,)
    return tuple(word.text for word in matching if word.text != argument.token)


def tokens(line: str) -> List[str]:
    """Return the arguments of a command line in the kernel's syntax, with their quotes."""
    return [word.raw for word in KERNEL.words(line)]


def unsound_words(text: str, *, entry: bool, syntax: Syntax) -> List[Tuple[int, str]]:
    """Return the words at which the reader of a command line stops, with their line numbers."""
    options = ([(match.start(1), match.group(1)) for match in _options(text, syntax)]
               if entry else [(0, text)])
    return [(text.count("\n", 0, start + word.start) + 1, word.raw)
            for start, line in options for word in syntax.words(line) if not word.is_sound]


def command_line_length(text: str, *, entry: bool, syntax: Syntax) -> int:
    """Return the length of all arguments as the kernel gets them, with their quotes."""
    return len(" ".join(KERNEL.write(word.text) for line in _lines(text, entry, syntax)
                        for word in syntax.words(line)))


def _options(text: str, syntax: Syntax) -> List["re.Match[str]"]:
    """Return the ``options`` lines of an entry that count; group 1 is the command line."""
    return list(itertools.islice(_OPTIONS.finditer(text), 1 if syntax.first_only else None))


def _lines(text: str, entry: bool, syntax: Syntax) -> List[str]:
    """Return the command lines in ``text``: its ``options`` lines if it is an entry, else all."""
    return [match.group(1) for match in _options(text, syntax)] if entry else [text]


def _on_lines(text: str, entry: bool, syntax: Syntax,
              change: Callable[[List[str]], List[str]]) -> str:
    """Return ``text`` with its command lines replaced by the result of ``change``."""
    if not entry:
        return change([text])[0]
    options = _options(text, syntax)
    if not options:
        (new_line,) = change([syntax.default])
        end = "" if text.endswith("\n") or not text else "\n"
        return f"{text}{end}options {new_line}\n" if new_line != syntax.default else text
    for match, new in reversed(list(zip(options, change(_lines(text, entry, syntax))))):
        blank = " " if new and new[0] not in _BLANKS else ""
        text = text[:match.start(1)] + blank + new + text[match.end():]
    return text


def _paired(before: Sequence[str], count: int) -> List[str]:
    """Return the base of each of ``count`` lines, or all in the last if the count differs."""
    if len(before) == count:
        return list(before)
    return [*[""] * (count - 1), " ".join(before)]


@dataclass(frozen=True)
class _Editor:
    """Changes the arguments in command lines of one syntax."""

    syntax: Syntax

    def texts(self, lines: Sequence[str]) -> List[str]:
        """Return the texts of all arguments, sorted."""
        return sorted(word.text for line in lines for word in self.syntax.words(line))

    def edit_all(self, lines: List[str], arguments: Sequence[Argument]) -> List[str]:
        """Return ``lines`` with ``arguments`` applied."""
        for argument in arguments:
            lines = self._edit(argument, lines)
        return lines

    def _edit(self, argument: Argument, lines: List[str]) -> List[str]:
        matching = [word for line in lines for word in self.syntax.words(line)
                    if argument.matches(word.text)]
        if argument.how == DROP:
            return [self._without(line, argument.matches) for line in lines]
        if all(word.is_sound for word in matching) and (
                [word.text for word in matching] == [argument.token]
                or (argument.how == ADD and matching)):
            return lines
        if not matching:
            return [*lines[:-1], _appended(lines[-1], self.syntax.write(argument.token))]
        number, first = next((number, word) for number, line in enumerate(lines)
                             for word in self.syntax.words(line) if argument.matches(word.text))
        line = lines[number]
        return [*lines[:number],
                line[:first.start] + self.syntax.write(argument.token)
                + self._without(line[first.end:], argument.matches),
                *(self._without(line, argument.matches) for line in lines[number + 1:])]

    def undo_all(self, argument: Argument, before: Sequence[str], lines: List[str]) -> List[str]:
        """Return ``lines`` with ``argument`` undone; ``before`` are those before any plugin."""
        return [self._undo(line, base, argument)
                for line, base in zip(lines, _paired(before, len(lines)))]

    def _undo(self, line: str, base: str, argument: Argument) -> str:
        present = self.syntax.words(line)
        old = [word for word in self.syntax.words(base) if argument.matches(word.text)]
        if argument.how == DROP:
            if any(argument.matches(word.text) for word in present):
                return line  # added by others since
            return self._reinserted(line, base, argument)
        own = next((word for word in present if word.text == argument.token), None)
        if own is None or argument.token in [word.text for word in old]:
            return line
        if argument.how == SET and old:
            return line[:own.start] + " ".join(word.raw for word in old) + line[own.end:]
        return self._without(line, lambda text: text == argument.token)

    def _reinserted(self, line: str, base: str, argument: Argument) -> str:
        """Restore the words of an argument in ``base``, each behind its neighbour there."""
        behind: List[Word] = []
        for word in self.syntax.words(base):
            if argument.matches(word.text):
                line = self._inserted(line, behind, word)
            behind.append(word)
        return line

    def _inserted(self, line: str, behind: Sequence[Word], new: Word) -> str:
        present = self.syntax.words(line)
        for neighbour in reversed(behind):
            place = next((word for word in present if word.text == neighbour.text), None)
            if place is not None:
                return f"{line[:place.end]} {new.raw}{line[place.end:]}"
        return f"{new.raw} {line}" if present else _appended(line, new.raw)

    def _without(self, line: str, unwanted: Callable[[str], bool]) -> str:
        for word in reversed(self.syntax.words(line)):
            if unwanted(word.text):
                head, tail = line[:word.start], line[word.end:]
                # one of the two blanks around it is removed too, the end of the line stays
                line = head.rstrip(" \t") + tail if head.strip() else head + tail.lstrip(" \t")
        return line


def _appended(line: str, word: str) -> str:
    stripped = line.rstrip(_BLANKS)
    return stripped + (" " if stripped else "") + word + line[len(stripped):]
