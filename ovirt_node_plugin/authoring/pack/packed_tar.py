"""Write tars whose bytes depend on nothing but names, contents and a date."""
from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

from ...errors import RolledBack
from ...system.run import Runner, explained
from ...system.trees import walk

_LEVEL = 10  # of zstd(1); RPMs are compressed already


def write_tar(folder: Path, tar: Path, *, name: str, date: int) -> None:
    """Write the files of ``folder`` to the new file ``tar``, in it as the folder ``name``.

    The entries are sorted, belong to root, and have the ``date``.
    """
    paths = sorted([folder, *(Path(entry.path) for entry in walk(folder))])
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as out:
        for path in paths:
            inside = os.path.relpath(path, folder)
            member = tarfile.TarInfo(name if inside == "." else f"{name}/{inside}")
            info = path.lstat()
            member.mtime = date
            member.uname = member.gname = "root"
            if stat.S_ISDIR(info.st_mode):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                out.addfile(member)
                continue
            member.mode = 0o755 if info.st_mode & 0o111 else 0o644
            member.size = info.st_size
            with open(path, "rb") as content:
                out.addfile(member, content)


def compress(tar: Path, output: Path, *, run: Runner) -> None:
    """Compress the file ``tar`` to the new file ``output`` by zstd(1), and remove it.

    Raises RolledBack if zstd fails.
    """
    with explained(f"{output.name} cannot be compressed", RolledBack):
        run(["zstd", f"-{_LEVEL}", "-q", "--no-progress", "-T1", "-o", output, "--", tar])
    tar.unlink()
