"""Files that a merge writes to an ISO or removes from it, besides the payload."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Tuple


@dataclass(frozen=True)
class FileChanges:
    """Changes of files on an ISO, and ``notes`` for people.

    ``files`` are host files to write, by their paths on the ISO; ``removed`` are paths on the
    ISO to remove.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    removed: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
