"""This tool's own files in a root, compared before and after the scriptlets of packages ran."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

from ...system.path_sets import (
    FACTORY_MANIFESTS,
    FACTORY_REGISTRY,
    IMAGE_MANIFESTS,
    IMAGE_MARK,
    IMAGE_REGISTRY,
    JOURNAL,
    MANIFESTS,
    REGISTRY,
)
from ...system.paths import is_inside, resolve_inside
from ...system.trees import folders_above

_State = Tuple[object, ...]
_RECORDS, _DATA = "record of plugins", "undo data or inventory"
_WHAT = {REGISTRY: _RECORDS, IMAGE_REGISTRY: _RECORDS, MANIFESTS: _DATA, IMAGE_MANIFESTS: _DATA,
         FACTORY_REGISTRY: _RECORDS, FACTORY_MANIFESTS: _DATA,
         JOURNAL: "journal of this change", IMAGE_MARK: "mark of the image"}


class OwnState:
    """The registry, the journal and the image's mark in ``root``, as they are now.

    Nothing of it is written while packages change. Numbers of inodes are not compared: in an
    overlay they are not constant.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before = self._read()

    def changes(self) -> List[str]:
        """Return a line for each path that differs from the state before."""
        after = self._read()
        return [f"/{path}, {_what(path)}, was "
                + ("removed" if path not in after else
                   "made" if path not in self._before else "changed")
                for path in sorted({*self._before, *after})
                if self._before.get(path) != after.get(path)]

    def _read(self) -> Dict[str, _State]:
        states: Dict[str, _State] = {}
        for top in _WHAT:
            for path in (*folders_above(top), top):
                states.update(self._entry(path, is_own=path == top))
            states.update(self._below(top))
        return states

    def _below(self, top: str) -> Iterator[Tuple[str, _State]]:
        """Yield all entries below a folder; where it leads by links above it is followed."""
        todo = [top]
        for folder in todo:  # grows while it is walked
            where = resolve_inside(self._root, folder)
            if not where.is_dir():
                continue
            for name in sorted(os.listdir(where)):
                path = f"{folder}/{name}"
                for entry in self._entry(path, is_own=True):
                    yield entry
                    if entry[1][0] == stat.S_IFDIR:
                        todo.append(path)

    def _entry(self, path: str, *, is_own: bool) -> Iterator[Tuple[str, _State]]:
        """Yield the state of an entry: of folders above this tool's own, only which it is."""
        try:
            info = os.lstat(resolve_inside(self._root, path, follow_last=False))
        except (FileNotFoundError, NotADirectoryError):
            return
        kind = stat.S_IFMT(info.st_mode)
        if kind == stat.S_IFDIR:
            yield path, (kind, info.st_mode, info.st_uid, info.st_gid) if is_own else (kind,)
            return
        state = (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns)
        if is_inside(path, JOURNAL) and path.rpartition("/")[2].isdigit():
            # perhaps a hard link to a file that rpm replaces, which changes its ctime
            yield path, (kind, *state)
        else:
            yield path, (kind, *state, info.st_ctime_ns)


def _what(path: str) -> str:
    for top, what in _WHAT.items():
        if is_inside(path, top):
            return what
    return "a folder above the files of this tool"
