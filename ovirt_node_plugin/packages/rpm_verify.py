"""Compare the files of installed packages with the rpm database, by ``rpm -V``."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from ..system.run import Runner, StrPath, run

# rpm(8), "VERIFY OPTIONS": the letters of a line such as ``S.5....T.  c /etc/x``.
_LETTERS = {"S": "size", "M": "mode", "5": "content", "D": "device number", "L": "link target",
            "U": "owner", "G": "group", "T": "time", "P": "capabilities"}
_CONFIG, _GHOST = "c", "g"


@dataclass(frozen=True)
class FileProblem:
    """A difference that ``rpm -V`` reports: ``text`` to show, and the path of the file.

    ``path`` is absolute, and empty for a line that is not about a file. ``changed`` are the
    words for what differs. ``config`` and ``ghost`` tell whether the package marks the file so.
    """

    text: str
    path: str = ""
    changed: Tuple[str, ...] = ()
    missing: bool = False
    config: bool = False
    ghost: bool = False


def verify_files(root: Path, rpmdb: str, nevras: List[str], *,
                 runner: Runner = run) -> List[FileProblem]:
    """Return what ``rpm -V`` reports about the packages ``nevras`` in ``root``."""
    if not nevras:
        return []
    argv: List[StrPath] = ["rpm", "--root", root, "--dbpath", f"/{rpmdb}", "--verify",
                           "--nodeps", "--noscripts", "--", *nevras]
    output = runner(argv, ok=range(256))  # the number of packages with differences
    return [_file_problem(line.strip()) for line in output.splitlines() if line.strip()]


def _file_problem(line: str) -> FileProblem:
    match = re.fullmatch(r"(\S+) +(?:([a-z]) )?(/.*)", line)
    if match is None:
        return FileProblem(line)
    marks, letter, path = match.groups()
    what = {_CONFIG: "configuration file", _GHOST: "ghost file"}.get(letter, "file")
    changed = [word for mark, word in _LETTERS.items() if mark in marks]
    missing = marks == "missing"
    text = (f"{what} {path} is missing" if missing else
            f"{what} {path} was changed ({', '.join(changed)})" if changed else line)
    return FileProblem(text, path, tuple(changed), missing=missing, config=letter == _CONFIG,
                       ghost=letter == _GHOST)
