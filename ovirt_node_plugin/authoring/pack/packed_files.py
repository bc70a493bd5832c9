"""Copy what a bundle is made of, and nothing else, to a new folder."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterator, List, Tuple

from ...errors import BadBundle
from ...plugin import bundle_files
from ...plugin.bundle import repo_files_in
from ...plugin.descriptor import DESCRIPTOR_NAME
from ...system.regular_files import opened_regular
from ...system.trees import walk
from ..lint import silences

KEYS, REPO = "keys", "repo"
_METADATA = "repodata"
_BLOCK = 1 << 20


def copy(bundle: Path, into: Path) -> Tuple[str, ...]:
    """Copy a bundle's files to the new folder ``into``; return the paths that are left out.

    Of ``repo/`` these are the RPMs only. Links become what they lead to, and the metadata of
    ``repo/``, which are made again, are not named. ``bundle`` has been checked: nothing in it
    leads out of it.
    """
    into.mkdir()
    names = {DESCRIPTOR_NAME, silences.FILE, *(path.name for path in repo_files_in(bundle))}
    left_out: List[str] = []
    for name in sorted(os.listdir(bundle)):
        path = bundle / name
        if name in names and path.is_file():
            _copy(path, into / name)
        elif name in (bundle_files.FOLDER, KEYS) and path.is_dir():
            left_out += _copy_folder(bundle, name, into)
        elif name == REPO and path.is_dir():
            left_out += _copy_folder(bundle, name, into, ".rpm")
        else:
            left_out.append(f"{name}/" if path.is_dir() else name)
    return tuple(left_out)


def packages(folder: Path) -> List[Path]:
    """Return the RPM files in the ``repo/`` of a packed folder, sorted."""
    repository = folder / REPO
    return sorted(Path(entry.path) for entry in walk(repository)
                  if entry.name.endswith(".rpm")) if repository.is_dir() else []


def copy_keys(folder: Path) -> List[str]:
    """Copy the keys of ``keys/`` to ``repo/``, where its readers find them; return their names."""
    if not (folder / KEYS).is_dir():
        return []
    names = sorted(path.name for path in (folder / KEYS).iterdir())
    for name in names:
        shutil.copyfile(folder / KEYS / name, folder / REPO / name)
    return names


def _copy_folder(bundle: Path, top: str, into: Path, suffix: str = "") -> Iterator[str]:
    """Copy the files that end in ``suffix`` in a folder; yield the others."""
    (into / top).mkdir()
    for entry in walk(bundle / top, error=BadBundle):
        name = os.path.relpath(entry.path, bundle)
        if name.startswith(f"{REPO}/{_METADATA}"):
            continue
        if entry.is_dir(follow_symlinks=False):
            continue
        if not entry.is_file() or not entry.name.endswith(suffix) or entry.name.startswith("."):
            yield name
            continue
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        _copy(Path(entry.path), into / name)


def _copy(source: Path, target: Path) -> None:
    """Copy a file; it is executable for all, or for nobody."""
    with opened_regular(source, follow=True) as stream, open(target, "xb") as out:
        shutil.copyfileobj(stream, out, _BLOCK)
        executable = os.fstat(stream.fileno()).st_mode & 0o111
        os.fchmod(out.fileno(), 0o755 if executable else 0o644)
