"""Compare the kernel arguments of the boot entries of two images."""
from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Counter, Dict, Iterator, List, Sequence, Tuple

from ..images.boot import BootConfiguration
from ..settings.boot.argument_text import tokens
from .trees import ADDED, CHANGED, REMOVED


@dataclass(frozen=True)
class BootDifference:
    """A boot entry that differs, with the kernel arguments ``added`` and ``removed``.

    ``place`` is the boot configuration; ``kind`` is ADDED, REMOVED or CHANGED. Both sets of
    arguments are empty if only their order changed.
    """

    place: str
    title: str
    kind: str
    added: Tuple[str, ...]
    removed: Tuple[str, ...]


def boot_differences(old: Sequence[BootConfiguration], new: Sequence[BootConfiguration]
                     ) -> Iterator[BootDifference]:
    """Yield the differences by place and title, and by order within one title."""
    old_arguments, new_arguments = _arguments(old), _arguments(new)
    for key in sorted({*old_arguments, *new_arguments}):
        before, after = old_arguments.get(key), new_arguments.get(key)
        if before != after:
            kind = ADDED if before is None else REMOVED if after is None else CHANGED
            yield BootDifference(place=key[0], title=key[1], kind=kind,
                                 added=tuple(surplus(after or (), before or ())),
                                 removed=tuple(surplus(before or (), after or ())))


def surplus(words: Sequence[str], others: Sequence[str]) -> List[str]:
    """Return the words that ``words`` has more often than ``others``, in their order."""
    unmatched = collections.Counter(others)
    surplus_words = []
    for word in words:
        if unmatched[word]:
            unmatched[word] -= 1
        else:
            surplus_words.append(word)
    return surplus_words


def _arguments(configurations: Sequence[BootConfiguration]
               ) -> Dict[Tuple[str, str, int], List[str]]:
    """Return the arguments by place, title, and number among entries of that title."""
    arguments: Dict[Tuple[str, str, int], List[str]] = {}
    for configuration in configurations:
        titles: Counter[str] = collections.Counter()
        for entry in configuration.entries:
            key = configuration.place, entry.title, titles[entry.title]
            arguments[key] = tokens(entry.arguments)
            titles[entry.title] += 1
    return arguments
