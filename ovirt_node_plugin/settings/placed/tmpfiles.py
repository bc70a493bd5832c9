"""Create files and folders of a tmpfiles.d(5) file at once, and remove them again."""
from __future__ import annotations

import contextlib
import os
import stat
import urllib.parse
from typing import Iterator, List, Optional, Sequence

from ...system.entries import read_entry
from ...system.tmpfiles_lines import tmpfiles_lines
from ..kit.model import Context

KIND = "tmpfiles"
CREATED = "created"


def state(place: str, ctx: Context) -> Optional[str]:
    """Return ``created``, or the missing paths that a configuration would create.

    ``place`` is the configuration, relative to the root; the result is None if it is
    missing. Paths are quoted and separated by commas; those with specifiers are ignored.
    """
    entry = read_entry(ctx.root, place)
    if entry is None:
        return None
    missing: List[str] = []
    for path in paths((entry.content or b"").decode(errors="replace")):
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            name = "/" + "/".join(parts[:count])
            if not os.path.lexists(ctx.root / name[1:]) and name not in missing:
                missing.append(name)
    return ",".join(urllib.parse.quote(name) for name in missing) or CREATED


def create(place: str, ctx: Context) -> None:
    """Create the files and folders in a configuration."""
    ctx.run(["systemd-tmpfiles", "--create", f"/{place}"])


def remove(was: str, ctx: Context) -> Sequence[str]:
    """Remove the paths ``was``, a result of ``state``; return a line for each that stays.

    Files and folders that are not empty stay, as they may have data of others.
    """
    notes: List[str] = []
    for name in reversed(was.split(",") if was != CREATED else []):
        path = ctx.root / urllib.parse.unquote(name)[1:]
        with contextlib.suppress(FileNotFoundError):
            info = os.lstat(path)
            try:
                if stat.S_ISDIR(info.st_mode):
                    os.rmdir(path)
                elif stat.S_ISREG(info.st_mode) and info.st_size:
                    notes.append(f"{path} is left: it is not empty")
                else:
                    os.unlink(path)
            except OSError as exc:
                notes.append(f"{path} is left: {exc.strerror}")
    return notes


def paths(text: str, *, boot: bool = False) -> Iterator[str]:
    """Yield the absolute paths that a configuration creates, without those with specifiers.

    With ``boot``, those that it creates at boot only are among them.
    """
    for line in tmpfiles_lines(text):
        if line.makes and not line.is_open and (boot or "!" not in line.type) and (
                line.path.startswith("/") and ".." not in line.path.split("/")):
            yield line.path
