"""How the readers of a kernel command line split it into arguments, and how one is written.

KERNEL is the kernel's own syntax (next_arg in its lib/cmdline.c). systemd-boot and zipl pass
the ``options`` of an entry to the kernel as they are. GRUB is that of a command of GRUB 2:
its blscfg makes the command ``linux KERNEL OPTIONS`` of an entry (grub-core/commands/blscfg.c
in Red Hat's GRUB), so a ``;`` without quotes ends the options. It reads the first line of
options, systemd-boot all of them.
"""
from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Callable, List, Tuple

from ...system import grub_words

_BLANK = re.compile(r"\s", re.ASCII)
_SPECIAL_IN_QUOTES = re.compile(r'["$\\]')


@dataclass(frozen=True)
class Word:
    """An argument in a command line, from ``start`` to ``end``.

    ``raw`` is its text there, ``text`` the same without quotes. The loader passes on neither
    the word nor what follows as it is written if ``is_sound`` is false.
    """

    start: int
    end: int
    raw: str
    text: str
    is_sound: bool


@dataclass(frozen=True)
class Syntax:
    """A syntax of command lines; ``write`` returns an argument in it.

    ``default`` are the options of an entry that has none. ``first_only`` is whether only the
    first line of options counts.
    """

    _word: "re.Pattern[str]"
    _read: Callable[[str], Tuple[str, bool]]
    write: Callable[[str], str]
    default: str = ""
    first_only: bool = False

    def words(self, line: str) -> List[Word]:
        """Return the arguments of a command line."""
        return [Word(match.start(), match.end(), match.group(), *self._read(match.group()))
                for match in self._word.finditer(line)]


def _kernel_text(raw: str) -> Tuple[str, bool]:
    """Return the text of a word and whether its quotes are closed."""
    name, equals, value = raw.partition("=")
    if raw.startswith('"'):
        text = raw[1:-1] if raw.endswith('"') and len(raw) > 1 else raw[1:]
    elif value.startswith('"'):
        text = name + equals + (value[1:-1] if value.endswith('"') and len(value) > 1
                                else value[1:])
    else:
        text = raw
    return text, raw.count('"') % 2 == 0


def _kernel_word(argument: str) -> str:
    """Return an argument with quotes around its value, or around all of it, if it has a blank."""
    if '"' in argument or not _BLANK.search(argument):
        return argument
    name, equals, value = argument.partition("=")
    return f'{name}="{value}"' if equals and not _BLANK.search(name) else f'"{argument}"'


@functools.lru_cache(maxsize=1 << 14)
def _grub_text(raw: str) -> Tuple[str, bool]:
    """Return the text of a word and whether GRUB reads it as one word.

    A word with a variable is its own text. Each word of a line is read again for every
    argument that is added to the line, so results are kept.
    """
    tokens = list(grub_words.tokens(raw))
    is_sound = len(tokens) == 1 and tokens[0].is_word and tokens[0].closed
    if not all(token.closed for token in tokens) or not tokens:
        return raw, False
    texts = [raw[token.start:token.end] for token in tokens]
    values = [grub_words.value(text) if token.is_word else text
              for token, text in zip(tokens, texts)]
    return "".join(value if value is not None else text
                   for value, text in zip(values, texts)), is_sound


def _grub_word(argument: str) -> str:
    """Return an argument with quotes around its value if GRUB needs any.

    The kernel, dracut and systemd remove such quotes, if another loader passes them on.
    """
    word = grub_words.quoted(argument)
    name, _, value = argument.partition("=")
    return word if word == argument or _SPECIAL_IN_QUOTES.search(value) else f'{name}="{value}"'


KERNEL = Syntax(re.compile(r'(?:[^\s"]|"[^"]*"?)+', re.ASCII), _kernel_text, _kernel_word)
GRUB = Syntax(re.compile(r"""(?:[^\s"'\\]|\\[\s\S]?|'[^']*'?|"(?:[^"\\]|\\[\s\S])*\\?"?)+""",
                         re.ASCII), _grub_text, _grub_word, "$default_kernelopts", first_only=True)
