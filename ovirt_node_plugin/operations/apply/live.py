"""What a change does to the running system besides its files, where that is the root."""
from __future__ import annotations

from typing import Iterable, List, Sequence, Tuple

from ...packages.session import PackageChange
from ...settings.engine import live, rereading
from ...settings.engine.revert import Revert
from ...settings.kit.model import Context
from ...settings.services import package_units
from ...undo.changes import Applied
from ..model.books import Books
from ..model.job import Job
from ..model.paths_gone import paths_gone


def switch_on(jobs: Sequence[Job], reverts: Sequence[Revert],
              packages: Sequence[PackageChange], books: Books) -> Tuple[str, ...]:
    """Let what was written take effect, all plugins at once, and keep what was before.

    Returns lines for people.

    Raises CommandError or Refused where the running system cannot be brought to that.
    """
    ctx = jobs[0].context
    if not ctx.live:
        return ()
    applied = {job.name: books.applied(job.name) for job in jobs}
    changed = [one for job in jobs for one in applied[job.name] if _is_new(one, job)]
    restored = [change.path for revert in reverts for change in revert.restore]
    restored += [path for revert in reverts for one in revert.remake for path in one.bases]
    _read_again(changed, [*restored], packages, ctx)
    told = [note for revert in reverts for note in live.switch_off(revert.live, ctx, late=True)]
    found = dict(zip(map(id, changed), live.switch_on(changed, ctx)))
    books.take({name: tuple(found.get(id(one), one) for one in its)
                for name, its in applied.items()})
    return tuple(told)


def expect(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Keep that units which ``packages`` are about to bring do not run yet.

    Their scriptlets may start them. To be called within the root's journal.
    """
    package_units.expect((path for one in packages if one.action != "remove"
                          for path in one.files), ctx)


def switch_off(revert: Revert, ctx: Context) -> Tuple[str, ...]:
    """Undo, before the files go, what settings did to the running system; return lines."""
    return live.switch_off(revert.live, ctx)


def stop_units(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Stop what still runs of ``packages`` that are about to go."""
    package_units.stop(paths_gone(packages), ctx)


def read_again(gone: Sequence[Applied], packages: Sequence[PackageChange],
               revert: Revert, ctx: Context) -> Tuple[str, ...]:
    """Bring the running system to what is there when ``gone`` and ``packages`` are not."""
    _read_again(gone, [], packages, ctx)
    return live.switch_off(revert.live, ctx, late=True)


def _read_again(applied: Iterable[Applied], paths: List[str],
                packages: Sequence[PackageChange], ctx: Context) -> None:
    paths += [change.path for one in applied for change in one.changes]
    paths += [path for one in packages for path in one.files]
    rereading.read_again(rereading.to_read_again(paths, ctx.root), ctx)


def _is_new(one: Applied, job: Job) -> bool:
    key = one.kind, one.key
    return any((item.kind, item.key) == key
               for item in (*job.upgrade.fresh, *job.upgrade.refreshed))
