"""Whether the work of a reader grows at most linearly with the size of what it reads."""
from __future__ import annotations

from typing import Callable, List, Sequence

from .calls import calls_of

_SLACK = 2.6
"""How much more calls an input of twice the size may cost; a quadratic reader needs four times."""


def calls_by_size(read: Callable[[int], object], sizes: Sequence[int]) -> List[int]:
    """Return the function calls of ``read`` for each size.

    It is run once before, with size 1, which imports modules.
    """
    read(1)
    return [calls_of(lambda size=size: read(size)) for size in sizes]  # type: ignore[misc]


def is_linear(costs: Sequence[int]) -> bool:
    """Return whether ``costs``, each of twice the size of the one before, grow linearly."""
    return all(after <= _SLACK * before for before, after in zip(costs, costs[1:]))
