"""Install, upgrade and repair: plugins into a root, as one transaction."""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, List, Mapping, Sequence, Set, Tuple

from ..errors import UsageError
from ..packages.session import PackageChange, Session
from ..plugin.bundle import Bundle
from ..registry import store
from ..settings.engine import checking, selection
from ..settings.engine.apply import chained
from ..settings.engine.kinds import KINDS, is_derived, replaced_files, replaced_folders
from ..settings.engine.live import is_live, switch_off
from ..settings.engine.revert import Revert, do_revert, finish_revert, remake_all
from ..settings.engine.upgrade import apply_upgrade, plan_upgrades
from ..settings.kit.model import Context
from ..settings.modules import module_index
from ..system.rpm_version import compare
from ..system.run import Runner
from ..undo import journal
from ..undo.changes import Change
from .apply import change, live, records, scriptlets
from .apply.brought_accounts import make_accounts
from .apply.inventories import Inventories
from .model.books import Books
from .model.job import Job
from .model.results import INSTALL, KEEP, REPAIR, UPGRADE, Plan
from .plan import (
    allowed_paths,
    conflicts,
    leaving_out,
    majors,
    noteworthy,
    preview,
    requirements,
    solving,
)
from .plan.arriving import Arrivals
from .plan.leaving_out import LeavingOut
from .plan.root_facts import facts_of


@dataclass(frozen=True)
class Installation:
    """A plan, and all that is needed to carry it out.

    ``revert`` undoes the settings that go, of all plugins; ``books`` are without them.
    """

    plan: Plan
    jobs: Tuple[Job, ...]
    books: Books
    revert: Revert


def plan(bundles: Sequence[Bundle], session: Session, *, run: Runner,
         download: bool = True) -> Installation:
    """Return what installing ``bundles`` would do to the session's root; change nothing.

    Without ``download``, of packages that are not on this machine only what their
    repository says is known.

    Raises NodePluginError of the kind that says why they cannot go in.
    """
    target = session.target
    books = Books(target.root)
    actions = {bundle.descriptor.name: _action(bundle, books, session) for bundle in bundles}
    active = [bundle for bundle in bundles if actions[bundle.descriptor.name] != KEEP]
    requirements.check_before(active, target)
    other_major = majors.check(target)
    solution = solving.solve(active, books, session)
    requirements.check_after(active, session, solution.packages)
    packages = session.fetch(solution.packages, download=download)
    arrivals = Arrivals(packages, target.root)
    allowed_paths.check_reserved(arrivals, target)
    contexts = _contexts(active, solution.shares, books, session, packages, arrivals, run)
    jobs, revert = _jobs(active, actions, books, contexts, solution.shares, target.root)
    disputed = allowed_paths.check(jobs, arrivals, target, session.policy.config)
    conflicts.check(jobs, arrivals, books, session)
    space = preview.space(target, packages)
    change.refuse_full(target, space)
    kept = [preview.kept(bundle.descriptor.name, books, source=bundle.source)
            for bundle in bundles if bundle not in active]
    made = majors.account_notes(packages, jobs[0].context) if jobs else ()
    shown = [preview.action(job, jobs, packages, books, revert) for job in jobs]
    return Installation(
        Plan(
            operation="install", target=target, plugins=(*shown, *kept), packages=packages,
            table=session.table(),
            notes=(*other_major, *_notes(packages), *allowed_paths.notes(disputed), *made,
                   *preview.not_booted(target)),
            signatures=preview.signatures(packages, session.signers()), space=space,
            noteworthy=noteworthy.noteworthy(arrivals), disputed_files=disputed),
        jobs, books, revert)


def carry_out(ready: Installation, session: Session, *,
              displays: Sequence[object]) -> Tuple[str, ...]:
    """Do what ``ready`` says: packages, settings, records, with a journal around it all.

    The packages' signatures must have been checked. Returns lines for people. Raises
    RolledBack for whatever fails; the root is then as it was.
    """
    root, books, jobs, revert = session.target.root, ready.books, ready.jobs, ready.revert
    packages, context = ready.plan.packages, jobs[0].context
    intent = journal.Intent(_operation(jobs), tuple(job.name for job in jobs), change.TOOL)
    session.check_unchanged(packages)
    leave_out = leaving_out.left_out(jobs)
    with change.journaled(session, intent, _scope(ready, leave_out), run=context.run) as opened:
        inventories = Inventories(jobs, packages, session, books, left_out=leave_out)
        notes = [*switch_off(revert.live, context)]
        do_revert(revert, context)
        live.stop_units(packages, context)
        live.expect(packages, context)
        if packages:
            make_accounts(packages, context)
            change.run_packages(session, displays, leave_out=leave_out)
        owned = change.package_paths(root, packages)
        effects = opened.effects(
            owned=owned,
            replaced=change.package_paths(root, [one for one in packages
                                                 if one.action == "remove"]),
            ours={one.path for one in revert.restore})
        requirements.check_effects(effects, root)
        notes += noteworthy.left_by_scriptlets(effects, owned)
        shares = scriptlets.split(effects, jobs, packages, root)
        inventories.packages_done(shares)
        moment = store.installed_now()
        _switch_on(ready, shares)
        notes += live.switch_on(jobs, revert, packages, books.ledger)
        for job in jobs:
            records.save(job, jobs, packages, books, session, inventories.of(job, moment))
        records.save_changed(root, books, without=intent.plugins)
    return tuple(notes)


def _switch_on(ready: Installation, effects: Mapping[str, Sequence[Change]]) -> None:
    """Switch settings on, and note ``effects``, by plugin, in the ledger.

    Folders that had to wait until packages were gone go first, for all plugins: settings
    of another one may be about to make one of them their own. What is derived from the
    settings of several plugins comes last, and is made but once.
    """
    ledger, context = ready.books.ledger, ready.jobs[0].context
    finish_revert(replace(ready.revert, remake=()), ledger, context)
    for job in ready.jobs:
        apply_upgrade(job.upgrade, job.context, ledger, derived=False)
        ledger.set_effects(job.name, chained(ledger.state(job.name).effects,
                                                    effects[job.name]))
    remake_all(ready.revert, ledger, context)
    for job in ready.jobs:
        apply_upgrade(job.upgrade, job.context, ledger, derived=True)


def _scope(ready: Installation, leave_out: Collection[str]) -> journal.Scope:
    """Return what the installation may touch; of ``leave_out`` rpm unpacks nothing."""
    target, packages, jobs = ready.plan.target, ready.plan.packages, ready.jobs
    kinds = {*(one.kind for job in jobs for one in job.upgrade.order),
             *(one.kind for job in jobs for one in job.upgrade.gone)}
    return change.scope(
        target, packages, records=[*ready.books.records, *(job.name for job in jobs)],
        kernels=_kernels(packages, jobs),
        changes=[*ready.revert.restore,
                 *(one for job in jobs for gone in job.upgrade.gone for one in gone.changes)],
        paths=[*leave_out, *replaced_files(kinds, target.root)],
        folders=[folder for job in jobs for folder in _folders(job)],
        whole=replaced_folders(kinds))


def _action(bundle: Bundle, books: Books, session: Session) -> str:
    name, version = bundle.descriptor.name, bundle.descriptor.version
    if name in books.registry.damaged:
        raise UsageError(
            f"the record of plugin {name} is damaged: {books.registry.damaged[name]}",
            hint=f"Restore /etc/ovirt.plugins.d/{name}, or remove the file if the plugin is"
                 " gone.")
    record = books.records.get(name)
    if record is None:
        return INSTALL
    order = compare(version, record.version)
    if order < 0:
        raise UsageError(f"plugin {name} {record.version} is installed; {version} is older",
                         hint=f"To go back, run dnf node-plugin remove {name} first.")
    if order > 0:
        return UPGRADE
    present = session.installed()
    return KEEP if all(package.nevra in present for package in record.packages) else REPAIR


def _jobs(active: Sequence[Bundle], actions: Mapping[str, str], books: Books,
          contexts: Sequence[Context], shares: Mapping[str, Set[str]], root: Path,
          ) -> Tuple[Tuple[Job, ...], Revert]:
    wanted = {bundle.descriptor.name: selection.wanted(bundle.descriptor, context)
              for bundle, context in zip(active, contexts)}
    held = checking.held(books.ledger, wanted)
    contexts = [replace(context, held=held) for context in contexts]
    upgrades, revert = plan_upgrades(
        wanted, contexts, books.ledger, root,
        repaired=[name for name in wanted if actions[name] == REPAIR])
    return tuple(
        Job(bundle=bundle, action=actions[name], old=books.records.get(name),
            packages=tuple(sorted(shares[name])), upgrade=upgrades[name], context=context)
        for name, bundle, context in zip(wanted, active, contexts)), revert


def _contexts(active: Sequence[Bundle], shares: Mapping[str, Set[str]], books: Books,
              session: Session, packages: Sequence[PackageChange], arrivals: Arrivals,
              run: Runner) -> List[Context]:
    files = {change.nevra: change.files for change in arrivals.packages}
    facts = facts_of(session, packages, books)
    leaving = LeavingOut(active=active, shares=shares, arrivals=arrivals, books=books,
                         session=session, facts=facts)
    found = []
    for name in (bundle.descriptor.name for bundle in active):
        leavable = leaving.leavable(name)
        paths = {path: 0 for nevra in shares[name]
                 for path in files.get(nevra) or session.files(nevra)
                 if path not in leavable.sizes}
        found.append(Context(root=session.target.root, plugin=name, files=paths, run=run,
                             facts=facts, leavable=leavable,
                             live=is_live(session.target.root)))
    return found


def _notes(packages: Sequence[PackageChange]) -> Tuple[str, ...]:
    unsigned = sorted({one.repo for one in packages if one.action != "remove" and not one.signed})
    return tuple(f"Signatures of packages from {repo} are not checked (gpgcheck is off)."
                 for repo in unsigned)


def _operation(jobs: Sequence[Job]) -> str:
    return "upgrade" if all(job.action == UPGRADE for job in jobs) else "install"


def _kernels(packages: Sequence[PackageChange], jobs: Sequence[Job]) -> Set[str]:
    found = set(change.kernels_of(packages))
    for job in jobs:
        found.update(one.key for one in job.upgrade.order if one.kind == module_index.KIND.name)
        found.update(one.key for one in job.upgrade.gone if one.kind == module_index.KIND.name)
    return found


def _folders(job: Job) -> Set[str]:
    """Return the folders to which the plugin's settings write."""
    return {watch.folder for item in job.upgrade.order if not is_derived(item.kind)
            for watch in KINDS[item.kind].watched(item, job.context)}
