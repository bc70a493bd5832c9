"""Stand-ins for other projects' dnf plugins: each acts as the real one does, at the same moment.

What the real ones write into the machine that runs dnf, these write into the folder that
FOREIGN_MACHINE names. The files have the names of the real ones. Those that a Node image has
import nothing from here, and without that variable the machine is the machine itself.
"""
from __future__ import annotations

import os
import shutil
from pathlib import Path

MACHINE = "FOREIGN_MACHINE"


def place(folder: Path) -> Path:
    """Put the stand-ins into a new ``folder`` for dnf to load; return it."""
    folder.mkdir()
    for path in Path(__file__).parent.glob("[!_]*.py"):
        shutil.copy(path, folder)
    return folder


def machine() -> Path:
    """Return the folder that takes the machine's place."""
    return Path(os.environ[MACHINE])


def note(name: str, text: str) -> None:
    """Add a line to a file of the machine."""
    with open(machine() / name, "a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")
