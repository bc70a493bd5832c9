"""The units that scriptlets put into place: who expects them, and whether they are there."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from ...packages.contents import resolved_paths
from ...packages.session import PackageChange
from ...settings.engine.ledger import Ledger
from ...settings.kit.model import Wanted
from ...settings.services import scriptlet_units
from ...settings.services.unit_links import UNITS, find_unit
from ...system.words import first_names
from ...undo.changes import Change
from ..model.jobs import Job

_MOST_PACKAGES = 5


def owners(jobs: Sequence[Job]) -> Dict[str, str]:
    """Return the plugin that expects a unit, by each path at which that may be."""
    plugins: Dict[str, str] = {}
    for job in jobs:
        for item in scriptlet_units.expected(job.upgrade.order):
            for path in scriptlet_units.places(item.key):
                plugins.setdefault(path, job.name)
    return plugins


def absent(jobs: Sequence[Job]) -> List[str]:
    """Return a path for each unit that is expected and does not exist yet."""
    return [f"{UNITS}/{item.key}" for job in jobs
            for item in scriptlet_units.expected(job.upgrade.order)
            if find_unit(item.key, job.context) is None]


def replaced(jobs: Sequence[Job], packages: Sequence[PackageChange], root: Path) -> Set[str]:
    """Return the paths of expected units at which a package that leaves has a file.

    A package that arrives has none there.
    """
    units = owners(jobs)
    if not units:
        return set()
    leaving, arriving = (resolved_paths((change for change in packages
                                         if change.arrives == arrives), root)
                         for arrives in (False, True))
    return leaving.difference(arriving).intersection(units)


def counted_as_new(units: Set[str], effects: Sequence[Change], jobs: Sequence[Job],
                   ledger: Ledger) -> Tuple[Change, ...]:
    """Return ``effects``, those at the paths ``units`` as changes of what scriptlets left there.

    That is nothing, if no scriptlet of an earlier version did: a removal of the plugin does not
    bring back the file of the former package.
    """
    plugins = owners(jobs) if units else {}
    left = {(plugin, change.path): change.after for plugin in set(plugins.values())
            for change in ledger.state(plugin).effects}
    return tuple(replace(change, before=left.get((plugins[change.path], change.path)))
                 if change.path in units else change for change in effects)


def without_lost(old: Sequence[Change], new: Sequence[Change],
                 jobs: Sequence[Job]) -> Tuple[Change, ...]:
    """Return ``old`` without the changes that made an expected unit which ``new`` makes again.

    The unit was lost in between, as before a repair.
    """
    units = owners(jobs)
    again = {change.path for change in new if change.path in units and change.before is None}
    return tuple(change for change in old
                 if change.path not in again or change.before is not None)


def judged(jobs: Sequence[Job], shares: Mapping[str, Sequence[Change]], ledger: Ledger,
           packages: Sequence[PackageChange]) -> Tuple[Job, ...]:
    """Return ``jobs`` with the expected units among their files, so that the same rules apply.

    ``shares`` are the changes of scriptlets, by plugin. Raises Refused for a unit that is not
    there, or not as it has to be.
    """
    return tuple(_judged(job, [*shares[job.name], *ledger.state(job.name).effects],
                         _scriptlets(job, packages))
                 if scriptlet_units.expected(job.upgrade.order) else job for job in jobs)


def _judged(job: Job, changes: Sequence[Change], scriptlets: str) -> Job:
    made = {change.path for change in changes if change.after is not None}
    files = dict(job.context.files)
    kept: List[Wanted] = []  # the unit may be in another place now
    for item in scriptlet_units.expected(job.upgrade.order):
        path, mode = scriptlet_units.find(item, job.context, made, scriptlets)
        files[f"/{path}"] = mode
        if item not in job.upgrade.fresh and item not in job.upgrade.refreshed:
            kept.append(item)
    return replace(job, context=replace(job.context, files=files), upgrade=replace(
        job.upgrade, refreshed=(*job.upgrade.refreshed, *kept)))


def _scriptlets(job: Job, packages: Sequence[PackageChange]) -> str:
    """Return words for the packages whose scriptlets ran, and for a unit that rpm removed."""
    ran = [change.nevra for change in packages if change.arrives and change.nevra in job.packages
           and change.header is not None and change.header.scriptlets]
    if not ran:
        return "none of the packages that were installed has scriptlets"
    removed = replaced([job], packages, job.context.root)
    return f"scriptlets of {first_names(ran, _MOST_PACKAGES)} ran" + (
        "; rpm removed the unit of the former package after %post, so %posttrans has to put the"
        " new one into place" if removed else "")
