"""Commands and variables of a GRUB 2 script, as in grub-core/script/parser.y."""
from __future__ import annotations

import itertools
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ....system.grub_words import Part, Token, kernel_text, parts, tokens, value
from ....system.limits import BOOT_ARGUMENTS_CHARACTERS

# Words before a command on its line
_BEFORE = frozenset(("if", "elif", "then", "else", "while", "until", "do", "!"))
_SEPARATORS = frozenset(("\n", ";", "{", "}"))  # GRUB reads others, and has no use for them
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_MOST_VALUES = 8  # of a word with variables


class Command(NamedTuple):
    """A command: its words, the first of which is its name.

    ``symbol`` is what ends it, ``{`` if it has a block. ``is_broken`` is whether GRUB cannot
    parse it.
    """

    words: Tuple[Token, ...]
    symbol: str
    is_broken: bool = False


class VariableValue(NamedTuple):
    """A value of a variable that a script sets; None for one that it does not have itself."""

    name: str
    value: Optional[str]


def commands(script: str) -> Iterator[Command]:
    """Yield the commands of a script in order, in linear time, and empty ones for braces."""
    words: List[Token] = []
    is_broken = False
    for token in tokens(script):
        text = script[token.start:token.end] if not token.is_word else ""
        if token.is_word:
            is_broken |= not token.closed
            if words or not token.closed or script[token.start:token.end] not in _BEFORE:
                words.append(token)
        elif text in _SEPARATORS:
            if words or text in ("{", "}"):
                yield Command(tuple(words), text, is_broken)
            words, is_broken = [], False
        else:
            if words:
                yield Command(tuple(words), text, is_broken=True)
            words, is_broken = [], True
    if words:
        yield Command(tuple(words), "", is_broken)


class Script:
    """A script with its commands and the values of variables that it sets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.commands = tuple(commands(text))
        self._values: Dict[str, List[Optional[str]]] = {}
        for command in self.commands:
            for assignment in _assignments(text, command):
                values = self._values.setdefault(assignment.name, [])
                if assignment.value not in values and len(values) <= _MOST_VALUES:
                    values.append(assignment.value if len(values) < _MOST_VALUES else None)

    def word(self, token: Token) -> str:
        """Return the text of a word, with its quotes."""
        return self.text[token.start:token.end]

    def expansions(self, token: Token) -> Tuple[Tuple[str, ...], bool]:
        """Return the texts that a word may stand for, and whether these are all.

        A variable that the script does not set is empty in them.
        """
        pieces = parts(self.word(token))
        if not any(part.is_variable for part in pieces):
            return ("".join(part.text for part in pieces),), True
        choices = [self._choices(part) for part in pieces]
        if sum(len(text) for known, _ in choices for text in known) > BOOT_ARGUMENTS_CHARACTERS:
            return (self.word(token),), False
        texts = tuple(dict.fromkeys("".join(texts) for texts in itertools.islice(
            itertools.product(*(known for known, _ in choices)), _MOST_VALUES + 1)))
        return texts[:_MOST_VALUES], (len(texts) <= _MOST_VALUES
                                      and all(is_all for _, is_all in choices))

    def _choices(self, part: Part) -> Tuple[Sequence[str], bool]:
        if not part.is_variable:
            return (part.text,), True
        values = self._values.get(part.text, [None])
        known = [known for known in values if known is not None]
        return known or ("",), len(known) == len(values)

    def arguments(self, token: Token) -> Tuple[Tuple[str, ...], ...]:
        """Return the kernel arguments in each text that a word may stand for."""
        texts, _ = self.expansions(token)
        if value(self.word(token)) is not None:
            return ((kernel_text(texts[0]),),)
        is_split = any(part.is_variable and not part.quoted for part in parts(self.word(token)))
        return tuple(tuple(map(kernel_text, text.split() if is_split else (text,)))
                     for text in texts)


def _assignments(text: str, command: Command) -> Iterator[VariableValue]:
    """Yield what a command may set."""
    words = [text[token.start:token.end] for token in command.words]
    if not words:
        return
    name = words[0]
    if name == "set" and len(words) > 1:
        yield from _assigned(words[1])
    elif len(words) == 1:
        yield from _assigned(name)
    elif name in ("for", "read", "unset"):
        yield VariableValue(words[1], None)
    for word, following in zip(words[1:], [*words[2:], ""]):
        if word in ("--set", "-s"):
            yield VariableValue(following, None)
        elif word.startswith("--set="):
            yield VariableValue(word.partition("=")[2], None)
    if name == "regexp" or name.startswith("search."):
        for word in words[1:]:  # --set NUMBER:NAME, and the variable behind a label
            yield VariableValue(word.rpartition(":")[2], None)


def _assigned(word: str) -> Iterator[VariableValue]:
    match = _ASSIGNMENT.match(word)
    if match and len(word) > BOOT_ARGUMENTS_CHARACTERS:
        yield VariableValue(match.group(1), None)
    elif match:
        yield VariableValue(match.group(1), value(word[match.end():]))
