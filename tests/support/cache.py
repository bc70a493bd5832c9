"""A cache of folders on this machine. Each is built once and never changed."""
from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Callable, Iterator


def cache_root() -> Path:
    """Return the folder of the cache, which may be deleted as a whole at any time.

    It lies in XDG_CACHE_HOME, or ``~/.cache`` (XDG Base Directory Specification).
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "ovirt-node-plugin", "fixtures")


def cached(name: str, build: Callable[[Path, Path], None]) -> Path:
    """Return the folder ``name`` of the cache; build it if it does not exist.

    ``build`` receives the folder to fill and the final path of that folder, for files
    that contain absolute paths. The result of a build that fails or is killed is never
    used. Of two processes, one builds and the other waits.
    """
    final = cache_root() / name
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(final.with_name(f"{final.name}.lock")):
        if not final.exists():
            temporary = final.with_name(f"{final.name}.new")
            shutil.rmtree(temporary, ignore_errors=True)  # from a killed build
            temporary.mkdir()
            try:
                build(temporary, final)
                os.rename(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return final


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel releases when the process ends; the file remains."""
    with open(path, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
