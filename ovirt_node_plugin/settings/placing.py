"""Small files of settings, put into a root so that a second time changes nothing."""
from __future__ import annotations

import os
from pathlib import Path

from ..files import read_entry, write_atomic
from ..paths import resolve_inside


def place_file(root: Path, folder: str, name: str, data: bytes, *, mode: int) -> None:
    """Write ``data`` to ``name`` in ``folder``, relative to ``root``, as root's own file.

    Missing folders are made, 0755. A file that is right already is not touched.
    """
    there = read_entry(root, f"{folder}/{name}")
    if there is not None and (there.kind, there.mode, there.uid, there.gid, there.content) == (
            "file", mode, 0, 0, data):
        return
    where = resolve_inside(root, folder)
    _make_folders(root, where)
    write_atomic(where / name, data, mode=mode, owner=(0, 0))


def _make_folders(root: Path, folder: Path) -> None:
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        os.chmod(path, 0o755)  # whatever the umask
