"""The module trees of a root: a folder of modules and their index for each kernel."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterable, List, Mapping, NamedTuple, Tuple

from ...errors import OutsideRoot
from ...system.paths import is_inside_any, resolve_inside

_FOLDERS = ("usr/lib/modules", "lib/modules")
# The entries of a module tree, other than modules.*, that belong to the kernel.
_KERNEL_OWN = ("build", "kernel", "source", "vdso")
# What a package of a kernel has, and one with other modules only has not.
_OF_KERNEL = ("kernel", "modules.builtin", "modules.order", "vmlinuz")


class TreeScope(NamedTuple):
    """Paths for ``journal.Scope``, relative to the root."""

    trees: Tuple[str, ...]
    bare: Tuple[str, ...]


def folders(root: Path) -> Tuple[str, ...]:
    """Return the folders of ``root`` in which module trees are, relative to it, links resolved."""
    places: List[str] = []
    for name in _FOLDERS:
        with contextlib.suppress(OutsideRoot):
            where = resolve_inside(root, name)
            if where != root and where.is_dir():
                places.append(where.relative_to(root).as_posix())
    return tuple(dict.fromkeys(places))


def trees(root: Path) -> Mapping[str, str]:
    """Return the module trees of ``root``, relative to it, by version; some have no kernel.

    A link is none: it could lead out of the root.
    """
    by_version = {entry.name: f"{place}/{entry.name}" for place in reversed(folders(root))
                  for entry in os.scandir(root / place) if entry.is_dir(follow_symlinks=False)}
    return dict(sorted(by_version.items()))


def kernels(root: Path) -> Mapping[str, str]:
    """Return the module trees of the kernels of ``root``, as ``trees`` does."""
    return {version: tree for version, tree in trees(root).items()
            if any(os.path.lexists(root / tree / name) for name in _OF_KERNEL)}


def version_of(path: str, places: Iterable[str]) -> str:
    """Return the version to whose module tree ``path`` belongs, empty if it belongs to none.

    ``path`` is relative to the root, ``places`` are its ``folders``.
    """
    for place in places:
        if path.startswith(f"{place}/"):
            version, slash, _ = path[len(place) + 1:].partition("/")
            return version if slash else ""
    return ""


def added(tree: Path) -> List[str]:
    """Return the names of the folders of a module tree that no package of a kernel has, sorted.

    These are extra, updates and weak-updates of depmod.d(5), and those of vendors. A link in
    place of one counts.
    """
    return sorted(entry.name for entry in os.scandir(tree)
                  if entry.name not in _KERNEL_OWN and not entry.is_file(follow_symlinks=False))


def tree_scope(root: Path, files: Iterable[str], *, whole: bool = False) -> TreeScope:
    """Return the module trees as a part of a journal's scope.

    ``files`` are the absolute paths of packages that change. If there are modules among them, or
    if ``whole``, their scriptlets may change anything in a tree, and all of it is saved. Otherwise
    the modules of the kernels' own packages are not saved: they are large, and hardly anything
    changes them.
    """
    places = folders(root)
    if whole or any(is_inside_any(path.lstrip("/"), _FOLDERS) for path in files):
        return TreeScope(places, ())
    return TreeScope(tuple(
        f"{tree}/{name}" for tree in trees(root).values()
        for name in sorted({*added(root / tree), *(
            name for name in os.listdir(root / tree) if name.startswith("modules."))})), places)
