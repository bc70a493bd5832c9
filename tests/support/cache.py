"""A cache of folders on this machine, each made once and never changed."""
from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import Callable, Iterator


def cache_root() -> Path:
    """Return the folder of the cache; it may be deleted at any time, as a whole.

    Below XDG_CACHE_HOME, or ``~/.cache`` (XDG Base Directory Specification).
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "ovirt-node-plugin", "fixtures")


def cached(name: str, build: Callable[[Path, Path], None]) -> Path:
    """Return the cache's folder ``name``, built now if it is not there yet.

    ``build`` gets the folder to fill and the path that this folder will have
    afterwards, for files that hold absolute paths. A build that fails or is
    killed leaves nothing behind that would be taken for the result; of two
    processes one builds and the other waits.
    """
    final = cache_root() / name
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with _locked(final.with_name(f"{final.name}.lock")):
        if not final.exists():
            temporary = final.with_name(f"{final.name}.new")
            shutil.rmtree(temporary, ignore_errors=True)  # of a build that was killed
            temporary.mkdir()
            try:
                build(temporary, final)
                os.rename(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return final


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that a killed process gives back; the file itself stays."""
    with open(path, "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
