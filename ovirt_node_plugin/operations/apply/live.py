"""What a change does to the running system besides its files, where that is the root."""
from __future__ import annotations

from typing import Iterable, Sequence, Tuple

from ...packages.session import PackageChange
from ...settings.engine import live, rereading
from ...settings.engine.ledger import Ledger
from ...settings.engine.revert import Revert
from ...settings.kit.model import Context
from ...settings.services import package_units
from ...undo.changes import Applied, Change
from ..model.job import Job
from ..model.paths_gone import paths_gone


def switch_on(jobs: Sequence[Job], revert: Revert, packages: Sequence[PackageChange],
              ledger: Ledger) -> Tuple[str, ...]:
    """Let what was written take effect, all plugins at once, and keep what was before.

    Returns lines for people.

    Raises CommandError or Refused where the running system cannot be brought to that.
    """
    ctx = jobs[0].context
    if not ctx.live:
        return ()
    new = {(job.name, item.kind, item.key) for job in jobs
           for item in (*job.upgrade.fresh, *job.upgrade.refreshed)}
    changed = {holder: applied for holder, applied in ledger.settings()
               if (holder.plugin, applied.kind, applied.key) in new}
    restored = [change.path for change in revert.restore]
    remade = [path for planned in revert.remake for path in planned.bases]
    _read_again(changed.values(), packages, ctx, paths=(*restored, *remade))
    notes = live.switch_off(revert.live, ctx, late=True)
    for holder, applied in zip(changed, live.switch_on(tuple(changed.values()), ctx)):
        ledger.replace(holder, applied)
    return notes


def expect(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Keep that units which ``packages`` are about to bring do not run yet.

    Their scriptlets may start them. To be called within the root's journal.
    """
    package_units.expect((path for one in packages if one.action != "remove"
                          for path in one.files), ctx)


def stop_units(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Stop what still runs of ``packages`` that are about to go."""
    package_units.stop(paths_gone(packages), ctx)


def read_again(gone: Sequence[Change], packages: Sequence[PackageChange],
               revert: Revert, ctx: Context) -> Tuple[str, ...]:
    """Bring the running system to what is there when ``gone`` and ``packages`` are not."""
    _read_again((), packages, ctx, paths=[change.path for change in gone])
    return live.switch_off(revert.live, ctx, late=True)


def _read_again(applied: Iterable[Applied], packages: Sequence[PackageChange], ctx: Context, *,
                paths: Sequence[str]) -> None:
    changed = [*paths, *(change.path for one in applied for change in one.changes),
               *(path for package in packages for path in package.files)]
    rereading.read_again(rereading.to_read_again(changed, ctx.root), ctx)
