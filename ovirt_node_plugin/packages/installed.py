"""What a root's rpm database says of packages beyond their files: digests and file states."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Mapping, Tuple

from .dnf_types import RpmHeader
from .headers import digest_of, numbers_of, raw_headers, texts_of

# The states of rpm's rpmfiles.h in which a file is not what its package contains: another
# package replaced it, or it was not unpacked (excluded, shared, of another color).
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
    """Return what the root's rpm database says of those of ``nevras`` that it has."""
    return {nevra: _installed(raw) for nevra, raw in raw_headers(root, nevras)}


def _installed(raw: RpmHeader) -> RpmdbPackage:
    odd_states = {index: state for index, state in enumerate(numbers_of(raw, "filestates"))
                  if state}
    odd_flags = {index: flags for index, flags in enumerate(numbers_of(raw, "fileverifyflags"))
                 if flags & _ALL_CHECKS != _ALL_CHECKS}
    names = texts_of(raw, "filenames") if odd_states or odd_flags else []
    return RpmdbPackage(
        digest_of(raw),
        frozenset(names[index] for index, state in odd_states.items()
                  if state in _NOT_UNPACKED),
        frozenset(names[index] for index, state in odd_states.items() if state == _REPLACED),
        {names[index]: tuple(word for word, bit in _CHECKS if not flags & bit)
         for index, flags in odd_flags.items()})
