"""The mode and owner that a file has on an ISO, as xorriso(1) lists them."""
from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, List

from ...system.run import Runner, StrPath

_LINE = re.compile(r"-([rwxsStT-]{9})\S*\s+\d+\s+(\d+)\s+(\d+)\s+\d+ .{12} ('.*)$", re.MULTILINE)
_SPECIAL = {2: 0o4000, 5: 0o2000, 8: 0o1000}  # by the position of the letter s or t


@dataclass(frozen=True)
class IsoAttributes:
    """The permissions of a file, and the numbers of its owner and group."""

    mode: int = 0o444
    uid: int = 0
    gid: int = 0


def read_attributes(iso: Path, paths: Collection[str], *, run: Runner) -> Dict[str, IsoAttributes]:
    """Return the attributes of the files ``paths`` on the ISO ``iso``, by path."""
    if not paths:
        return {}
    argv: List[StrPath] = ["xorriso", "-no_rc", "-report_about", "WARNING", "-indev",
                           f"stdio:{iso}"]
    for path in sorted(paths):
        argv += ["-find", path, "-exec", "lsdl", "--"]
    return {"".join(shlex.split(name)): IsoAttributes(_mode(letters), int(uid), int(gid))
            for letters, uid, gid, name in _LINE.findall(run(argv))}


def _mode(letters: str) -> int:
    """Return the permissions for letters such as ``rwxr-xr-x``, as ls(1) prints them."""
    mode = 0
    for position, letter in enumerate(letters):
        if letter in "rwxst":
            mode |= 1 << (8 - position)
        if letter in "sStT":
            mode |= _SPECIAL[position]
    return mode
