"""The time that replaces the present one in reproducible output.

https://reproducible-builds.org/specs/source-date-epoch/
"""
from __future__ import annotations

import os
import time
from typing import Optional, Tuple

VARIABLE = "SOURCE_DATE_EPOCH"
_LAST = (1 << 32) - 1  # in a squashfs and an rpm database
_MOST_DIGITS = 10


def source_date() -> Optional[int]:
    """Return the time in SOURCE_DATE_EPOCH, in seconds since 1970.

    None if the variable is not set, is no number, or is a time after 2106.
    """
    given = os.environ.get(VARIABLE, "")
    if given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS:
        return int(given) if int(given) <= _LAST else None
    return None


def now() -> float:
    """Return the time in SOURCE_DATE_EPOCH, or the present one, in seconds since 1970."""
    date = source_date()
    return time.time() if date is None else date


def notes() -> Tuple[str, ...]:
    """Return a line if SOURCE_DATE_EPOCH does not have the effect that it should have."""
    date, given = source_date(), os.environ.get(VARIABLE, "")
    if date is None and given:
        return (f"{VARIABLE} has no effect: {given} is not a time in seconds from 1970 to 2106.",)
    if date is not None and date > time.time():
        return (f"{VARIABLE} is in the future: another merge would not write the same bytes.",)
    return ()
