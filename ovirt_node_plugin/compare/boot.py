"""Compare the boot entries of two images by what they do: kernel, initramfs and arguments.

The version of an image and the volume id of an ISO are in titles, paths and arguments. They
differ between any two versions, and are no difference of an entry.
"""
from __future__ import annotations

import collections
import re
from dataclasses import dataclass
from typing import Callable, Deque, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from ..images.iso.boot import BootConfiguration
from ..images.iso.boot_text.model import BootEntry, label_pattern
from ..settings.boot.argument_text import tokens
from .trees import ADDED, CHANGED, REMOVED

# A number with what follows it in a version: 4.5.5, 5.14.0-362.el9.x86_64
_VERSION = re.compile(r"\d[\w.+~^-]*")
_VOLUME_ID = "VOLUME-ID"


@dataclass(frozen=True)
class BootDifference:
    """A boot entry that differs, with the kernel arguments ``added`` and ``removed``.

    ``place`` is the boot configuration; ``kind`` is ADDED, REMOVED or CHANGED. Both sets of
    arguments are empty if only their order changed. ``details`` are other changes of an entry,
    of its title, kernel or initramfs: each a name, the old value, ``->`` and the new value.
    """

    place: str
    title: str
    kind: str
    added: Tuple[str, ...]
    removed: Tuple[str, ...]
    details: Tuple[str, ...] = ()


class _Compared(NamedTuple):
    """A boot entry, and its form without version and volume id.

    ``arguments`` are the entry's own, ``words`` the same without version and volume id.
    """

    entry: BootEntry
    arguments: List[str]
    words: List[str]

    @property
    def title(self) -> str:
        """The title without version."""
        return _VERSION.sub("#", self.entry.title)

    @property
    def files(self) -> Tuple[str, str]:
        """The kernel and the initramfs, without versions."""
        return (_VERSION.sub("#", self.entry.kernel),
                ", ".join(_VERSION.sub("#", path) for path in self.entry.initrds))


class BootSide(NamedTuple):
    """The boot configurations of an image, and what differs between any two versions of it.

    ``volume_id`` is empty for an image without; ``versions`` are those of image and kernels.
    """

    configurations: Sequence[BootConfiguration]
    volume_id: str = ""
    versions: Sequence[str] = ()


def boot_differences(old: BootSide, new: BootSide) -> Iterator[BootDifference]:
    """Yield the differences, by place and title of the entry."""
    before, after = (_by_place(side) for side in (old, new))
    for place in sorted({*before, *after}):
        differences: List[BootDifference] = []
        for old_entry, new_entry in _pairs(before.get(place, []), after.get(place, [])):
            differences += _difference(place, old_entry, new_entry)
        yield from sorted(differences, key=lambda difference: difference.title)


def surplus(words: Sequence[str], others: Sequence[str]) -> List[str]:
    """Return the words that ``words`` has more often than ``others``, in their order."""
    return [words[number] for number in _surplus(words, others)]


def _surplus(words: Sequence[str], others: Sequence[str]) -> List[int]:
    """Return the positions of the words that ``words`` has more often than ``others``."""
    unmatched = collections.Counter(others)
    positions = []
    for position, word in enumerate(words):
        if unmatched[word]:
            unmatched[word] -= 1
        else:
            positions.append(position)
    return positions


def _by_place(side: BootSide) -> Dict[str, List[_Compared]]:
    """Return the entries of each boot configuration."""
    names = "|".join(map(re.escape, filter(None, side.versions)))
    versions = re.compile(rf"(?<![\w.])(?:{names})(?![\w.])" if names else r"(?!)")
    label = label_pattern(side.volume_id)
    return {configuration.place: [
        _Compared(entry, tokens(entry.arguments),
                  [versions.sub("VERSION", label.sub(_VOLUME_ID, word))
                   for word in tokens(entry.arguments)])
        for entry in configuration.entries] for configuration in side.configurations}


def _pairs(old: Sequence[_Compared], new: Sequence[_Compared]
           ) -> Iterator[Tuple[List[_Compared], List[_Compared]]]:
    """Yield the same entry of both sides, and an empty list for one that a side lacks.

    Entries are the same if their titles are, else if these differ in versions only, else if
    they boot the same. Several that are the same go together in their order.
    """
    keys: Tuple[Callable[[_Compared], object], ...] = (
        lambda entry: entry.entry.title, lambda entry: entry.title,
        lambda entry: (entry.files, tuple(entry.words)))
    for key in keys:
        positions: Dict[object, Deque[int]] = {}
        for position, entry in enumerate(new):
            positions.setdefault(key(entry), collections.deque()).append(position)
        unmatched, matched = [], set()
        for entry in old:
            same = positions.get(key(entry))
            if same:
                position = same.popleft()
                matched.add(position)
                yield [entry], [new[position]]
            else:
                unmatched.append(entry)
        old, new = unmatched, [entry for position, entry in enumerate(new)
                               if position not in matched]
    yield from (([entry], []) for entry in old)
    yield from (([], [entry]) for entry in new)


def _difference(place: str, old: Sequence[_Compared],
                new: Sequence[_Compared]) -> Iterator[BootDifference]:
    """Yield the difference between an entry and the same one of the other side."""
    if not old or not new:
        (entry,) = (*old, *new)
        arguments = tuple(entry.arguments)
        yield BootDifference(place=place, title=entry.entry.title, kind=ADDED if new else REMOVED,
                             added=arguments if new else (), removed=arguments if old else ())
        return
    (before,), (after,) = old, new
    details = [f"{name} {was or 'none'} -> {now or 'none'}" for name, same, was, now in (
        ("title", before.title == after.title, before.entry.title, after.entry.title),
        ("kernel", before.files[0] == after.files[0], before.entry.kernel, after.entry.kernel),
        ("initramfs", before.files[1] == after.files[1], ", ".join(before.entry.initrds),
         ", ".join(after.entry.initrds))) if not same]
    if before.words != after.words or details:
        yield BootDifference(
            place=place, title=after.entry.title, kind=CHANGED,
            added=tuple(after.arguments[position]
                        for position in _surplus(after.words, before.words)),
            removed=tuple(before.arguments[position]
                          for position in _surplus(before.words, after.words)),
            details=tuple(details))
