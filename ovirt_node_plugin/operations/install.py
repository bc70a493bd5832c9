"""Install, upgrade and repair plugins in a root, as one transaction."""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import DisputedFile, NodePluginError, Reasons, UsageError
from ..packages.contents import removed_paths, replacements, resolved_paths
from ..packages.dnf_types import DnfDisplay
from ..packages.scriptlet_runs import ScriptletReport
from ..packages.session import PackageChange, Session
from ..plugin.bundle import Bundle
from ..registry import store
from ..registry.inventory import Inventory
from ..registry.record import Record
from ..settings.engine import checking, selection
from ..settings.engine.apply import chained
from ..settings.engine.kinds import KINDS, Phase, in_order, is_derived, remarks
from ..settings.engine.live import switch_off
from ..settings.engine.revert import Revert, do_revert, finish_revert, rebuild_all
from ..settings.engine.upgrade import apply_upgrade, make_accounts, plan_upgrades
from ..settings.kit.model import Context
from ..settings.modules import module_index
from ..settings.placed import persistent_paths, tmpfiles
from ..settings.services import package_units
from ..system.nevra import name_of
from ..system.rpm_version import compare
from ..system.run import Runner
from ..target import is_booted
from ..undo import journal
from . import verification
from .apply import (
    account_numbers,
    brought_accounts,
    change,
    created_paths,
    inventories,
    live,
    module_changes,
    records,
    scriptlets,
    transaction_notes,
)
from .apply.configuration_copies import ConfigurationCopies
from .apply.factory import Factory, claimed_paths
from .apply.other_plugins import OtherPlugins
from .apply.package_folders import PackageFolders
from .model import next_steps
from .model.books import Books
from .model.jobs import Job, Key
from .model.results import INSTALL, KEEP, REPAIR, UPGRADE, Notable, Plan, PluginAction, Space
from .plan import (
    allowed_paths,
    conflicts,
    earlier_accounts,
    image_state,
    kernel_fits,
    leaving_out,
    majors,
    noteworthy,
    origins,
    preview,
    reasons_by_plugin,
    refused_headers,
    requirements,
    skipped_scriptlets,
    solving,
)
from .plan.arriving import Arrivals


@dataclass(frozen=True)
class Installation:
    """A plan, and all that is needed to carry it out.

    ``revert`` undoes the settings that go, of all plugins; ``books`` are without them.
    ``skipped_scriptlets`` as in ``inventory.Operation``.
    """

    plan: Plan
    jobs: Tuple[Job, ...]
    books: Books
    revert: Revert
    skipped_scriptlets: Tuple[str, ...] = ()


def plan(bundles: Sequence[Bundle], session: Session, *, run: Runner,
         download: bool = True, skip_scriptlets: bool = False,
         again: solving.Again = solving.NOTHING,
         accounts_from: Optional[Path] = None) -> Installation:
    """Return what installing ``bundles`` would do to the session's root; only reads.

    Without ``download``, packages that are not on this machine are known only from the
    metadata of their repository. With ``skip_scriptlets``, scriptlets of packages that leave
    are not run. ``again`` are the plugins to repair, each with the packages to install again,
    or which are missing, and their checksums, by NEVRA. ``accounts_from`` is another root, in
    which accounts of the plugins have the numbers that they are to get.

    Raises NodePluginError with the reason if they cannot be installed, or SeveralReasons with
    all that are known, by plugin.
    """
    def planned(some: Sequence[Bundle]) -> Installation:
        return _plan(some, session, run=run, download=download, skip_scriptlets=skip_scriptlets,
                     again=again, accounts_from=accounts_from)

    def failure(some: Sequence[Bundle]) -> Optional[NodePluginError]:
        session.forget_excludes()
        try:
            planned(some)
        except NodePluginError as error:
            return error
        return None

    try:
        return planned(bundles)
    except NodePluginError as exc:
        raise reasons_by_plugin.reasons(bundles, exc, failure, session.target) from exc


def _plan(bundles: Sequence[Bundle], session: Session, *, run: Runner,
          download: bool, skip_scriptlets: bool, again: solving.Again,
          accounts_from: Optional[Path]) -> Installation:
    """Return the plan for ``bundles``; raise all reasons against it, not by plugin."""
    target, reasons = session.target, Reasons()
    books = Books(target.root)
    actions: Dict[str, str] = {}
    for bundle in bundles:
        with reasons.collected():
            actions[bundle.descriptor.name] = (
                REPAIR if bundle.descriptor.name in again else _action(bundle, books, session))
    active = [bundle for bundle in bundles if actions.get(bundle.descriptor.name, KEEP) != KEEP]
    for bundle in active:
        with reasons.collected():
            requirements.check_before(bundle, session)
    with reasons.ending():
        notes = [*majors.check(target)]
        solution = solving.solve(active, books, session, again=again)
        packages = session.fetch(solution.packages, download=download)
    arrivals = Arrivals(packages, target.root, solution.shares)
    _check_packages(active, packages, arrivals, books, session, reasons)
    with reasons.ending():
        contexts = earlier_accounts.with_earlier(_contexts(
            active, solution.shares, books, session, packages, arrivals, run), accounts_from)
        jobs, revert = _jobs(active, actions, books, contexts, solution.shares, session, reasons)
    jobs = tuple(replace(job, origin=origins.origin_of(
        job.bundle, job.packages, packages, books, session)) for job in jobs)
    space = preview.space(target, packages)
    disputed = _check_files(jobs, arrivals, books, session, space, reasons)
    if reasons and download:  # else they are checked after the question
        with reasons.collected():
            session.check_certain_signatures()
    reasons.raise_any()
    known = preview.known_keys(packages, session, network=download)
    skipped = skipped_scriptlets.of_leaving(packages, session) if skip_scriptlets else ()
    notes += [*_package_notes(jobs, packages, books), *allowed_paths.notes(disputed),
              *skipped_scriptlets.notes(skipped)]
    notes += majors.account_notes(packages, jobs[0].context) if jobs else ()
    return Installation(
        Plan(
            operation="install", target=target,
            plugins=(*(preview.action(job, jobs, packages, books, revert, known) for job in jobs),
                     *(_kept(books.records[bundle.descriptor.name], bundle, session, run)
                       for bundle in bundles if bundle not in active)),
            packages=packages, table=session.table(),
            notes=(*notes, *preview.estimate(packages), *preview.of_system(target)),
            signatures=preview.signatures(packages, session, known), space=space,
            noteworthy=noteworthy.noteworthy(arrivals, _image_state(arrivals, jobs, session)),
            disputed_files=disputed),
        jobs, books, revert, skipped_scriptlets=skipped)


def _check_packages(active: Sequence[Bundle], packages: Sequence[PackageChange],
                    arrivals: Arrivals, books: Books, session: Session,
                    reasons: Reasons) -> None:
    """Add what can be said against the packages without the settings to ``reasons``."""
    for bundle in active:
        with reasons.collected():
            requirements.check_after(bundle, session, packages)
    with reasons.collected():
        origins.check_shared([bundle.descriptor.name for bundle in active], packages, books,
                             session)
    with reasons.collected():
        allowed_paths.check_reserved(arrivals, session.target)
    with reasons.collected():
        refused_headers.check(arrivals, session.target, session.policy.config)


def _check_files(jobs: Sequence[Job], arrivals: Arrivals, books: Books, session: Session,
                 space: Space, reasons: Reasons) -> Tuple[DisputedFile, ...]:
    """Add what can be said against the files of packages to ``reasons``.

    Returns those outside the allowed paths that are let through.
    """
    disputed: Tuple[DisputedFile, ...] = ()
    with reasons.collected():
        disputed = allowed_paths.check(jobs, arrivals, session.target, session.policy.config)
    with reasons.collected():
        conflicts.check(jobs, arrivals, books, session)
    with reasons.collected():
        preview.refuse_full(session.target, space)
    return disputed


def _image_state(arrivals: Arrivals, jobs: Sequence[Job], session: Session) -> Sequence[Notable]:
    """Return what a deployed host does not get with a new image; nothing outside of image mode."""
    sources = {item.value for job in jobs for item in job.upgrade.order
               if item.kind == tmpfiles.KIND}
    return image_state.not_updated(
        arrivals, sources, session.rpm_files()) if session.target.image_mode else ()


def nothing(session: Session) -> Installation:
    """Return the plan that changes nothing."""
    return Installation(Plan(operation="install", target=session.target, plugins=(), packages=()),
                        (), Books(session.target.root), Revert(()))


def carry_out(ready: Installation, session: Session, *,
              displays: Sequence[DnfDisplay]) -> Tuple[str, ...]:
    """Carry out ``ready``: packages, settings and records, with a journal of all changes.

    The packages' signatures must have been checked. Returns lines for people. Raises
    RolledBack for any failure; the root is then as before.
    """
    root, books, jobs, revert = session.target.root, ready.books, ready.jobs, ready.revert
    packages, context = session.as_installed(ready.plan.packages), jobs[0].context
    intent = _intent(ready)
    session.check_unchanged(packages)
    leave_out = leaving_out.left_out(jobs)
    others = OtherPlugins(intent.plugins, packages, books, session=session, run=context.run)
    folders, copies = PackageFolders(packages, session), ConfigurationCopies(packages, root)
    image_mode, factory = session.target.image_mode, Factory(ready.plan.target)
    scope = _scope(ready, packages, leave_out, others.places)
    with change.journaled(session, intent, scope, run=context.run) as opened:
        old = inventories.previous(jobs, session)
        notes = [*switch_off(revert.live, context)]
        do_revert(revert, context)
        package_units.stop(removed_paths(packages), context)
        package_units.expect((path for package in packages if package.arrives
                              for path in package.files), context)
        accounts = make_accounts([(job.upgrade, job.context) for job in jobs], books.ledger)
        report, package_notes = _change_packages(ready, session, displays, opened, old, others)
        created = created_paths.create(jobs, packages)
        effects = opened.effects(
            owned=resolved_paths(packages, root), folders=folders.arriving,
            since={**accounts, **created.entries, **folders.overwritten(books.ledger)},
            replaced=resolved_paths((package for package in packages if not package.arrives), root),
            ours={*(restored.path for restored in revert.restore), *copies.paths})
        requirements.check_effects((*created.changes, *effects), root)
        if any(job.keys for job in jobs):
            requirements.check_mode(session.target, image_mode=image_mode)
        doers = _doers(ready, report, opened.watches)
        notes += [*package_notes, *transaction_notes.effects(
            effects, {*resolved_paths(packages, root), *folders.arriving}, doers),
            *transaction_notes.moved(opened.moved(), doers), *created.notes, *copies.notes()]
        shares = created.before(scriptlets.split(effects, jobs, packages, root))
        installed = inventories.Inventories(jobs, packages, session, books, old=old,
                                            effects=shares, left_out=leave_out,
                                            skipped_scriptlets=ready.skipped_scriptlets)
        with session.progress.step("settings", "Applying settings"):
            ready, released = _switch_on(ready, shares, folders)
            notes += (*released.notes, *live.switch_on(jobs, revert, packages, books.ledger))
        notes += (remark for job in jobs
                  for remark in remarks(books.ledger.state(job.name).settings, job.context))
        factory.follow(claimed_paths(_nevras(ready)[1], session, books.ledger), books.ledger)
        _save(ready, session, installed)
    return tuple(notes)


def _intent(ready: Installation) -> journal.Intent:
    is_upgrade = all(job.action == UPGRADE for job in ready.jobs)
    return journal.Intent("upgrade" if is_upgrade else ready.plan.operation,
                          tuple(job.name for job in ready.jobs), change.TOOL)


def _change_packages(ready: Installation, session: Session, displays: Sequence[DnfDisplay],
                     opened: journal.Journal, old: Mapping[str, Inventory],
                     others: OtherPlugins) -> Tuple[ScriptletReport, List[str]]:
    """Run the transaction; return what scriptlets did, and lines for people."""
    packages = ready.plan.packages
    if not packages:
        return ScriptletReport(), []
    present = brought_accounts.present(ready.plan.target.root)
    notes = brought_accounts.make_declared(packages, session.rpm_files(), ready.jobs[0].context)
    with others.untouched():
        report = session.run(displays, states=opened.states,
                             leave_out=leaving_out.left_out(ready.jobs),
                             skip_scriptlets=bool(ready.skipped_scriptlets))
    return report, [*notes, *transaction_notes.failures(report),
                    *_keep_numbers(ready, old, opened, present)]


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


def _doers(ready: Installation, report: ScriptletReport, watched: bool) -> transaction_notes.Doers:
    nevras = {*ready.books.packages, *(package.nevra for package in ready.plan.packages)}
    return transaction_notes.Doers(
        report, watched=watched, plugin_packages=set(map(name_of, nevras)),
        whole="image" if ready.plan.target.is_node else "system")


def _save(ready: Installation, session: Session, installed: inventories.Inventories) -> None:
    """Write the records of the plugins, and of others that share packages or settings."""
    books, jobs, packages = ready.books, ready.jobs, ready.plan.packages
    moment = store.installed_now()
    with session.progress.step("records", "Writing records"):
        new = [installed.of(job, moment) for job in jobs]
        for job, inventory in zip(jobs, new):
            records.save(job, jobs, packages, books, session, inventory)
        records.replace_shared(packages, books, new)
        records.save_changed(
            books.root, books, (undone for job in jobs for gone in job.upgrade.gone
                                for undone in gone.changes), without=[job.name for job in jobs])


def _switch_on(ready: Installation, shares: module_changes.Shares, folders: PackageFolders,
               ) -> Tuple[Installation, Revert]:
    """Apply settings, and add ``shares``, the changes of scriptlets, to the ledger.

    Folders that had to wait until the packages left are removed first, for all plugins: a
    setting of another plugin may need one of them next. What is derived from the settings
    of several plugins comes last, once for all of them. Returns ``ready`` with
    the settings that follow from what scriptlets did, and what was done with the ``folders``.
    """
    ledger, context = ready.books.ledger, ready.jobs[0].context
    jobs, settings, effects = module_changes.adopted(
        ready.jobs, module_changes.with_links(ready.jobs, shares), ready.books.root)
    finish_revert(ready.revert, ledger, context)
    folders.make_again(ledger)
    for job in jobs:
        ledger.set_effects(job.name, chained(ledger.state(job.name).effects, effects[job.name]))
    released = folders.release(*_nevras(ready), ledger, context)
    for job in jobs:
        apply_upgrade(job.upgrade, job.context, ledger, phase=Phase.SETTINGS)
    rebuild_all(ready.revert, ledger, context)
    for job in jobs:
        apply_upgrade(job.upgrade, job.context, ledger, phase=Phase.DERIVED,
                      earlier=settings[job.name])
    return replace(ready, jobs=jobs), released


def _nevras(ready: Installation) -> Tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]:
    """Return the NEVRAs of all plugins before and after the transaction."""
    new = {nevra: change.nevra for nevra, change in replacements(ready.plan.packages).items()}
    old = {name: record.nevras for name, record in ready.books.records.items()}
    return old, {
        **{name: [new.get(nevra, nevra) for nevra in nevras] for name, nevras in old.items()},
        **{job.name: job.packages for job in ready.jobs}}


def _scope(ready: Installation, packages: Sequence[PackageChange], leave_out: Collection[str],
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
        paths=leave_out, others=others)


def _action(bundle: Bundle, books: Books, session: Session) -> str:
    name, version = bundle.descriptor.name, bundle.descriptor.version
    if name in books.registry.damaged:
        raise UsageError(
            f"the record of plugin {name} is damaged: {books.registry.damaged[name]}",
            hint=books.damaged_hint(name))
    record = books.records.get(name)
    if record is None:
        return INSTALL
    order = compare(version, record.version)
    if order < 0:
        raise UsageError(f"plugin {name} {record.version} is installed; {version} is older",
                         hint=f"To go back, run dnf node-plugin remove {name} first.")
    if order > 0:
        return UPGRADE
    return KEEP if session.installed().keys() >= set(record.nevras) else REPAIR


def _package_notes(jobs: Sequence[Job], packages: Sequence[PackageChange],
                   books: Books) -> Iterator[str]:
    """Yield lines about signatures that are not checked, and packages of other plugins."""
    for repo in sorted({package.repo for package in packages
                        if package.arrives and not package.signed}):
        yield f"Signatures of packages from {repo} are not checked (gpgcheck is off)."
    yield from preview.changed_for_others(jobs, packages, books)


def _kept(record: Record, bundle: Bundle, session: Session, run: Runner) -> PluginAction:
    """Return that an installed plugin is not changed, with its problems as notes."""
    check = verification.check(record, session.installed(), session, run=run)
    return preview.kept(record, source=bundle.source, notes=check.problems,
                        next_step=next_steps.repair_command(
                            [check], session.target, live_allowed=session.policy.config.live))


def _jobs(active: Sequence[Bundle], actions: Mapping[str, str], books: Books,
          contexts: Sequence[Context], shares: Mapping[str, Set[str]], session: Session,
          reasons: Reasons,
          ) -> Tuple[Tuple[Job, ...], Revert]:
    wanted = {context.plugin: selection.wanted(bundle.descriptor, context)
              for bundle, context in zip(active, contexts)}
    wanted = {plugin: in_order((*items, *module_index.carried(
        items, books.ledger.state(plugin).settings, books.root)))
        for plugin, items in wanted.items()}
    held = checking.held(books.ledger, wanted)
    contexts = [replace(context, held=held, persistent=[
        item.key for item in wanted[context.plugin] if item.kind == persistent_paths.KIND.name])
        for context in contexts]
    upgrades, revert = plan_upgrades(
        wanted, contexts, books.ledger, books.root,
        repaired=[name for name in wanted if actions[name] == REPAIR],
        replaced=[name for name in wanted if actions[name] == REPAIR
                  and _is_image_replaced(books.records[name], session)],
        reasons=reasons)
    return tuple(
        Job(bundle=bundle, action=actions[name], old=books.records.get(name),
            packages=tuple(sorted(shares[name])), upgrade=upgrades[name], context=context)
        for name, bundle, context in zip(wanted, active, contexts)), revert


def _is_image_replaced(record: Record, session: Session) -> bool:
    """Return whether the record of a plugin comes from another image than that in the root."""
    if record.nevras:
        return session.installed().keys().isdisjoint(record.nevras)
    target = session.target
    return target.is_node and record.target_version != target.version


def _contexts(active: Sequence[Bundle], shares: Mapping[str, Set[str]], books: Books,
              session: Session, packages: Sequence[PackageChange], arrivals: Arrivals,
              run: Runner) -> List[Context]:
    files = {package.nevra: package.files for package in arrivals.packages}
    facts = requirements.facts_of(session, packages, books)
    leaving = leaving_out.LeavingOut(active=active, shares=shares, arrivals=arrivals,
                                     books=books, session=session, facts=facts)
    contexts = []
    for bundle in active:
        name = bundle.descriptor.name
        leavable = leaving.leavable(name)
        paths = {path: 0 for nevra in shares[name]
                 for path in files.get(nevra) or session.files(nevra)
                 if path not in leavable.sizes}
        contexts.append(Context(root=books.root, plugin=name, files=paths, run=run, facts=facts,
                                leavable=leavable, live=is_booted(books.root),
                                sealed=session.sealed))
    return kernel_fits.with_module_fits(contexts, packages, session.rpm_files())
