"""Check a GRUB 2 script by GRUB's own parser, grub-script-check(1), where it is installed."""
from __future__ import annotations

from pathlib import Path

from ...errors import CommandError
from ...system.run import Runner

# Its work grows with the square of the lines in a quote; menus have some kilobytes
_MOST_CHARACTERS = 64 << 10


def accepts(script: str, work: Path, *, run: Runner) -> bool:
    """Return whether GRUB parses ``script``; true if it is too long, or no parser is installed.

    ``work`` is a folder for a temporary file.
    """
    if len(script) > _MOST_CHARACTERS:
        return True
    path = work / "script.cfg"
    path.write_bytes(script.encode("latin-1"))
    try:
        _check(path, run)
    except CommandError as exc:
        return exc.returncode is None
    return True


def _check(path: Path, run: Runner) -> None:
    try:
        run(["grub2-script-check", path])  # the name on EL and Fedora
    except CommandError as exc:
        if exc.returncode is not None:
            raise
        run(["grub-script-check", path])
