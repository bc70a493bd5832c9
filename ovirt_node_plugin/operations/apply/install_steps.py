"""The steps by which an installation changes a root; each is called once, in this order."""
from __future__ import annotations

from dataclasses import replace
from typing import Collection, List, Mapping, Optional, Sequence, Set, Tuple

from ...packages.contents import replacements, resolved_paths
from ...packages.dnf_types import DnfDisplay
from ...packages.scriptlet_runs import ScriptletReport
from ...packages.session import PackageChange, Session
from ...registry import store
from ...registry.inventory import Inventory
from ...settings.engine.apply import chained
from ...settings.engine.kinds import KINDS, Phase, is_derived
from ...settings.engine.revert import Revert, finish_revert, rebuild_all
from ...settings.engine.upgrade import apply_upgrade
from ...system.entries import Entry
from ...system.nevra import name_of
from ...undo import journal
from ...undo.changes import Change
from ..model.installation import Installation
from ..model.jobs import Key
from ..model.results import UPGRADE
from . import (
    account_numbers,
    brought_accounts,
    change,
    expected_units,
    inventories,
    module_changes,
    records,
    transaction_notes,
)
from .factory import Factory, claimed_paths
from .other_plugins import OtherPlugins
from .package_folders import PackageFolders


def intent(ready: Installation) -> journal.Intent:
    """Return what the journal says of the change as a whole."""
    is_upgrade = all(job.action == UPGRADE for job in ready.jobs)
    return journal.Intent("upgrade" if is_upgrade else ready.plan.operation,
                          tuple(job.name for job in ready.jobs), change.TOOL)


def scope(ready: Installation, packages: Sequence[PackageChange], leave_out: Collection[str],
          others: Collection[str]) -> journal.Scope:
    """Return what the installation may touch; rpm does not unpack the files ``leave_out``.

    ``packages`` is the transaction with all headers, ``others`` are the places of files of
    other plugins.
    """
    jobs = ready.jobs
    gone = [applied for job in jobs for applied in job.upgrade.gone]
    return change.scope(
        ready.plan.target, packages,
        plugins=[*ready.books.records, *(job.name for job in jobs)],
        settings={key for job in jobs for key in (*job.keys, *job.keys_gone)},
        changes=[*ready.revert.restore,
                 *(undone for applied in gone for undone in applied.changes)],
        folders={watch.folder for job in jobs for item in job.upgrade.order
                 if not is_derived(item.kind)
                 for watch in KINDS[item.kind].watched(item, job.context)},
        paths=[*leave_out, *expected_units.owners(jobs)], others=others)


def change_packages(ready: Installation, session: Session, displays: Sequence[DnfDisplay],
                    opened: journal.Journal, old: Mapping[str, Inventory], others: OtherPlugins, *,
                    leave_out: Collection[str]) -> Tuple[ScriptletReport, List[str]]:
    """Run the transaction; return what scriptlets did, and lines for people.

    rpm does not unpack the files ``leave_out``.
    """
    packages = ready.plan.packages
    if not packages:
        return ScriptletReport(), []
    present = brought_accounts.present(ready.plan.target.root)
    notes = brought_accounts.make_declared(packages, session.rpm_files(), ready.jobs[0].context)
    with others.untouched():
        report = session.run(displays, states=opened.states, leave_out=leave_out,
                             skip_scriptlets=bool(ready.skipped_scriptlets))
    return report, [*notes, *transaction_notes.failures(report),
                    *_keep_numbers(ready, old, opened, present)]


def effects(ready: Installation, packages: Sequence[PackageChange], opened: journal.Journal, *,
            folders: Collection[str], since: Mapping[str, Optional[Entry]],
            ours: Collection[str]) -> Tuple[Change, ...]:
    """Return the changes by scriptlets, with the parameters of ``Journal.effects``.

    ``packages`` is the transaction with all headers.
    """
    root, jobs = ready.books.root, ready.jobs
    units = expected_units.replaced(jobs, packages, root)
    places = expected_units.owners(jobs)
    return expected_units.counted_as_new(units, opened.effects(
        owned=resolved_paths(packages, root) - units, folders=folders, since=since, ours=ours,
        expected=places,
        replaced=resolved_paths((package for package in packages if not package.arrives), root
                                ) - units), jobs, ready.books.ledger)


def _keep_numbers(ready: Installation, old: Mapping[str, Inventory], opened: journal.Journal,
                  present: Collection[Key]) -> List[str]:
    """Give new accounts of scriptlets their earlier numbers; return lines about the others.

    ``present`` are kind and name of the accounts before the transaction.
    """
    root, packages = ready.plan.target.root, ready.plan.packages

    def changed() -> Set[str]:
        owned = resolved_paths((package for package in packages if package.arrives), root)
        return owned.union(change.path for change in opened.effects(owned=owned))

    return [note for note in account_numbers.keep_numbers(ready.jobs, old, present, changed)
            if note not in ready.plan.notes]


def doers(ready: Installation, report: ScriptletReport, watched: bool) -> transaction_notes.Doers:
    """Return what tells who made a change that the transaction brought."""
    nevras = {*ready.books.packages, *(package.nevra for package in ready.plan.packages)}
    return transaction_notes.Doers(
        report, watched=watched, plugin_packages=set(map(name_of, nevras)),
        whole="image" if ready.plan.target.is_node else "system")


def switch_on(ready: Installation, shares: module_changes.Shares, folders: PackageFolders,
              ) -> Tuple[Installation, Revert]:
    """Apply settings, and add ``shares``, the changes of scriptlets, to the ledger.

    Folders that had to wait until the packages left are removed first, for all plugins: a
    setting of another plugin may need one of them next. What is derived from the settings
    of several plugins comes last, once for all of them. Returns ``ready`` with
    the settings that follow from what scriptlets did, and what was done with the ``folders``.
    """
    ledger, context = ready.books.ledger, ready.jobs[0].context
    expecting = expected_units.judged(ready.jobs, shares, ledger, ready.plan.packages)
    jobs, settings, effects = module_changes.adopted(
        expecting, module_changes.with_links(expecting, shares), ready.books.root)
    finish_revert(ready.revert, ledger, context)
    folders.make_again(ledger)
    for job in jobs:
        ledger.set_effects(job.name, chained(expected_units.without_lost(
            ledger.state(job.name).effects, effects[job.name], jobs), effects[job.name]))
    released = folders.release(*_nevras_by_plugin(ready), ledger, context)
    for job in jobs:
        apply_upgrade(job.upgrade, job.context, ledger, phase=Phase.SETTINGS)
    rebuild_all(ready.revert, ledger, context)
    for job in jobs:
        apply_upgrade(job.upgrade, job.context, ledger, phase=Phase.DERIVED,
                      earlier=settings[job.name])
    return replace(ready, jobs=jobs), released


def save(ready: Installation, session: Session, installed: inventories.Inventories,
         factory: Factory) -> None:
    """Write the records of the plugins, and of others that share packages or settings.

    Before, what belongs to plugins in /etc gets the same state in its ``factory``.
    """
    books, jobs, packages = ready.books, ready.jobs, ready.plan.packages
    nevras = _nevras_by_plugin(ready)[1]
    factory.follow(claimed_paths(nevras, session, books.ledger), books.ledger)
    moment = store.installed_now()
    with session.progress.step("records", "Writing records"):
        new = [installed.of(job, moment) for job in jobs]
        for job, inventory in zip(jobs, new):
            records.save(job, jobs, packages, books, session, inventory)
        records.replace_shared(packages, books, new)
        records.save_changed(
            books.root, books, (undone for job in jobs for gone in job.upgrade.gone
                                for undone in gone.changes), without=[job.name for job in jobs])


def _nevras_by_plugin(
        ready: Installation) -> Tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]:
    """Return the NEVRAs of all plugins before and after the transaction."""
    new = {nevra: change.nevra for nevra, change in replacements(ready.plan.packages).items()}
    old = {name: record.nevras for name, record in ready.books.records.items()}
    return old, {
        **{name: [new.get(nevra, nevra) for nevra in nevras] for name, nevras in old.items()},
        **{job.name: job.packages for job in ready.jobs}}
