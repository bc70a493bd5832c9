"""What a change would do to the running system besides its files, where that is the root."""
from __future__ import annotations

from typing import Sequence, Tuple

from ...packages.session import PackageChange
from ...registry.record import Record
from ...settings import engine
from ...settings.engine import live
from ...settings.kit.model import Context
from ...settings.services import package_units
from ...target import Target
from ..model.books import Books
from ..model.job import Job
from ..model.paths_gone import paths_gone


def notes(target: Target) -> Tuple[str, ...]:
    """Return a line if the root runs, but nothing can take effect in it now."""
    return (live.NOT_BOOTED,) if target.live and not live.is_live(target.root) else ()


def planned(job: Job) -> Tuple[str, ...]:
    """Return what installing one plugin does to the running system, in order."""
    return (*live.plan_off(job.revert.live, job.context),
            *live.plan_on([*job.upgrade.fresh, *job.upgrade.refreshed], job.context))


def planned_off(record: Record, revert: engine.Revert, books: Books,
                packages: Sequence[PackageChange], context: Context) -> Tuple[str, ...]:
    """Return what removing one plugin does to the running system, in order."""
    mine = books.applied(record.name)
    lines = live.plan_off([one for one in revert.live if one in mine], context)
    nevras = {one.nevra for one in record.packages}
    units = package_units.running(
        paths_gone([one for one in packages if one.nevra in nevras]), context)
    return tuple(dict.fromkeys((*lines, *(f"stop service {unit} now" for unit in units))))
