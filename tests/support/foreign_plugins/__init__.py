"""Stand-ins for dnf plugins of other projects; each acts at the same hook as the real one.

A real plugin writes to the machine that runs dnf; its stand-in writes to the folder that the
environment variable FOREIGN_MACHINE names. The files have the names of the real plugins.
Stand-ins that are part of the Node image import nothing from this package; without the
variable they write to the machine itself.
"""
from __future__ import annotations

import os
import shutil
from pathlib import Path

MACHINE = "FOREIGN_MACHINE"


def place(folder: Path) -> Path:
    """Copy the stand-ins to the new ``folder``, from which dnf loads them; return it."""
    folder.mkdir()
    for path in Path(__file__).parent.glob("[!_]*.py"):
        shutil.copy(path, folder)
    return folder


def machine() -> Path:
    """Return the folder used in place of the machine."""
    return Path(os.environ[MACHINE])


def note(name: str, text: str) -> None:
    """Add a line to a file of the machine."""
    with open(machine() / name, "a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")
