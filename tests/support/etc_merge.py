"""The merge of /etc at an update of a system in image mode.

As ostree's manual says (ostreedev.github.io, "Atomic Upgrades"): the new /etc is that of the
new image, with the local changes against the /etc of the old image. A changed mode or owner is
a change, too.
"""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, Set, Tuple

from .fixtures import copy_tree

_Entry = Tuple[int, int, int, bytes]


def deploy(image: Path, dest: Path, *, old_image: Path, running: Path) -> Path:
    """Make in ``dest`` the root of the next boot, and return it.

    ``image`` is the root of the new image, ``old_image`` that of the present one, and
    ``running`` the present root, whose /etc may have local changes.
    """
    copy_tree(image, dest)
    default, local = _entries(old_image / "etc"), _entries(running / "etc")
    for path in sorted({*default, *local}):
        if default.get(path) != local.get(path):
            _take(running / "etc" / path, dest / "etc" / path)
    return dest


def _entries(top: Path) -> Dict[str, _Entry]:
    paths: Set[Path] = set(top.rglob("*"))
    return {str(path.relative_to(top)): _entry(path) for path in paths}


def _entry(path: Path) -> _Entry:
    info = path.lstat()
    content = (os.fsencode(os.readlink(path)) if path.is_symlink() else
               path.read_bytes() if path.is_file() else b"")
    return info.st_mode, info.st_uid, info.st_gid, content


def _take(source: Path, target: Path) -> None:
    """Make ``target`` what ``source`` is; the entries of a folder are taken one by one."""
    if not os.path.lexists(source):
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    elif source.is_dir() and not source.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copystat(source, target)
    else:
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
