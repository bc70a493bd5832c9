"""Compare the plugins of a root with those of the root that is to replace it."""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, FrozenSet, Iterator, Optional, Tuple

from ..compare.packages import read_packages
from ..registry.record import Record
from ..registry.store import Registry
from ..system.rpm_version import compare
from ..system.run import Runner
from ..target import read_target

SAME, NEWER, OLDER, MISSING, BROKEN = "same", "newer", "older", "missing", "broken"
"""What another root has of a plugin, by the versions in the records. BROKEN is a plugin whose
record there is damaged, or names a package that is not in the rpm database there."""
SURVIVING = (SAME, NEWER)
"""The states of plugins that the other root has, complete, in this version or a newer one."""


@dataclass(frozen=True)
class Fate:
    """What becomes of the plugin ``name`` when another root replaces its root.

    ``old_version`` is the recorded version, empty if the record is damaged; ``new_version`` is
    that in the other root, empty if it is missing or damaged there. ``problems`` say why the
    plugin is BROKEN; ``notes`` are for people and do not count against it.
    """

    name: str
    old_version: str
    new_version: str
    state: str
    problems: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()

    @property
    def survives(self) -> bool:
        """Whether the plugin is in one of the states SURVIVING."""
        return self.state in SURVIVING


def fates(old: Registry, new: Registry, nevras: Collection[str]) -> Tuple[Fate, ...]:
    """Return the fate of every plugin in the registry ``old``, sorted by name.

    ``new`` is the registry of the other root, and ``nevras`` are the packages in its rpm
    database. A plugin whose version here is unknown, as its record is damaged, counts as older.
    """
    return tuple(_fate(name, old, new, nevras) for name in sorted({*old.records, *old.damaged}))


def read_nevras(root: Path, *, run: Runner) -> FrozenSet[str]:
    """Return the NEVRAs in the rpm database of ``root``, as records have them.

    rpm locks the database even to read it, so ``root`` has to be writable, such as an overlay.
    Raises BadRoot for a root without a database, and BadImage for a damaged one.
    """
    return frozenset(package.nevra for package in read_packages(root, read_target(root), run=run))


def _fate(name: str, old: Registry, new: Registry, nevras: Collection[str]) -> Fate:
    before, after = old.records.get(name), new.records.get(name)
    fate = Fate(name, before.version if before is not None else "",
                after.version if after is not None else "", MISSING,
                notes=tuple(_notes(name, old, after)))
    if name in new.damaged:
        return replace(fate, state=BROKEN, problems=(new.damaged[name],))
    if after is None:
        return fate
    problems = tuple(f"package {nevra} of its record is not installed"
                     for nevra in after.nevras if nevra not in nevras)
    if problems:
        return replace(fate, state=BROKEN, problems=problems)
    return replace(fate, state=_by_version(fate.old_version, fate.new_version))


def _by_version(old: str, new: str) -> str:
    order = compare(new, old) if old else 1
    return SAME if order == 0 else NEWER if order > 0 else OLDER


def _notes(name: str, old: Registry, after: Optional[Record]) -> Iterator[str]:
    before = old.records.get(name)
    if before is None:
        yield f"its record here is damaged: {old.damaged[name]}"
    elif after is not None and not before.accepts_origin(after.origin, after.source):
        yield (f"its origin changes from {before.origin.text()} to {after.origin.text()}; another"
               " vendor's plugin may have the same name")
