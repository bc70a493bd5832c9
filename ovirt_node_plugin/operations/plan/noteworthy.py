"""What of a package deserves a look: rights, devices, drop-ins, scriptlets and their effects."""
from __future__ import annotations

import stat
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, DefaultDict, Dict, FrozenSet, Iterator, List, Sequence, Tuple

from ...packages.headers import PackedFile
from ...packages.session import PackageChange
from ...policy.path_rules import PathPolicy, PathRule
from ...system import path_sets
from ...system.trees import folders_above
from ...system.words import first_names
from ...undo.changes import Change
from ..model.results import (
    CAPABILITIES,
    DEVICE,
    DRIVER,
    DROP_IN,
    NAMESAKE,
    SCRIPTLETS,
    SETGID,
    SETUID,
    WRITABLE,
    Notable,
)
from .arriving import Arrivals, Arriving
from .namesakes import driver, kernel_drivers, namesakes

_MOST_PATHS = 8  # that a line names


def noteworthy(arrivals: Arrivals) -> Tuple[Notable, ...]:
    """Return what deserves a review in the packages that arrive and are fetched.

    The place of a file counts, by the links of the root and of the packages. Sorted by
    package, then by kind and path; the scriptlets of a package come last.
    """
    root = arrivals.root
    entries = [entry for entry in arrivals.entries if entry.file is not None]
    system = _System(
        root, drivers=kernel_drivers(root),
        coming=frozenset(place for entry in entries for place in entry.places),
        drop_ins=PathPolicy([PathRule(path, True) for path in path_sets.DROP_INS], root=root))
    notables: DefaultDict[str, List[Notable]] = defaultdict(list)
    for entry in entries:
        notables[entry.change.nevra] += _entry(entry, system)
    return tuple(notable for change in arrivals.packages
                 for notable in _of_package(change, notables[change.nevra]))


def left_by_scriptlets(effects: Sequence[Change], owned: Collection[str]) -> List[str]:
    """Return a line that names what scriptlets made or changed outside the packages.

    ``effects`` are what comparing the root before and after the transaction found;
    ``owned`` the paths, relative to the root, of the packages' files: rpm makes the
    folders that these lie in.
    """
    made = {folder for path in owned for folder in folders_above(path)}
    words = {(False, True): "made", (True, True): "changed", (True, False): "removed"}
    found: Dict[str, List[str]] = {}
    for change in sorted(effects, key=lambda one: one.path):
        word = words.get((change.before is not None, change.after is not None), "")
        if word and not (word == "made" and change.path in made):
            found.setdefault(word, []).append(f"/{change.path}")
    return [f"Scriptlets {word} {first_names(paths, _MOST_PATHS)}."
            for word, paths in found.items()]


@dataclass(frozen=True)
class _System:
    """A root, the modules of its kernels, every place to which files come, and the drop-ins."""

    root: Path
    drivers: FrozenSet[str]
    coming: FrozenSet[str]
    drop_ins: PathPolicy


def _of_package(change: PackageChange, notables: Sequence[Notable]) -> Iterator[Notable]:
    order = (SETUID, SETGID, CAPABILITIES, DEVICE, WRITABLE, DRIVER, NAMESAKE, DROP_IN)
    yield from sorted(notables, key=lambda notable: (order.index(notable.kind), notable.path))
    if change.header is not None and change.header.scriptlets:
        yield Notable(change.nevra, SCRIPTLETS, "", ", ".join(change.header.scriptlets))


def _entry(entry: Arriving, system: _System) -> Iterator[Notable]:
    file, nevra = entry.file, entry.change.nevra
    if file is None:
        return
    yield from _rights(nevra, file)
    if file.is_folder or file.ghost:
        return
    effective = [place for place in entry.places if not system.drop_ins.objection(place)]
    if effective:
        place = f"/{effective[-1]}"
        yield Notable(nevra, DROP_IN, file.path,
                      "" if place in (file.path, f"/usr{file.path}") else f"that is {place}")
    names = dict.fromkeys(driver(place) for place in entry.places)
    yield from (Notable(nevra, DRIVER, file.path, name) for name in names
                if name in system.drivers)
    others = dict.fromkeys(other for place in entry.places
                           for other in namesakes(place, system.root)
                           if other not in system.coming)
    if others:
        yield Notable(nevra, NAMESAKE, file.path, ", ".join(f"/{other}" for other in others))


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
