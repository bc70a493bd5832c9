"""What a change does to the running system besides its files, if that is the root."""
from __future__ import annotations

from typing import Iterable, Sequence, Tuple

from ...packages.session import PackageChange
from ...settings.engine import live, rereading
from ...settings.engine.ledger import Ledger
from ...settings.engine.revert import Revert
from ...settings.kit.model import Context
from ...undo.changes import Change
from ..model.jobs import Job
from . import expected_units


def switch_on(jobs: Sequence[Job], revert: Revert, packages: Sequence[PackageChange],
              ledger: Ledger) -> Tuple[str, ...]:
    """Make the settings of all plugins live, and keep the states before in ``ledger``.

    Returns lines for people. Raises CommandError or Refused if the running system cannot be
    brought to that state.
    """
    ctx = jobs[0].context
    if not ctx.live:
        return ()
    new = {(job.name, item.kind, item.key) for job in jobs
           for item in (*job.upgrade.fresh, *job.upgrade.refreshed)}
    changed = {holder: applied for holder, applied in ledger.settings()
               if (holder.plugin, applied.kind, applied.key) in new}
    changes = (*revert.restore, *(change for applied in changed.values()
                                  for change in applied.changes))
    rebuilt = (path for removal in revert.rebuild for path in removal.bases)
    units = expected_units.owners(jobs)
    notes = read_again(changes, packages, revert, ctx, paths=[*rebuilt, *units])
    for holder, applied in zip(changed, live.switch_on(tuple(changed.values()), ctx)):
        ledger.put(holder.plugin, applied)
    return notes


def read_again(changes: Iterable[Change], packages: Iterable[PackageChange], revert: Revert,
               ctx: Context, *, paths: Iterable[str] = ()) -> Tuple[str, ...]:
    """Reload what changed in the running system, and undo live settings that need no files.

    What changed are the paths of ``changes``, the files of ``packages`` and ``paths``.
    Returns lines for people.
    """
    changed = [*paths, *(change.path for change in changes),
               *(path for package in packages for path in package.files)]
    rereading.read_again(rereading.to_read_again(changed, ctx.root), ctx)
    return live.switch_off(revert.live, ctx, late=True)
