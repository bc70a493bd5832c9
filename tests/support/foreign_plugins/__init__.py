"""Stand-ins for other projects' dnf plugins: each acts as the real one does, at the same moment.

What the real ones write into the machine that runs dnf, these write into the folder that
FOREIGN_MACHINE names.
"""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, Sequence

MACHINE = "FOREIGN_MACHINE"
# The names of the real files; those on node-plugin.conf's default list come first.
FILES: Dict[str, str] = {
    "subscription_manager.py": "subscription_manager.py",
    "imgbased_persist.py": "imgbased-persist.py",
    "local_repo.py": "local.py",
    "completion_cache.py": "generate_completion_cache.py",
    "repo_headers.py": "repo_headers.py",
}


def place(folder: Path, names: Sequence[str] = tuple(FILES)) -> Path:
    """Put the stand-ins ``names`` into a new ``folder`` for dnf to load; return it."""
    folder.mkdir()
    for name in names:
        shutil.copy(Path(__file__).parent / name, folder / FILES[name])
    return folder


def machine() -> Path:
    """Return the folder that takes the machine's place."""
    return Path(os.environ[MACHINE])


def note(name: str, text: str) -> None:
    """Add a line to a file of the machine."""
    with open(machine() / name, "a", encoding="utf-8") as stream:
        stream.write(f"{text}\n")
