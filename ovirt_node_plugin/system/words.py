"""Texts for people: sizes, counts, and lists that are cut after some of their items."""
from __future__ import annotations

from collections.abc import Sequence


def size(size_bytes: int) -> str:
    """Return a size with its unit, such as ``3.1 MiB``."""
    amount, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def printable(text: str, *, keep: str = "") -> str:
    """Return ``text`` with escapes for characters that are not printable and not in ``keep``.

    Control characters can change the terminal, and marks of direction the meaning of a line.
    """
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1]
                   for char in text)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 file`` or ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_lines(lines: Sequence[str], most: int, *, before: str = "",
                after: str = "") -> list[str]:
    """Return the first ``most`` lines, and one with the number of the others if there are any.

    That line reads ``and 3 more``, between the texts ``before`` and ``after``.
    """
    rest = len(lines) - most
    return [*lines[:most], *([f"{before}and {rest} more{after}"] if rest > 0 else [])]


def first_names(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names in one line, such as ``a, b and 3 more``."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
