"""Paths with wildcards, in which ``*`` matches characters within one component."""
from __future__ import annotations

import functools
import re
from typing import Pattern


@functools.lru_cache(maxsize=1024)
def part_pattern(glob: str) -> Pattern[str]:
    """Return an expression that fully matches what ``glob`` matches, and no path below it."""
    return re.compile(expression(glob), re.DOTALL)


@functools.lru_cache(maxsize=1024)
def below_pattern(*globs: str) -> Pattern[str]:
    """Return an expression for all paths that one of ``globs`` matches, and those below them."""
    return re.compile(f"(?:{'|'.join(map(expression, globs)) or '(?!)'})(?:/|\\Z)", re.DOTALL)


def expression(glob: str) -> str:
    """Return a regular expression for what ``glob`` matches."""
    return "[^/]*".join(map(re.escape, glob.split("*")))
