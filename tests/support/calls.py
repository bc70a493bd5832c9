"""Work measured as the number of function calls, independent of the machine's load."""
from __future__ import annotations

import sys
from typing import Callable


def calls_of(work: Callable[[], object]) -> int:
    """Return the number of function calls of ``work``, including functions written in C."""
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
