"""What deserves a review in packages: rights, devices, drop-ins, same names, scriptlets."""
from __future__ import annotations

import re
import stat
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import DefaultDict, FrozenSet, Iterator, List, Sequence, Tuple

from ...errors import OutsideRoot
from ...packages.headers import PackedFile
from ...packages.session import PackageChange
from ...policy.path_rules import PathPolicy, RuleMatch
from ...settings.modules.module_index import kernel_modules, module_name
from ...system.paths import resolve_inside
from ...system.trees import stat_of
from ..model.results import (
    CAPABILITIES,
    DEVICE,
    DRIVER,
    DROP_IN,
    NAMESAKE,
    NOT_UPDATED,
    SCRIPTLETS,
    SETGID,
    SETUID,
    WRITABLE,
    Notable,
)
from .active_paths import active_paths
from .arriving import Arrivals, Arriving

_ORDER = (SETUID, SETGID, CAPABILITIES, DEVICE, WRITABLE, DRIVER, NAMESAKE, DROP_IN,
          NOT_UPDATED)
# Where a shell looks for programs; which is first differs between users and services.
_PROGRAMS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
# What Python imports by a name: a file, an extension, or a folder with an __init__.
_IMPORTED = re.compile(
    r"usr/lib(?:64)?/(python[0-9][^/]*)/(?:site-packages/)?([^/.]+)"
    r"(?:/__init__)?(?:\.[^/]*)?\.(?:pyc?|so)")


def noteworthy(arrivals: Arrivals, others: Sequence[Notable] = ()) -> Tuple[Notable, ...]:
    """Return what deserves a review in the packages that arrive and are fetched.

    Files are judged by their place, with the links of the root and of the packages
    followed. The result also has ``others``, and is sorted by package, then by kind and path;
    the scriptlets of a package come last.
    """
    root = arrivals.root
    entries = [entry for entry in arrivals.entries if entry.file is not None]
    system = _System(
        root, modules=kernel_modules(root),
        arriving=frozenset(place for entry in entries for place in entry.places),
        active=active_paths(root, arrivals.links))
    notables: DefaultDict[str, List[Notable]] = defaultdict(list)
    for entry in entries:
        notables[entry.change.nevra] += _entry(entry, system)
    for notable in others:
        notables[notable.package].append(notable)
    return tuple(notable for change in arrivals.packages
                 for notable in _of_package(change, notables[change.nevra]))


@dataclass(frozen=True)
class _System:
    """A root, the modules of its kernels, all places of arriving files, and the active paths."""

    root: Path
    modules: FrozenSet[str]
    arriving: FrozenSet[str]
    active: PathPolicy


def _of_package(change: PackageChange, notables: Sequence[Notable]) -> Iterator[Notable]:
    yield from sorted(notables, key=lambda notable: (_ORDER.index(notable.kind), notable.path))
    if change.header is not None and change.header.scriptlets:
        yield Notable(change.nevra, SCRIPTLETS, "", ", ".join(change.header.scriptlets))


def _entry(entry: Arriving, system: _System) -> Iterator[Notable]:
    file, nevra = entry.file, entry.change.nevra
    if file is None:
        return
    yield from _rights(nevra, file)
    if file.is_folder or file.ghost:
        return
    matches = [(place, match) for place in entry.places
               for match in [system.active.deciding(place, folder=False)] if match is not None]
    if matches:
        yield Notable(nevra, DROP_IN, file.path, _detail(file.path, *matches[-1]))
    for name in dict.fromkeys(map(module_name, entry.places)):
        if name in system.modules:
            yield Notable(nevra, DRIVER, file.path, name)
    others = dict.fromkeys(other for place in entry.places
                           for other in _namesakes(place, system.root)
                           if other not in system.arriving)
    if others:
        yield Notable(nevra, NAMESAKE, file.path, ", ".join(f"/{other}" for other in others))


def _detail(path: str, place: str, match: RuleMatch) -> str:
    """Return how the file ``path`` at ``place`` is active, if that is not plain."""
    if match.above:
        return f"on the way to /{match.rule.path}"
    if match.place != match.rule.path:
        return f"read through /{match.rule.path}"
    return "" if f"/{place}" in (path, f"/usr{path}") else f"that is /{place}"


def _rights(nevra: str, file: PackedFile) -> Iterator[Notable]:
    owner = f"mode {stat.S_IMODE(file.mode):04o}, {file.owner}:{file.group}"
    if file.is_regular and file.mode & stat.S_ISUID:
        yield Notable(nevra, SETUID, file.path, owner)
    if file.is_regular and file.mode & stat.S_ISGID:
        yield Notable(nevra, SETGID, file.path, owner)
    if file.capabilities:
        yield Notable(nevra, CAPABILITIES, file.path, file.capabilities)
    if stat.S_ISCHR(file.mode) or stat.S_ISBLK(file.mode):
        yield Notable(nevra, DEVICE, file.path, owner)
    sticky_folder = file.is_folder and file.mode & stat.S_ISVTX
    if file.mode & stat.S_IWOTH and not stat.S_ISLNK(file.mode) and not sticky_folder:
        yield Notable(nevra, WRITABLE, file.path, owner)


def _namesakes(place: str, root: Path) -> List[str]:
    """Return the files of ``root`` that a program or Python module at ``place`` may hide.

    These are programs and Python modules of the same name in other folders that are
    searched for them. All paths are relative to the root.
    """
    folder, _, name = place.rpartition("/")
    module = _IMPORTED.fullmatch(place)
    candidates: List[str] = []
    if folder in _PROGRAMS:
        candidates = [f"{other}/{name}" for other in _PROGRAMS]
    elif module:
        candidates = [f"usr/{lib}/{module.group(1)}{below}/{module.group(2)}{end}"
                      for lib in ("lib64", "lib") for below in ("", "/site-packages")
                      for end in (".py", "/__init__.py")]
    return [path for path in candidates if path != place and _is_there(root, path)]


def _is_there(root: Path, place: str) -> bool:
    """Return whether an entry exists at ``place`` without a link to a folder in its path."""
    try:
        where = resolve_inside(root, place, follow_last=False)
    except OutsideRoot:
        return False
    return where == root / place and stat_of(where) is not None
