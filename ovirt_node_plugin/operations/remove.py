"""Remove plugins: undo their settings, then remove packages that nobody needs, and records."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Dict, Sequence, Tuple

from ..packages.claims import Claim
from ..packages.contents import removed_paths
from ..packages.dnf_types import DnfDisplay
from ..packages.request import Request
from ..packages.session import PackageChange, Session
from ..registry import store
from ..registry.inventory import Delta
from ..registry.record import Record
from ..settings.engine.kinds import Phase, phase_of
from ..settings.engine.ledger import Ledger
from ..settings.engine.live import switch_off
from ..settings.engine.revert import (
    Revert,
    do_revert,
    finish_revert,
    plan_effects,
    plan_revert,
    rebuild_all,
)
from ..settings.kit.model import Context
from ..settings.services import package_units
from ..system.run import Runner
from ..target import is_booted
from ..undo import journal
from ..undo.changes import Applied
from . import matching
from .apply import change, live, module_changes, scriptlets, transaction_notes
from .apply.configuration_copies import ConfigurationCopies
from .apply.factory import Factory, claimed_paths
from .apply.other_plugins import OtherPlugins
from .apply.package_folders import PackageFolders
from .apply.records import save_changed
from .apply.removal_deltas import RemovalDeltas
from .model.books import Books
from .model.jobs import staying_without
from .model.results import Plan
from .plan import preview, replaced_packages, skipped_scriptlets


@dataclass(frozen=True)
class Removal:
    """A plan, and all that is needed to carry it out.

    ``keepers`` are plugins that stay and have a package of those that are removed, or came
    in the same transaction: changes of scriptlets may be theirs too. ``skipped_scriptlets`` as
    in ``inventory.Operation``.
    """

    plan: Plan
    records: Tuple[Record, ...]
    books: Books
    revert: Revert
    keepers: Tuple[str, ...]
    skipped_scriptlets: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Removed:
    """The result of a removal: lines for people, and a delta of each removed plugin."""

    notes: Tuple[str, ...]
    deltas: Tuple[Delta, ...]


def plan(names: Sequence[str], session: Session, *, keep_modified: bool,
         run: Runner, skip_scriptlets: bool = False) -> Removal:
    """Return what removing the plugins ``names`` would do; only reads.

    With ``skip_scriptlets``, scriptlets of packages that leave are not run.

    Raises UnknownPlugin for one that is not installed, and Drifted if a file that would be
    restored was changed since, unless ``keep_modified``.
    """
    target = session.target
    books = Books(target.root)
    records = tuple(books.record(name) for name in matching.installed(names, target.root))
    names = tuple(record.name for record in records)
    revert, kept_notes = _plan_reverts(names, books.ledger, target.root, keep_modified)
    going, needed = _packages(records, books, session)
    packages: Tuple[PackageChange, ...] = ()
    if going:
        packages = session.as_installed(session.solve(Request(
            subject="removing " + ", ".join(sorted(names)), erases=going,
            claims={nevra: Claim(plugins) for nevra, plugins
                    in books.claims_of_others(names).items()})))
    skipped = skipped_scriptlets.of_leaving(packages, session) if skip_scriptlets else ()
    context = _context(session, records, run)
    staying = staying_without(names, books)
    keepers = _keepers(records, books)
    return Removal(
        plan=Plan(
            operation="remove", target=target, packages=packages, table=session.table(),
            plugins=tuple(preview.removed(
                record, going, packages, staying,
                [applied for applied in revert.live
                 if applied in books.undo_data[record.name].state.settings], context)
                for record in records),
            notes=(*(f"{nevra} stays: {user} needs it." for nevra, user in sorted(needed.items())),
                   *replaced_packages.not_restored(names, session),
                   *_effects_stay(names, keepers, books), *kept_notes,
                   *skipped_scriptlets.notes(skipped), *preview.of_system(target)),
            space=preview.space(target, packages)),
        records=records, books=books, revert=revert, keepers=keepers,
        skipped_scriptlets=skipped)


def carry_out(ready: Removal, session: Session, *, displays: Sequence[DnfDisplay],
              run: Runner) -> Removed:
    """Carry out ``ready``, with a journal of all changes; return what was done.

    Raises RolledBack if it fails.
    """
    root, books, packages = session.target.root, ready.books, ready.plan.packages
    names = tuple(record.name for record in ready.records)
    states = [books.undo_data[name].state for name in names]
    changes = [undone for state in states for undone in state.changes]
    effects = [effect for state in books.ledger.states.values() for effect in state.effects]
    context = _context(session, ready.records, run)
    others = OtherPlugins(names, packages, books, session=session, run=run)
    scope = change.scope(session.target, packages, plugins=books.records, changes=changes,
                         others=others.places,
                         settings={(applied.kind, applied.key)
                                   for state in states for applied in state.settings})
    folders, copies = PackageFolders(packages, session), ConfigurationCopies(packages, root)
    deltas = RemovalDeltas(ready.records, packages, session,
                           staying=staying_without(names, books),
                           skipped_scriptlets=ready.skipped_scriptlets)
    factory = Factory(session.target)
    intent = journal.Intent("remove", names, change.TOOL)
    with change.journaled(session, intent, scope, run=run) as opened:
        notes = [*switch_off(ready.revert.live, context)]
        package_units.stop(removed_paths(packages), context)
        do_revert(ready.revert, context)
        before = scriptlets.states(effects, root)
        indexes = module_changes.ModuleIndexes(
            [applied for state in states for applied in state.settings], packages, root)
        if packages:
            with others.untouched():
                report = session.run(displays, states=opened.states,
                                     skip_scriptlets=bool(ready.skipped_scriptlets))
            notes += transaction_notes.failures(report)
        with session.progress.step("settings", "Undoing settings"):
            indexes.restore()
            undone = _undo_effects(ready, before, folders, context)
            rebuild_all(ready.revert, books.ledger, context)
            finished = finish_revert(ready.revert, books.ledger, context)
            finished += _remove_accounts(ready, context)
            notes += live.read_again(changes, packages, ready.revert, context)
        books.separate(names)
        factory.follow(claimed_paths({name: record.nevras for name, record in books.records.items()
                                      if name not in names}, session, books.ledger), books.ledger)
        save_changed(root, books, changes, without=names)
        for name in names:
            store.forget(root, name)
        removed = deltas.after()
    return Removed((*notes, *copies.notes(), *undone.notes, *finished), removed)


def _plan_reverts(names: Sequence[str], ledger: Ledger, root: Path,
                  keep_modified: bool) -> Tuple[Revert, Tuple[str, ...]]:
    """Return how to undo the settings other than accounts, and notes about all settings.

    The accounts stay in the ledger, for ``_remove_accounts``: packages need them until they
    are removed. Raises Drifted as ``plan_revert`` does for all settings together.
    """
    states = {name: ledger.state(name).settings for name in names}
    trial = Ledger(ledger.states)
    for name in names:
        trial.set_settings(name, ())
        ledger.set_settings(name, [applied for applied in states[name] if _is_account(applied)])
    gone = [applied for settings in states.values() for applied in settings]
    notes = plan_revert(gone, trial, root, keep_modified=keep_modified).notes
    return plan_revert([applied for applied in gone if not _is_account(applied)], ledger, root,
                       keep_modified=keep_modified), notes


def _undo_effects(ready: Removal, before: scriptlets.States, folders: PackageFolders,
                  context: Context) -> Revert:
    """Undo what scriptlets did, or give it to the keepers; return what was done.

    ``before`` are the states before the packages were removed.
    """
    books, names = ready.books, {record.name for record in ready.records}
    staying = {name: record.nevras for name, record in books.records.items() if name not in names}
    folders.make_again(books.ledger)
    effects = scriptlets.take(names, before, books.ledger, context.root)
    if ready.keepers:
        plan_effects([effect for effect in effects if effect.path not in folders.leaving],
                     books.ledger, context.root, keepers=ready.keepers)
        effects = [effect for effect in effects if effect.path in folders.leaving]
    undone = plan_effects(folders.hand_over(effects, staying, books.ledger), books.ledger,
                          context.root)
    do_revert(undone, context)
    return undone


def _remove_accounts(ready: Removal, context: Context) -> Tuple[str, ...]:
    """Remove the users and groups of the plugins; return lines that the plan does not have.

    Scriptlets of the packages may have removed them, or changed the account files.
    """
    ledger, names = ready.books.ledger, [record.name for record in ready.records]
    gone = [applied for name in names for applied in ledger.state(name).settings]
    for name in names:
        ledger.set_settings(name, ())
    revert = plan_revert(gone, ledger, context.root, keep_modified=True)
    do_revert(revert, context)
    notes = (*revert.notes, *finish_revert(revert, ledger, context))
    return tuple(note for note in notes if note not in ready.plan.notes)


def _is_account(applied: Applied) -> bool:
    return phase_of(applied.kind) is Phase.ACCOUNTS


def _context(session: Session, records: Sequence[Record], run: Runner) -> Context:
    root = session.target.root
    return Context(root=root, plugin=records[0].name, files={}, run=run, live=is_booted(root),
                   sealed=session.sealed)


def _packages(records: Sequence[Record], books: Books,
              session: Session) -> Tuple[Tuple[str, ...], Dict[str, str]]:
    """Return the NEVRAs to remove, and the user of each that stays."""
    gone = {record.name for record in records}
    own = {nevra for record in records for nevra in record.nevras}
    shared = {nevra: f"plugin {name}" for nevra, names in books.claims.items() if nevra in own
              for name in names if name not in gone}
    going, needed = session.removable(own - set(shared))
    return going, {**needed, **shared}


def _keepers(records: Sequence[Record], books: Books) -> Tuple[str, ...]:
    gone = {record.name for record in records}
    own = {nevra for record in records for nevra in record.nevras}
    return tuple(name for name, record in books.records.items() if name not in gone
                 and (gone & set(record.together) or own & set(record.nevras)))


def _effects_stay(gone: Collection[str], keepers: Sequence[str],
                  books: Books) -> Tuple[str, ...]:
    """Return a line about who takes over the changes of scriptlets, if there are any."""
    if not keepers or not any(books.ledger.state(name).effects for name in gone):
        return ()
    until = (f"plugin {keepers[0]} goes" if len(keepers) == 1 else
             f"plugins {', '.join(keepers)} go")
    return ("What scriptlets did, and folders that came with packages, stay until"
            f" {until} too.",)
