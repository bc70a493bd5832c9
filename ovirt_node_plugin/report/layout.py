"""Lay out results for a terminal: tables and fields."""
from __future__ import annotations

import shutil
import textwrap
from typing import List, Sequence

from ..system.words import printable

_NARROWEST = 8  # columns that a cell always gets


def table(rows: Sequence[Sequence[str]], *, paths: bool = False) -> List[str]:
    """Return rows as aligned columns that fit the terminal. Cells that are too long are cut.

    With ``paths``, cells of the last column are paths and are cut at their start.
    """
    rows = [list(map(printable, row)) for row in rows]
    width = shutil.get_terminal_size().columns
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while sum(widths) + 2 * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for row in rows:
        cells = [_cut(cell, size) for cell, size in zip(row, widths)]
        if paths:
            cells[-1] = _cut(row[-1][::-1], widths[-1])[::-1]
        lines.append("  ".join(
            cell.ljust(size) for cell, size in zip(cells, widths)).rstrip())
    return lines


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[:size - 3] + "..."


def field(name: str, value: str) -> List[str]:
    """Return a field, ``NAME : VALUE``, wrapped at the width of the terminal."""
    width = max(shutil.get_terminal_size().columns - 15, 30)
    wrapped = [line for paragraph in printable(value, keep="\n").split("\n")
               for line in textwrap.wrap(paragraph, width, break_long_words=False,
                                         break_on_hyphens=False) or [""]]
    return [f"{name if position == 0 else '':<12} : {line}".rstrip()
            for position, line in enumerate(wrapped)]
