"""A tree that is changed, and which package each new path in it belongs to."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict


class EditedTree:
    """A tree below ``root``; ``owners`` maps absolute paths to EL's package names.

    Paths that methods take are relative to the root.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.owners: Dict[str, str] = {}

    def write(self, package: str, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of ``package`` in place of what is there."""
        where = self._room(package, path)
        where.write_text(text, encoding="utf-8")
        where.chmod(mode)

    def link(self, package: str, path: str, target: str) -> None:
        """Make a symbolic link of ``package`` in place of what is there."""
        self._room(package, path).symlink_to(target)

    def folder(self, package: str, *paths: str) -> None:
        """Make folders of ``package``, with those above them."""
        for path in paths:
            (self.root / path).mkdir(parents=True, exist_ok=True)
        self.claim(package, *paths)

    def claim(self, package: str, *paths: str) -> None:
        """Say whose paths these are; what is below them is too, unless it is another's."""
        self.owners.update({f"/{path}": package for path in paths})

    def remove(self, *paths: str) -> None:
        """Remove files, links and whole folders, where they are there."""
        for path in paths:
            where = self.root / path
            if where.is_dir() and not where.is_symlink():
                shutil.rmtree(where)
            elif os.path.lexists(where):
                where.unlink()

    def empty(self, path: str) -> None:
        """Remove all that is in a folder."""
        self.remove(*(f"{path}/{name}" for name in os.listdir(self.root / path)))

    def _room(self, package: str, path: str) -> Path:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(where):
            where.unlink()
        self.claim(package, path)
        return where
