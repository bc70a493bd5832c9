"""The boot entries of two images compared, by their kernel arguments."""
from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import Counter, Dict, Iterator, List, Sequence, Tuple

from ..images.boot import BootConfiguration
from ..settings.boot.argument_text import tokens
from .trees import ADDED, CHANGED, REMOVED


@dataclass(frozen=True)
class BootDifference:
    """An entry of a boot configuration, and the kernel arguments that came and went.

    Both are empty where only their order changed.
    """

    place: str
    title: str
    kind: str
    added: Tuple[str, ...]
    removed: Tuple[str, ...]


def boot_differences(old: Sequence[BootConfiguration], new: Sequence[BootConfiguration]
                     ) -> Iterator[BootDifference]:
    """Yield what differs, by place and title; of several of one title by their order."""
    left, right = _arguments(old), _arguments(new)
    for key in sorted({*left, *right}):
        before, after = left.get(key), right.get(key)
        if before != after:
            kind = ADDED if before is None else REMOVED if after is None else CHANGED
            yield BootDifference(place=key[0], title=key[1], kind=kind,
                                 added=tuple(surplus(after or (), before or ())),
                                 removed=tuple(surplus(before or (), after or ())))


def surplus(words: Sequence[str], others: Sequence[str]) -> List[str]:
    """Return those of ``words`` that are not among ``others``, or more often, in their order."""
    left = collections.Counter(others)
    found = []
    for word in words:
        if left[word]:
            left[word] -= 1
        else:
            found.append(word)
    return found


def _arguments(configurations: Sequence[BootConfiguration]
               ) -> Dict[Tuple[str, str, int], List[str]]:
    """Return the arguments by place, title, and how many of that title came before."""
    found: Dict[Tuple[str, str, int], List[str]] = {}
    for one in configurations:
        titles: Counter[str] = collections.Counter()
        for entry in one.entries:
            found[one.place, entry.title, titles[entry.title]] = tokens(entry.arguments)
            titles[entry.title] += 1
    return found
