"""The image's own copy of the registry: made from the records in /etc, and compared with them."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Collection, Dict, Iterator, Mapping, Optional, Set, Tuple

from ..errors import Refused
from ..system.differences import PropertyDifference
from ..system.entries import read_entry, sync_dir, write_atomic
from ..system.limits import INVENTORY_BYTES, RECORD_BYTES, UNDO_DATA_BYTES
from ..system.paths import read_inside, resolve_inside
from ..undo.entry_differences import of_entries
from . import store
from .places import ETC, IMAGE, Place, has_image_copy, make_folders
from .record import Record
from .rules import is_plugin_name

_LIMITS = (RECORD_BYTES, UNDO_DATA_BYTES, INVENTORY_BYTES)  # as in Place.files
_Content = Tuple[bytes, int]
"""Content and mode of a file of the registry."""


def keep(root: Path) -> None:
    """Make sure that ``root``, of an image, has its own copy of the registry.

    A new copy contains all records of /etc. The caller holds the root's journal.

    Raises Refused for a link in the place of one of its folders.
    """
    for folder in (IMAGE.registry, IMAGE.manifests):
        if resolve_inside(root, folder, follow_last=False).is_symlink():
            raise Refused(f"/{folder} in {root} is a link. Remove it: the image's own records are"
                          " in a folder there", hint="")
    if has_image_copy(root):
        return
    plugins = store.names(root)
    make_folders(root, IMAGE)
    for name in plugins:
        for path, copy, limit in zip(ETC.files(name), IMAGE.files(name), _LIMITS):
            content = _read(root, path, limit)
            if content is not None:
                _write(root, copy, content)


def differences(root: Path) -> Dict[str, Tuple[str, ...]]:
    """Return the paths in /etc that differ from the image's own copy, by the plugin.

    The paths are relative to the root, in the order in which they are to be corrected. The
    result is empty without such a copy. Files that this user may not read are not compared.
    """
    if not has_image_copy(root):
        return {}
    plugins = {*_names(root, IMAGE), *_names(root, ETC)}
    different = {name: differences_of(root, name) for name in sorted(plugins)}
    return {name: paths for name, paths in different.items() if paths}


def differences_of(root: Path, name: str) -> Tuple[str, ...]:
    """Return the paths of one plugin as ``differences``."""
    return tuple(_different(root, name)) if has_image_copy(root) else ()


def outlived(root: Path, records: Mapping[str, Record],
             installed: Collection[str]) -> Tuple[str, ...]:
    """Return the plugins whose records came to ``root``, of an image, with another image's /etc.

    ``records`` are those of the root. None of the packages of such a one is among ``installed``,
    the NEVRAs in the rpm database. The result is empty with the image's own copy.
    """
    return () if has_image_copy(root) else tuple(
        name for name, record in records.items()
        if record.nevras and not any(nevra in installed for nevra in record.nevras))


def correct(root: Path, name: str, path: str) -> None:
    """Make one file of /etc, a path of ``differences``, what the image has."""
    (copy, limit), = [(copy, limit) for own, copy, limit in _files(name) if own == path]
    content = _read(root, copy, limit)
    if content is not None:
        make_folders(root, ETC)
        _write(root, path, content)
    else:
        where = resolve_inside(root, path, follow_last=False)
        where.unlink(missing_ok=True)
        sync_dir(where.parent)


def file_differences(root: Path, name: str, path: str) -> Tuple[PropertyDifference, ...]:
    """Return in what a file of /etc, a path of ``differences``, is not the image's.

    The result is empty for a file that this user may not read.
    """
    (copy,) = [copy for own, copy, _ in _files(name) if own == path]
    try:
        return of_entries(root, path, read_entry(root, copy, content=False),
                          read_entry(root, path, content=False))
    except OSError:
        return ()


def _different(root: Path, name: str) -> Iterator[str]:
    """Yield the paths of one plugin as ``differences``.

    A record is written after the other files of its plugin, and removed before them: so it is
    never without them.
    """
    files = _files(name)
    if os.path.lexists(resolve_inside(root, IMAGE.record(name), follow_last=False)):
        files = files[::-1]
    for path, copy, limit in files:
        wanted = _read(root, copy, limit)
        exists = os.path.lexists(resolve_inside(root, path, follow_last=False))
        if wanted is None:
            if exists and not os.path.lexists(resolve_inside(root, copy, follow_last=False)):
                yield path
        elif not exists or _is_readable(root, path) and _read(root, path, limit) != wanted:
            yield path


def _files(name: str) -> Tuple[Tuple[str, str, int], ...]:
    """Return the files of a plugin: in /etc, in the image's own copy, and the most bytes."""
    return tuple(zip(ETC.files(name), IMAGE.files(name), _LIMITS))


def _names(root: Path, place: Place) -> Set[str]:
    """Return the plugins that have any file in ``place``, at most RECORDS."""
    names = set(store.names_in(root, place.registry))
    folder = resolve_inside(root, place.manifests)
    for entry in os.listdir(folder) if folder.is_dir() else ():
        for end in (".xml", ".json.gz"):
            if entry.endswith(end) and is_plugin_name(entry[:-len(end)]):
                names.add(entry[:-len(end)])
    return names


def _is_readable(root: Path, path: str) -> bool:
    return os.access(resolve_inside(root, path, follow_last=False), os.R_OK)


def _read(root: Path, path: str, max_bytes: int) -> Optional[_Content]:
    """Return content and mode of a file; None if it is no regular file, or cannot be read."""
    try:
        data = read_inside(root, path, max_bytes=max_bytes, follow_last=False)
        mode = os.lstat(resolve_inside(root, path, follow_last=False)).st_mode
    except OSError:
        return None
    return data, 0o644 if mode & 0o004 else 0o600


def _write(root: Path, path: str, content: _Content) -> None:
    data, mode = content
    write_atomic(resolve_inside(root, path, follow_last=False), data, mode=mode)
