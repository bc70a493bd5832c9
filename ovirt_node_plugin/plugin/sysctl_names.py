"""Names of kernel parameters, with dots or with slashes between their parts."""
from __future__ import annotations

_SWAP = str.maketrans("./", "/.")


def as_path(name: str) -> str:
    """Return where a parameter is below ``/proc/sys``.

    sysctl.d(5): where the first separator is a slash, dots and slashes stand for
    themselves, else for one another.
    """
    first = next((letter for letter in name if letter in "./"), "/")
    return name.translate(_SWAP) if first == "." else name


def dotted(name: str) -> str:
    """Return a parameter's name with ``.`` between its parts and ``/`` for a dot in one."""
    return as_path(name).translate(_SWAP)
