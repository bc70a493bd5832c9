"""Remove plugins: settings back, packages that nobody else needs gone, record gone."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Sequence, Set, Tuple

from .. import journal, registry
from ..packages.session import PackageChange, Request, Session
from ..record import Record
from ..run import Runner
from ..settings import engine, module_index
from ..settings.model import Context
from . import change, effects
from .books import Books, effects_of, settings_of
from .results import REMOVE, Plan, PluginAction


@dataclass(frozen=True)
class Removal:
    """A plan, and all that is needed to carry it out.

    ``keepers`` are plugins that stay and keep a package of those that go, or came
    in the same transaction: what scriptlets did may be theirs too.
    """

    plan: Plan
    records: Tuple[Record, ...]
    books: Books
    revert: engine.Revert
    keepers: Tuple[str, ...]


def plan(names: Sequence[str], session: Session, *, keep_modified: bool) -> Removal:
    """Return what removing the plugins ``names`` would do; change nothing.

    Raises UnknownPlugin for one that is not installed, and Drifted where
    somebody changed a file that would be put back, unless ``keep_modified``.
    """
    target = session.target
    books = Books(target.root)
    records = tuple(books.record(name) for name in dict.fromkeys(names))
    gone = {record.name for record in records}
    mine = [one for record in records for one in settings_of(books.applied(record.name))]
    revert = engine.plan_revert(mine, books.others(gone), target.root,
                                keep_modified=keep_modified)
    going, needed = _packages(records, books, session)
    packages: Tuple[PackageChange, ...] = ()
    if going:
        packages = session.solve(Request(subject="removing " + ", ".join(sorted(gone)),
                                         erases=going))
    notes = [f"{nevra} stays: {other} needs it." for nevra, other in sorted(needed.items())]
    shown = Plan("remove", target, tuple(_told(record, going) for record in records), packages,
                 session.table(), (*notes, *revert.notes))
    return Removal(shown, records, books, revert, _keepers(records, books))


def carry_out(ready: Removal, session: Session, *, displays: Sequence[Any],
              run: Runner) -> Tuple[str, ...]:
    """Do what ``ready`` says, with a journal around it; return lines for people.

    Raises RolledBack if it fails.
    """
    root, books, packages = session.target.root, ready.books, ready.plan.packages
    names = tuple(record.name for record in ready.records)
    mine = [one for name in names for one in books.applied(name)]
    left = effects_of(mine)
    kernels = {one.key for one in mine if one.kind == module_index.KIND.name}
    what = change.scope(session.target, packages, records=books.records,
                        kernels=kernels | set(change.kernels_of(packages)),
                        changes=[one for applied in mine for one in applied.changes])
    context = Context(root=root, plugin=names[0], files={}, run=run)
    with change.journaled(session, journal.Intent("remove", names, change.TOOL), what):
        engine.do_revert(ready.revert, context)
        books.take(ready.revert.handed)
        before = effects.states(left, root)
        if packages:
            change.run_packages(session, displays)
        undone = effects.undo(left, before, books, names, context, keepers=ready.keepers)
        books.take(undone.handed)
        finished = [engine.finish_revert(ready.revert, books.others(names), context)]
        books.take(finished[0].handed)
        finished.append(engine.finish_revert(undone, books.others(names), context))
        books.take(finished[1].handed)
        if not ready.keepers:
            effects.inherit_folders(left, books, session, names)
        books.part(names)
        books.save_touched(without=names)
        for name in names:
            registry.forget(root, name)
    return (*undone.notes, *(note for one in finished for note in one.notes))


def _packages(records: Sequence[Record], books: Books,
              session: Session) -> Tuple[Tuple[str, ...], Dict[str, str]]:
    """Return the NEVRAs that go, and who needs each of those that stay."""
    gone = {record.name for record in records}
    shared: Dict[str, str] = {}
    for name, record in books.records.items():
        if name not in gone:
            shared.update({package.nevra: f"plugin {name}" for package in record.packages})
    mine: Set[str] = {package.nevra for record in records for package in record.packages}
    going, needed = session.removable(mine - set(shared))
    return going, {**needed, **{nevra: shared[nevra] for nevra in mine & set(shared)}}


def _keepers(records: Sequence[Record], books: Books) -> Tuple[str, ...]:
    gone = {record.name for record in records}
    mine = {package.nevra for record in records for package in record.packages}
    return tuple(name for name, record in books.records.items() if name not in gone
                 and (gone & set(record.together)
                      or any(package.nevra in mine for package in record.packages)))


def _told(record: Record, going: Sequence[str]) -> PluginAction:
    return PluginAction(
        REMOVE, record.name, "", record.version, record.vendor, record.summary, record.source,
        tuple(one.nevra for one in record.packages if one.nevra in going),
        off=tuple(f"undo {engine.text_of(one)}" for one in record.settings))
