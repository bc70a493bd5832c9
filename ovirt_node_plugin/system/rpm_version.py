"""Compare versions as rpm does."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


@dataclass(frozen=True)
class VersionRange:
    """Versions from ``least`` to ``most``, both inclusive; an empty text is no bound.

    It is true unless both bounds are empty. As text it reads ``>= 1.0 and <= 2.0``.
    """

    least: str = ""
    most: str = ""

    def __bool__(self) -> bool:
        return bool(self.least or self.most)

    def __contains__(self, version: str) -> bool:
        return not self.is_above(version) and not self.is_below(version)

    def __str__(self) -> str:
        return " and ".join(f"{sign} {bound}" for sign, bound in (
            (">=", self.least), ("<=", self.most)) if bound)

    @property
    def is_empty(self) -> bool:
        """Return whether no version is in the range, as its bounds are the wrong way round."""
        return bool(self.least and self.most) and compare(self.least, self.most) > 0

    def is_above(self, version: str) -> bool:
        """Return whether ``version`` is older than every version in the range."""
        return bool(self.least) and compare(version, self.least) < 0

    def is_below(self, version: str) -> bool:
        """Return whether ``version`` is newer than every version in the range."""
        return bool(self.most) and compare(version, self.most) > 0


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1: ``one`` is older than, the same as, or newer than ``other``.

    Both are ``[epoch:]version[-release]``: versions of plugins, of Node, of this tool or of
    packages. No epoch is epoch 0. A release counts only where both
    have one, so ``4.50`` is the same as ``4.50-3.el9``, as in a dependency
    (rpm-dependencies(7)). The algorithm is rpm's own.
    """
    import rpm  # here, because importing it is slow and most runs do not need it

    first, second = _split(one), _split(other)
    if not (first[2] and second[2]):
        first, second = (*first[:2], ""), (*second[:2], "")
    return int(rpm.labelCompare(first, second))


def _split(text: str) -> Tuple[str, str, str]:
    epoch, colon, rest = text.rpartition(":")
    version, _, release = rest.partition("-")
    return (epoch if colon else "0", version, release)
