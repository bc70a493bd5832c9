"""Copies that rpm makes of configuration files: they belong to the administrator.

rpm saves an edited file as .rpmsave when its package leaves or replaces it, one that no package
owned as .rpmorig, and a new version beside an edited file as .rpmnew; rpm(8), "CONFIG FILES".
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, List, Optional, Sequence, Set, Tuple

from ...packages.headers import Header
from ...packages.session import PackageChange
from ...system.path_sets import RPM_COPIES
from ...system.trees import Relative
from ...system.words import first_names

_MOST_PATHS = 8  # that a line names


class ConfigurationCopies:
    """The copies of configuration files of ``packages``, as they are before a transaction.

    ``paths`` are all that rpm may make, relative to the root.
    """

    def __init__(self, packages: Sequence[PackageChange], root: Path) -> None:
        self._root = root
        self.paths = copy_paths((change.header for change in packages), root)
        self._before = {path: _state(root / path) for path in self.paths}

    def notes(self) -> List[str]:
        """Return lines that name the copies that rpm made since, and older ones."""
        present = [path for path in sorted(self.paths) if os.path.lexists(self._root / path)]
        changed = {path for path in present if _state(self._root / path) != self._before[path]}
        made = [f"/{path}{' (in place of an older one)' * (self._before[path] is not None)}"
                for path in present if path in changed]
        unchanged = [f"/{path}" for path in present if path not in changed]
        return [*(f"rpm made {first_names(made, _MOST_PATHS)}: take from it what you need, and"
                  " remove it yourself; no change of plugins does." for _ in made[:1]),
                *(f"{first_names(unchanged, _MOST_PATHS)} stays as it is: such copies of"
                  " configuration files are the administrator's." for _ in unchanged[:1])]


def _state(path: Path) -> Optional[Tuple[int, int]]:
    """Return size and mtime; the ctime changes also when the journal links a file."""
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info.st_size, info.st_mtime_ns


def copy_paths(headers: Iterable[Optional[Header]], root: Path) -> Set[str]:
    """Return the paths, relative to ``root``, of the copies that rpm may make for packages."""
    relative = Relative(root)
    files = [file for header in headers if header is not None for file in header.files]
    own = {relative(file.path) for file in files}
    return {f"{relative(file.path)}{suffix}" for file in files if file.config
            for suffix in RPM_COPIES} - own
