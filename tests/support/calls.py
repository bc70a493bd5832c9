"""Work counted in calls of functions, which no load of the machine changes."""
from __future__ import annotations

import sys
from typing import Callable


def calls_of(work: Callable[[], object]) -> int:
    """Return how many functions ``work`` calls, those written in C included."""
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
