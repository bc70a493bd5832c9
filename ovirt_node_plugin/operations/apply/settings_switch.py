"""Settings of all plugins of one installation, switched off and on in the books and the root.

All that goes is switched off before anything comes: what one plugin gives up another
one may take.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Tuple

from ...settings.engine.apply import chained
from ...settings.engine.kinds import DERIVED
from ...settings.engine.remake import Remake
from ...settings.engine.revert import Revert, do_revert, finish_revert, plan_revert
from ...settings.engine.upgrade import Upgrade, apply_upgrade
from ...settings.kit.model import Context
from ...undo.changes import EFFECTS, Applied, Change
from ..model.books import Books, effects_of, settings_of
from ..model.job import Job
from . import live


def planned_revert(upgrade: Upgrade, name: str, books: Books,
                context: Context) -> Revert:
    """Return how to undo the settings of a plugin that go with an upgrade; only reads."""
    effects = tuple(one for one in books.applied(name) if one.kind == EFFECTS)
    return plan_revert(
        upgrade.gone, {**books.others([name]), name: (*upgrade.kept, *effects)}, context.root)


def switch_off(job: Job, books: Books, notes: List[str]) -> Revert:
    """Put back the settings that go, and return what that was.

    Which ones is known from the plan; what they changed is not, as earlier jobs may
    have handed some of their changes over since.
    """
    stay = {(one.kind, one.key, one.value) for one in job.upgrade.kept}
    held = settings_of(books.applied(job.name))
    kept = tuple(one for one in held if (one.kind, one.key, one.value) in stay)
    gone = tuple(one for one in held if (one.kind, one.key, one.value) not in stay)
    revert = planned_revert(replace(job.upgrade, kept=kept, gone=gone), job.name, books,
                            job.context)
    notes.extend(live.switch_off(revert, job.context))
    do_revert(revert, job.context)
    effects = tuple(one for one in books.applied(job.name) if one.kind == EFFECTS)
    books.take({job.name: (*kept, *effects)})
    books.take(revert.handed)
    return revert


def finish_off(job: Job, revert: Revert, books: Books) -> None:
    """Put back what had to wait until the packages are gone, but what is made again.

    To be called for all plugins before ``switch_on`` for any: a folder that goes may
    be one that another plugin's settings are about to need, and then make their own.
    """
    books.take(finish_revert(replace(revert, remake=()), books.others(()),
                                    job.context).handed)


def switch_on(job: Job, books: Books, more: Sequence[Change]) -> None:
    """Bring a plugin's settings in the books, and its effects, to those of its new version.

    ``more`` are the effects that the transaction adds.
    All but what is derived from those of several plugins.
    """
    applied = apply_upgrade(job.upgrade, job.context, kept=books.applied(job.name),
                                   others=books.others([job.name]), derived=False)
    left = chained(effects_of(applied), more)
    applied = settings_of(applied)
    if left:
        applied = (*applied, Applied(kind=EFFECTS, key="", value="", before="", changes=left))
    books.take({job.name: applied})


def _joined(reverts: Sequence[Revert]) -> Tuple[Remake, ...]:
    """Return what is made again, each but once.

    Only the first revert knows the state of a path before any plugin: the others are planned
    when the first plugin is no longer in the books, and lack its part of the path's history.
    """
    found: Dict[Tuple[str, str], Remake] = {}
    for one in (one for revert in reverts for one in revert.remake):
        first = found.get((one.kind, one.key))
        found[one.kind, one.key] = one if first is None else replace(
            first, gone=(*first.gone, *one.gone), bases={**one.bases, **first.bases},
            drifted=(*first.drifted, *(path for path in one.drifted
                                       if path not in first.bases)))
    order = list(DERIVED)  # what is made of others comes after them
    return tuple(found[key] for key in sorted(
        found, key=lambda key: (order.index(key[0]), key[1])))


def make_again(jobs: Sequence[Job], reverts: Sequence[Revert], books: Books) -> None:
    """Bring what is derived, when all else of all plugins is on: so it is made but once."""
    rest = Revert((), {}, remake=_joined(reverts))
    books.take(finish_revert(rest, books.others(()), jobs[0].context).handed)
    for job in jobs:
        books.take({job.name: apply_upgrade(
            job.upgrade, job.context, kept=books.applied(job.name),
            others=books.others([job.name]), derived=True)})
