"""The outputs of ``pack``: all of them appear, or none, and nothing is replaced by half."""
from __future__ import annotations

import filecmp
import os
from pathlib import Path
from typing import List, Sequence, Tuple

from ...errors import Refused
from ...system.entries import sync_dir
from .packed_tar import write_tar


def refuse_existing(output: Path, names: Sequence[str]) -> None:
    """Raise Refused if one of ``names`` is in the folder ``output``."""
    for name in names:
        if os.path.lexists(output / name):
            raise Refused(f"{output / name} exists already",
                          hint="Raise <version>, or replace it with --force.")


def is_same(output: Path, folder: str, tar: Path, work: Path, *, date: int) -> bool:
    """Return whether the packed ``folder`` in ``output`` has the content of the file ``tar``."""
    if not (output / folder).is_dir() or not (output / f"{folder}.tar.zst").is_file():
        return False
    present = work / "present.tar"
    write_tar(output / folder, present, name=folder, date=date)
    same = filecmp.cmp(present, tar, shallow=False)
    present.unlink()
    return same


def place(work: Path, output: Path, names: Sequence[str], *, force: bool) -> None:
    """Rename those of ``names`` that are in ``work`` to ``output``; with ``force``, replace them.

    With ``force``, those that are in ``output`` only are removed. After an error all is as before.
    Raises Refused without ``force`` if one of them is there meanwhile.
    """
    replaced = work / "replaced"
    replaced.mkdir()
    done: List[Tuple[Path, Path]] = []
    try:
        for name in names:
            if os.path.lexists(output / name):
                if not force:
                    refuse_existing(output, [name])
                done.append(_renamed(output / name, replaced / name))
            if os.path.lexists(work / name):
                done.append(_renamed(work / name, output / name))
    except BaseException:
        for source, target in reversed(done):
            os.rename(target, source)
        raise
    sync_dir(output)


def _renamed(source: Path, target: Path) -> Tuple[Path, Path]:
    os.rename(source, target)
    return source, target
