"""Versions compared the way rpm compares them."""
from __future__ import annotations

from typing import Tuple


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1: ``one`` is older than, the same as, or newer than ``other``.

    Both are ``[epoch:]version[-release]`` texts: versions of plugins, of Node, of
    this tool or of packages. No epoch is epoch 0. A release counts only where both
    have one, so ``4.50`` is the same as ``4.50-3.el9``, as in a dependency
    (rpm-dependencies(7)). The algorithm is rpm's own.
    """
    import rpm  # here, because importing it costs more than most runs need

    left, right = _split(one), _split(other)
    if not (left[2] and right[2]):
        left, right = (*left[:2], ""), (*right[:2], "")
    return int(rpm.labelCompare(left, right))


def _split(text: str) -> Tuple[str, str, str]:
    epoch, colon, rest = text.rpartition(":")
    version, _, release = rest.partition("-")
    return (epoch if colon else "0", version, release)
