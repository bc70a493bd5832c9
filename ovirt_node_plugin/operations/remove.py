"""Remove plugins: settings back, packages that nobody else needs gone, record gone."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Sequence, Set, Tuple

from ..packages.session import PackageChange, Request, Session
from ..registry import store
from ..registry.inventory import Delta
from ..registry.record import Record
from ..settings.engine.kinds import replaced_files, replaced_folders
from ..settings.engine.live import is_live, switch_off
from ..settings.engine.revert import Revert, do_revert, finish_revert, plan_revert
from ..settings.kit.model import Context
from ..settings.modules import module_index
from ..system.run import Runner
from ..undo import journal
from .apply import change, live, scriptlets
from .apply.records import save_changed
from .apply.removal_deltas import Leavings
from .model import shared_settings
from .model.books import Books
from .model.results import Plan
from .plan import preview


@dataclass(frozen=True)
class Removal:
    """A plan, and all that is needed to carry it out.

    ``keepers`` are plugins that stay and keep a package of those that go, or came
    in the same transaction: what scriptlets did may be theirs too.
    """

    plan: Plan
    records: Tuple[Record, ...]
    books: Books
    revert: Revert
    keepers: Tuple[str, ...]


@dataclass(frozen=True)
class Removed:
    """What a removal did: lines for people, and a delta of each plugin that went."""

    notes: Tuple[str, ...]
    deltas: Tuple[Delta, ...]


def plan(names: Sequence[str], session: Session, *, keep_modified: bool,
         run: Runner) -> Removal:
    """Return what removing the plugins ``names`` would do; change nothing.

    Raises UnknownPlugin for one that is not installed, and Drifted where
    somebody changed a file that would be put back, unless ``keep_modified``.
    """
    target = session.target
    books = Books(target.root)
    records = tuple(books.record(name) for name in dict.fromkeys(names))
    names = tuple(record.name for record in records)
    gone = [applied for name in names for applied in books.ledger.state(name).settings]
    for name in names:
        books.ledger.set_settings(name, ())
    revert = plan_revert(gone, books.ledger, target.root, keep_modified=keep_modified)
    going, needed = _packages(records, books, session)
    packages: Tuple[PackageChange, ...] = ()
    if going:
        packages = session.solve(Request(subject="removing " + ", ".join(sorted(names)),
                                         erases=going))
        packages = session.as_installed(packages)
    notes = [f"{nevra} stays: {other} needs it." for nevra, other in sorted(needed.items())]
    context = _context(target.root, records, run)
    staying = shared_settings.staying_without(names, books)
    actions = [preview.removed(
        record, going, packages, preview.dropped(record.settings, staying),
        [applied for applied in revert.live
         if applied in books.undo_data[record.name].state.settings], context)
        for record in records]
    keepers = _keepers(records, books)
    shown = Plan(
        operation="remove", target=target, plugins=tuple(actions), packages=packages,
        table=session.table(),
        notes=(*notes, *_effects_stay(names, keepers, books), *revert.notes,
               *preview.not_booted(target)),
        space=preview.space(target, packages))
    return Removal(plan=shown, records=records, books=books, revert=revert, keepers=keepers)


def carry_out(ready: Removal, session: Session, *, displays: Sequence[object],
              run: Runner) -> Removed:
    """Do what ``ready`` says, with a journal around it; return what was done.

    Raises RolledBack if it fails.
    """
    root, books, packages = session.target.root, ready.books, ready.plan.packages
    names = tuple(record.name for record in ready.records)
    states = [books.undo_data[name].state for name in names]
    changes = [one for state in states for one in state.changes]
    effects = [one for name in names for one in books.ledger.state(name).effects]
    kinds = {applied.kind for state in states for applied in state.settings}
    kernels = {applied.key for state in states for applied in state.settings
               if applied.kind == module_index.KIND.name}
    scope = change.scope(session.target, packages, records=books.records,
                         kernels=kernels | set(change.kernels_of(packages)), changes=changes,
                         paths=replaced_files(kinds, root), whole=replaced_folders(kinds))
    context = _context(root, ready.records, run)
    leavings = Leavings(ready.records, packages, session,
                        staying=shared_settings.staying_without(names, books))
    intent = journal.Intent("remove", names, change.TOOL)
    with change.journaled(session, intent, scope, run=run):
        notes = [*switch_off(ready.revert.live, context)]
        live.stop_units(packages, context)
        do_revert(ready.revert, context)
        before = scriptlets.states(effects, root)
        if packages:
            change.run_packages(session, displays)
        undone = scriptlets.undo(names, before, books.ledger, context, keepers=ready.keepers)
        finished = finish_revert(ready.revert, books.ledger, context)
        if not ready.keepers:
            scriptlets.inherit_folders(effects, books, session, names)
        notes += live.read_again(changes, packages, ready.revert, context)
        books.part(names)
        save_changed(root, books, without=names)
        for name in names:
            store.forget(root, name)
        deltas = leavings.deltas()
    return Removed((*notes, *undone.notes, *finished), deltas)


def _context(root: Path, records: Sequence[Record], run: Runner) -> Context:
    return Context(root=root, plugin=records[0].name, files={}, run=run, live=is_live(root))


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


def _effects_stay(gone: Iterable[str], keepers: Sequence[str], books: Books) -> Tuple[str, ...]:
    """Return a line on whom what scriptlets did is handed to, if they did anything."""
    if not keepers or not any(books.ledger.state(name).effects for name in gone):
        return ()
    who = (f"plugin {keepers[0]} goes" if len(keepers) == 1 else
           f"plugins {', '.join(keepers)} go")
    return ("What scriptlets did, and folders that came with packages, stay until"
            f" {who} too.",)
