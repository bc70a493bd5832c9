"""Add kernel arguments to the text of a boot configuration, and remove them exactly.

The text is the line of /etc/kernel/cmdline (kernel-install(8)), or an entry of the Boot
Loader Specification with ``options`` lines. Arguments are separated by blanks outside of
double quotes; ``-`` and ``_`` in a name are equal (the kernel's
Documentation/admin-guide/kernel-parameters.rst).
"""
from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Tuple

SET, ADD, DROP = "", "+", "-"
_TOKEN = re.compile(r'(?:[^\s"]|"[^"]*"?)+', re.ASCII)
_BLANKS = " \t\r\n"
_OPTIONS = re.compile(r"^options((?:[ \t].*)?)$", re.MULTILINE)


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
        """The argument as in a command line."""
        return f"{self.name}={self.value}" if self.value else self.name

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


def plain_name(name: str) -> str:
    """Return a name with ``_`` for ``-``, which are equal for the kernel."""
    return name.replace("-", "_")


def edited(text: str, arguments: Sequence[Argument], *, entry: bool) -> str:
    """Return ``text`` with ``arguments`` applied; unchanged if they are already.

    ``entry``: it is a boot loader entry.
    """
    return _on_lines(text, entry, lambda lines: _edit_all(lines, arguments))


def restored(text: str, base: Optional[str], gone: Sequence[Argument],
             kept: Sequence[Argument], *, entry: bool) -> str:
    """Return ``text`` with ``gone`` undone and ``kept`` applied.

    ``base`` is the text before the first argument of any plugin; without it, replaced
    arguments cannot be restored. The result is exact if nothing else changed the command
    line since; else each of ``gone`` is undone separately, and other changes stay.
    """
    before = _lines(base, entry) if base is not None else []
    lines = _lines(text, entry)
    first = before or [""]
    if base is not None and len(lines) == len(first) and _bag(lines) == _bag(
            _edit_all(first, [*gone, *kept])):
        after = _edit_all(first, kept)
        if entry and not before and not _bag(after):
            return re.sub(r"^options(?:[ \t].*)?\n?", "", text, flags=re.MULTILINE)
        return _on_lines(text, entry, lambda _: after)
    for argument in gone:
        text = _on_lines(text, entry, functools.partial(_undo_all, argument, before))
    return edited(text, kept, entry=entry)


def problems(text: str, argument: Argument, *, entry: bool) -> Tuple[str, ...]:
    """Return the tokens that contradict ``argument``, or its own if that is missing."""
    matching = [token for line in _lines(text, entry) for token in tokens(line)
                if argument.matches(token)]
    if argument.how == DROP:
        return tuple(matching)
    if argument.token not in matching:
        return (argument.token,)
    return tuple(token for token in matching if token != argument.token)


def tokens(line: str) -> List[str]:
    """Return the arguments of a command line."""
    return [match.group() for match in _TOKEN.finditer(line)]


def _lines(text: str, entry: bool) -> List[str]:
    """Return the command lines in ``text``: its ``options`` lines if it is an entry, else all."""
    return [match.group(1) for match in _OPTIONS.finditer(text)] if entry else [text]


def _on_lines(text: str, entry: bool, change: Callable[[List[str]], List[str]]) -> str:
    """Return ``text`` with its command lines replaced by the result of ``change``."""
    if not entry:
        return change([text])[0]
    options = list(_OPTIONS.finditer(text))
    if not options:
        new_line = change([""])[0]
        end = "" if text.endswith("\n") or not text else "\n"
        return f"{text}{end}options {new_line}\n" if new_line else text
    for match, new in reversed(list(zip(options, change(_lines(text, True))))):
        blank = " " if new and new[0] not in _BLANKS else ""
        text = text[:match.start(1)] + blank + new + text[match.end():]
    return text


def _bag(lines: Sequence[str]) -> List[str]:
    return sorted(token for line in lines for token in tokens(line))


def _paired(before: Sequence[str], count: int) -> List[str]:
    """Return the base of each of ``count`` lines, or all in the last if the count differs."""
    if len(before) == count:
        return list(before)
    return [*[""] * (count - 1), " ".join(before)]


def _edit_all(lines: List[str], arguments: Sequence[Argument]) -> List[str]:
    for argument in arguments:
        lines = _edit(argument, lines)
    return lines


def _edit(argument: Argument, lines: List[str]) -> List[str]:
    matching = [token for line in lines for token in tokens(line) if argument.matches(token)]
    if argument.how == DROP:
        return [_without(line, argument.matches) for line in lines]
    if matching == [argument.token] or (argument.how == ADD and matching):
        return lines
    if not matching:
        return [*lines[:-1], _appended(lines[-1], argument.token)]
    first = next(n for n, line in enumerate(lines) if any(map(argument.matches, tokens(line))))
    spot = next(m for m in _TOKEN.finditer(lines[first]) if argument.matches(m.group()))
    rest = _without(lines[first][spot.end():], argument.matches)
    return [*lines[:first], lines[first][:spot.start()] + argument.token + rest,
            *(_without(line, argument.matches) for line in lines[first + 1:])]


def _undo_all(argument: Argument, before: Sequence[str], lines: List[str]) -> List[str]:
    return [_undo(line, base, argument)
            for line, base in zip(lines, _paired(before, len(lines)))]


def _undo(line: str, base: str, argument: Argument) -> str:
    present = tokens(line)
    old = [token for token in tokens(base) if argument.matches(token)]
    if argument.how == DROP:
        if any(map(argument.matches, present)):
            return line  # added by others since
        return _reinserted(line, base, argument)
    if argument.token not in present or argument.token in old:
        return line
    if argument.how == SET and old:
        spot = next(m for m in _TOKEN.finditer(line) if m.group() == argument.token)
        return line[:spot.start()] + " ".join(old) + line[spot.end():]
    return _without(line, lambda token: token == argument.token)


def _reinserted(line: str, base: str, argument: Argument) -> str:
    """Restore the tokens of an argument in ``base``, each behind its neighbour there."""
    behind: List[str] = []
    for token in tokens(base):
        if argument.matches(token):
            line = _inserted(line, behind, token)
        behind.append(token)
    return line


def _inserted(line: str, behind: Sequence[str], token: str) -> str:
    for neighbour in reversed(behind):
        spot = next((m for m in _TOKEN.finditer(line) if m.group() == neighbour), None)
        if spot is not None:
            return f"{line[:spot.end()]} {token}{line[spot.end():]}"
    return f"{token} {line}" if tokens(line) else _appended(line, token)


def _appended(line: str, token: str) -> str:
    stripped = line.rstrip(_BLANKS)
    return stripped + (" " if stripped else "") + token + line[len(stripped):]


def _without(line: str, unwanted: Callable[[str], bool]) -> str:
    for match in reversed(list(_TOKEN.finditer(line))):
        if unwanted(match.group()):
            head, tail = line[:match.start()], line[match.end():]
            # one of the two blanks around it is removed too, the end of the line stays
            line = head.rstrip(" \t") + tail if head.strip() else head + tail.lstrip(" \t")
    return line
