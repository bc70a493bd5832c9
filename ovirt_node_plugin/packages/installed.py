"""What the rpm database of a root says of packages beyond their files: builds and states."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, Mapping, Tuple

from .headers import digest_of, raw_headers

# The states of rpm's rpmfiles.h in which a file is not what its package has: another
# package's took its place, or it was not unpacked (excluded, shared, of another color).
_REPLACED = 1
_NOT_UNPACKED = frozenset((2, 3, 4))
# RPMVERIFY_* of rpm's rpmvf.h, which %verify in a spec file clears.
_CHECKS = (("size", 1 << 1), ("link", 1 << 2), ("owner", 1 << 3), ("group", 1 << 4),
           ("mode", 1 << 6))
_ALL_CHECKS = sum(bit for _, bit in _CHECKS)


@dataclass(frozen=True)
class RpmdbPackage:
    """One installed package: ``digest`` is its header's, as ``headers.Header`` has it.

    All paths are absolute; ``unchecked`` are words as ``inventory.File`` has them.
    """

    digest: str
    not_unpacked: FrozenSet[str] = frozenset()
    replaced: FrozenSet[str] = frozenset()
    unchecked: Mapping[str, Tuple[str, ...]] = field(default_factory=dict)


def read_installed(root: Path, nevras: Iterable[str]) -> Dict[str, RpmdbPackage]:
    """Return what is known of those of ``nevras`` that the root's rpm database has."""
    return {nevra: _installed(raw) for nevra, raw in raw_headers(root, nevras)}


def _installed(raw: Any) -> RpmdbPackage:
    states: Iterable[int] = raw["filestates"] or ()
    flags: Iterable[int] = raw["fileverifyflags"] or ()
    odd = {place: state for place, state in enumerate(states) if state}
    loose = {place: flag for place, flag in enumerate(flags)
             if flag & _ALL_CHECKS != _ALL_CHECKS}
    names = raw["filenames"] if odd or loose else ()
    return RpmdbPackage(
        digest_of(raw),
        frozenset(str(names[place]) for place, state in odd.items() if state in _NOT_UNPACKED),
        frozenset(str(names[place]) for place, state in odd.items() if state == _REPLACED),
        {str(names[place]): tuple(word for word, bit in _CHECKS if not flag & bit)
         for place, flag in loose.items()})
