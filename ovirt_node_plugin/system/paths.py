"""Resolve paths inside a root, as chroot(2) would, and never outside of it."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from types import MappingProxyType
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from ..errors import OutsideRoot
from .limits import TEXT_BYTES
from .regular_files import read_regular

_MAX_LINKS = 40  # as the kernel's own limit, path_resolution(7)
_NONE: Mapping[str, str] = MappingProxyType({})


def resolve_inside(root: Path, name: str, *, follow_last: bool = True,
                   links: Mapping[str, str] = _NONE) -> Path:
    """Return where ``name`` is inside ``root``, as an absolute host path.

    ``name`` is a path as seen from inside the root, with or without a leading slash.
    Links are followed as in a process that is chrooted into ``root``: an absolute target
    starts at the root, and ``..`` in a link stops there. Components that do not exist are
    kept. With ``follow_last`` false, a link in the last component is not followed.

    ``links`` maps symbolic links that do not exist yet to their targets, each by its path
    relative to ``root`` with all parents resolved; they hide what exists.

    Raises OutsideRoot for a name with ``..`` or a NUL, or a loop of links.
    """
    if "\0" in name or ".." in name.split("/"):
        raise OutsideRoot(f"the path {name!r} leads out of its root")
    base = os.fspath(root).rstrip("/")
    todo: List[str] = [part for part in name.split("/") if part not in ("", ".")][::-1]
    done: List[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == "..":
            done = done[:-1]
            continue
        target = None
        if todo or follow_last:
            here = "/".join((*done, part))
            target = links.get(here) if links else None
            target = _target(f"{base}/{here}") if target is None else target
        if target is not None:
            followed += 1
            if followed > _MAX_LINKS:
                raise OutsideRoot(
                    f"the path {name!r} in {root} leads back to itself by symbolic links",
                    hint="Replace the link that does so by the file or folder it stands for.")
            if target.startswith("/"):
                done = []
            todo.extend([p for p in target.split("/") if p not in ("", ".")][::-1])
            continue
        done.append(part)
    return Path(root, *done)


def relative_inside(root: Path, name: str, *, links: Mapping[str, str] = _NONE) -> str:
    """Return ``name`` as a path relative to ``root`` with all its parents resolved.

    A link in the last component is not followed. Two names of one entry, such as
    ``/lib/x`` and ``usr/lib/x`` where ``/lib`` is a link to ``usr/lib``, give the same
    result. ``links`` as in ``resolve_inside``.
    """
    where = resolve_inside(root, name, follow_last=False, links=links)
    return where.relative_to(root).as_posix()


def real_places(root: Path, names: Iterable[str]) -> Tuple[str, ...]:
    """Return ``names`` and the resolved path of each in ``root``, without duplicates.

    All are relative to ``root``. Every link is followed, also in the last component, so
    that a rule about ``var/lib/dnf`` also applies to ``usr/share/dnf`` where the first is a
    link to the second. A name that resolves to the root itself, or is a loop of links, adds
    no other path.
    """
    paths: List[str] = []
    known: Dict[str, bool] = {}
    for name in names:
        paths.append(name)
        if not _has_link(root, name, known):
            continue
        try:
            place = resolve_inside(root, name).relative_to(root).as_posix()
        except OutsideRoot:
            continue
        if place != ".":
            paths.append(place)
    return tuple(dict.fromkeys(paths))


def way_out(root: Path, name: str) -> str:
    """Return where ``root/name`` leads on this machine, if not where it leads in a chroot.

    ``name`` is relative to ``root``; the result is an absolute path of this machine, or
    empty where both lead to the same place. An absolute link, and one with more ``..``
    than it has folders above it, stay inside a chroot, but lead out of the root for a
    program outside of it.

    Raises OutsideRoot for a loop of links.
    """
    if not _has_link(root, name, {}):
        return ""
    top = os.path.realpath(root)
    there = os.path.realpath(f"{top}/{name}")
    inside = os.fspath(resolve_inside(Path(top), name))
    return "" if there == inside else there


def read_inside(root: Path, name: str, *, max_bytes: int = TEXT_BYTES,
                follow_last: bool = True) -> bytes:
    """Return the content of the regular file ``name`` inside ``root``.

    ``name`` is resolved as in ``resolve_inside``; with ``follow_last`` false, a link in the
    last component is refused.

    Raises OutsideRoot, NotRegular, TooLarge, and OSError from the system.
    """
    return read_regular(resolve_inside(root, name, follow_last=follow_last),
                        max_bytes=max_bytes)


def is_inside(path: str, folder: str) -> bool:
    """Return whether ``path`` is ``folder`` or below it; both relative, whole components."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def is_inside_any(path: str, folders: Iterable[str]) -> bool:
    """Return whether ``path`` is one of ``folders`` or below one; as ``is_inside``."""
    return any(is_inside(path, folder) for folder in folders)


def _has_link(root: Path, name: str, known: Dict[str, bool]) -> bool:
    """Return whether a component of ``name`` is a link; ``known`` is a cache by path."""
    path = os.fspath(root)
    for part in name.split("/"):
        path = f"{path}/{part}"
        if path not in known:
            known[path] = os.path.islink(path)
        if known[path]:
            return True
    return False


def _target(path: str) -> Optional[str]:
    """Return the target of the link at ``path``, None if it is not a link."""
    try:
        return os.readlink(path) if stat.S_ISLNK(os.lstat(path).st_mode) else None
    except OSError:
        return None
