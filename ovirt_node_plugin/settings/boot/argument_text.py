"""Kernel arguments in the text of a boot configuration: put in, and taken out exactly.

Two forms: the one line of /etc/kernel/cmdline (kernel-install(8)), and the ``options``
lines of an entry of the Boot Loader Specification. An argument is what blanks outside
double quotes separate, and ``-`` and ``_`` in its name are the same (the kernel's
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
    """One argument, and what is to be done with it.

    ``how`` is SET (it is there, in the place of all others of its name), ADD (it is
    there beside them) or DROP (it is not; without a value, none of its name is).
    """

    name: str
    value: str
    how: str

    @property
    def token(self) -> str:
        """The argument as it stands in a command line."""
        return f"{self.name}={self.value}" if self.value else self.name

    @property
    def code(self) -> str:
        """The whole in one word: ``a=b``, ``+a=b``, ``-a=b`` or ``-a``."""
        return self.how + self.token

    def matches(self, token: str) -> bool:
        """Say if ``token`` is what this one is about."""
        name = token.partition("=")[0]
        if plain_name(name) != plain_name(self.name):
            return False
        return self.how == SET or not self.value or token.partition("=")[2] == self.value


def decode(code: str) -> Argument:
    """Return what ``Argument.code`` gave."""
    how = code[0] if code[0] in (ADD, DROP) else SET
    name, _, value = code[len(how):].partition("=")
    return Argument(name, value, how)


def plain_name(name: str) -> str:
    """Return a name in the one form of the two that the kernel takes for the same."""
    return name.replace("-", "_")


def edited(text: str, arguments: Sequence[Argument], *, entry: bool) -> str:
    """Return ``text`` with what ``arguments`` ask for; as it is where it has that.

    ``entry`` says that it is a boot loader entry.
    """
    return _on_lines(text, entry, lambda lines: _edit_all(lines, arguments))


def restored(text: str, base: Optional[str], gone: Sequence[Argument],
             kept: Sequence[Argument], *, entry: bool) -> str:
    """Return ``text`` without what ``gone`` did to it, and with what ``kept`` ask for.

    ``base`` is the text before the first argument of anybody; without it what was
    replaced cannot come back. Exact where nobody else changed the command line since;
    elsewhere each of ``gone`` is undone by itself, and the rest stays.
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
    """Return the tokens that ``argument`` does not want, or its own if that is missing."""
    found = [token for line in _lines(text, entry) for token in tokens(line)
             if argument.matches(token)]
    if argument.how == DROP:
        return tuple(found)
    if argument.token not in found:
        return (argument.token,)
    return tuple(token for token in found if token != argument.token)


def tokens(line: str) -> List[str]:
    """Return the arguments of a command line."""
    return [match.group() for match in _TOKEN.finditer(line)]


def _lines(text: str, entry: bool) -> List[str]:
    """Return the command lines in ``text``: all of it, or what follows ``options``."""
    return [match.group(1) for match in _OPTIONS.finditer(text)] if entry else [text]


def _on_lines(text: str, entry: bool, change: Callable[[List[str]], List[str]]) -> str:
    """Return ``text`` with its command lines changed, and nothing else."""
    if not entry:
        return change([text])[0]
    found = list(_OPTIONS.finditer(text))
    if not found:
        made = change([""])[0]
        end = "" if text.endswith("\n") or not text else "\n"
        return f"{text}{end}options {made}\n" if made else text
    for match, new in reversed(list(zip(found, change(_lines(text, True))))):
        blank = " " if new and new[0] not in _BLANKS else ""
        text = text[:match.start(1)] + blank + new + text[match.end():]
    return text


def _bag(lines: Sequence[str]) -> List[str]:
    return sorted(token for line in lines for token in tokens(line))


def _paired(before: Sequence[str], count: int) -> List[str]:
    """Return the base of each of ``count`` lines; all in the last if lines came or went."""
    if len(before) == count:
        return list(before)
    return [*[""] * (count - 1), " ".join(before)]


def _edit_all(lines: List[str], arguments: Sequence[Argument]) -> List[str]:
    for argument in arguments:
        lines = _edit(argument, lines)
    return lines


def _edit(argument: Argument, lines: List[str]) -> List[str]:
    found = [token for line in lines for token in tokens(line) if argument.matches(token)]
    if argument.how == DROP:
        return [_without(line, argument.matches) for line in lines]
    if found == [argument.token] or (argument.how == ADD and found):
        return lines
    if not found:
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
    there = tokens(line)
    old = [token for token in tokens(base) if argument.matches(token)]
    if argument.how == DROP:
        if any(map(argument.matches, there)):
            return line  # somebody put one there since
        return _reinserted(line, base, argument)
    if argument.token not in there or argument.token in old:
        return line
    if argument.how == SET and old:
        spot = next(m for m in _TOKEN.finditer(line) if m.group() == argument.token)
        return line[:spot.start()] + " ".join(old) + line[spot.end():]
    return _without(line, lambda token: token == argument.token)


def _reinserted(line: str, base: str, argument: Argument) -> str:
    """Put what ``base`` has of the argument back, each behind what was before it there."""
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
            # one of the two blanks around it goes too, the line's end stays
            line = head.rstrip(" \t") + tail if head.strip() else head + tail.lstrip(" \t")
    return line
