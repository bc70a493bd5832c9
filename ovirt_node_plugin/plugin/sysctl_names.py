"""Names of kernel parameters, with dots or with slashes between their parts."""
from __future__ import annotations

_SWAP = str.maketrans("./", "/.")


def as_path(name: str) -> str:
    """Return the path of a parameter below ``/proc/sys``.

    If the first separator is a dot, dots and slashes are swapped; sysctl.d(5).
    """
    first = next((letter for letter in name if letter in "./"), "/")
    return name.translate(_SWAP) if first == "." else name


def dotted(name: str) -> str:
    """Return a parameter's name with ``.`` between its parts, and ``/`` for a dot in a part."""
    return as_path(name).translate(_SWAP)
