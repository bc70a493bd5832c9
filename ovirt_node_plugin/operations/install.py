"""Install, upgrade and repair plugins in a root, as one transaction."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Collection, Iterator, Mapping, Optional, Sequence, Tuple

from ..errors import DisputedFile, NodePluginError, Reasons
from ..packages.contents import removed_paths, resolved_paths
from ..packages.dnf_types import DnfDisplay
from ..packages.session import PackageChange, Session
from ..plugin.bundle import Bundle
from ..policy.given_parameters import NOTHING_GIVEN, GivenParameters
from ..policy.trust_floor import NO_FLOOR, TrustFloor
from ..registry.record import Record
from ..settings.engine.kinds import remarks
from ..settings.engine.live import switch_off
from ..settings.engine.revert import Revert, do_revert
from ..settings.engine.upgrade import make_accounts
from ..settings.placed import tmpfiles
from ..settings.services import package_units
from ..system.run import Runner
from . import verification
from .apply import (
    change,
    created_paths,
    expected_units,
    install_steps,
    inventories,
    live,
    scriptlets,
    transaction_notes,
)
from .apply.configuration_copies import ConfigurationCopies
from .apply.factory import Factory
from .apply.other_plugins import OtherPlugins
from .apply.package_folders import PackageFolders
from .model import next_steps
from .model.books import Books
from .model.installation import Installation
from .model.jobs import Job
from .model.parameter_values import ParameterValues, refuse_unknown
from .model.results import KEEP, Notable, Plan, PluginAction, Space
from .plan import (
    active_settings,
    active_units,
    allowed_paths,
    catalog_rules,
    conflicts,
    earlier_accounts,
    image_state,
    leaving_out,
    majors,
    noteworthy,
    origins,
    parameters,
    planned_jobs,
    preview,
    reasons_by_plugin,
    refused_headers,
    replaced_packages,
    requirements,
    skipped_scriptlets,
    solving,
    trust,
)
from .plan.arriving import Arrivals


def plan(bundles: Sequence[Bundle], session: Session, *, run: Runner,
         download: bool = True, skip_scriptlets: bool = False,
         again: solving.Again = solving.NOTHING,
         accounts_from: Optional[Path] = None,
         replaceable: Collection[str] = (),
         given: GivenParameters = NOTHING_GIVEN, floor: TrustFloor = NO_FLOOR) -> Installation:
    """Return what installing ``bundles`` would do to the session's root; only reads.

    Without ``download``, packages that are not on this machine are known only from the
    metadata of their repository. With ``skip_scriptlets``, scriptlets of packages that leave
    are not run. ``again`` are the plugins to repair, each with the packages to install again,
    or which are missing, and their checksums, by NEVRA. ``accounts_from`` is another root, in
    which accounts of the plugins have the numbers that they are to get, and parameters their
    values. ``replaceable`` are globs of the names of packages of no plugin that may be replaced
    on a host. ``given`` are other values of parameters. ``floor`` is the level of trust that each
    plugin has to reach.

    Raises NodePluginError with the reason if they cannot be installed, or SeveralReasons with
    all that are known, by plugin.
    """
    def planned(some: Sequence[Bundle]) -> Installation:
        return _plan(some, session, run=run, download=download, skip_scriptlets=skip_scriptlets,
                     again=again, accounts_from=accounts_from, replaceable=replaceable,
                     given=given, floor=floor)

    def failure(some: Sequence[Bundle]) -> Optional[NodePluginError]:
        session.forget_excludes()
        try:
            planned(some)
        except NodePluginError as error:
            return error
        return None

    refuse_unknown([bundle.descriptor for bundle in bundles], given)
    try:
        return planned(bundles)
    except NodePluginError as exc:
        raise reasons_by_plugin.reasons(bundles, exc, failure, session.target) from exc


def _plan(bundles: Sequence[Bundle], session: Session, *, run: Runner,
          download: bool, skip_scriptlets: bool, again: solving.Again,
          accounts_from: Optional[Path], replaceable: Collection[str],
          given: GivenParameters, floor: TrustFloor) -> Installation:
    """Return the plan for ``bundles``; raise all reasons against it, not by plugin."""
    target, books, reasons = session.target, Books(session.target.root), Reasons()
    actions = planned_jobs.actions_of(bundles, books, session, repaired=again, reasons=reasons)
    values = parameters.planned(bundles, actions, given, books, accounts_from, reasons)
    active = [bundle for bundle in bundles if actions.get(bundle.descriptor.name, KEEP) != KEEP]
    notes = catalog_rules.check(active, actions, floor, target, reasons)
    _check_before(active, session, reasons)
    with reasons.ending():
        notes += majors.check(target)
        solution = solving.solve(active, books, session, again=again)
        packages = session.fetch(solution.packages, download=download)
        leaving = leaving_out.LeavingOut(active=active, shares=solution.shares,
                                         packages=packages, books=books, session=session)
    arrivals, gone = leaving.unpacked(), replaced_packages.replaced(packages, books)
    with reasons.collected():
        replaced_packages.check(gone, [bundle.descriptor.name for bundle in active], replaceable)
    _check_packages(active, packages, arrivals, books, session, reasons)
    with reasons.ending():
        contexts = earlier_accounts.with_earlier(planned_jobs.contexts_of(
            active, solution.shares, books, session, packages, leaving, run, values),
            accounts_from)
        jobs, revert = planned_jobs.jobs_of(active, actions, books, contexts, solution.shares,
                                            session, reasons)
    jobs = _described(jobs, values, packages, books, session)
    space = preview.space(target, packages)
    disputed = _check_files(jobs, arrivals, books, session, space, reasons)
    jobs = trust.judged(jobs, packages, books, session, floor, run=run, reasons=reasons)
    _check_signatures(session, reasons, download=download)
    reasons.raise_any()
    known = preview.known_keys(packages, session, network=download)
    skipped = skipped_scriptlets.of_leaving(packages, session) if skip_scriptlets else ()
    notes += [*replaced_packages.notes(gone), *_package_notes(jobs, packages, books),
              *allowed_paths.notes(disputed), *skipped_scriptlets.notes(skipped),
              *preview.estimate(packages), *preview.of_system(target)]
    return Installation(
        Plan(
            operation="install", target=target,
            plugins=(*(preview.action(job, jobs, packages, books, revert, known) for job in jobs),
                     *(_kept(books.records[bundle.descriptor.name], bundle, session, run)
                       for bundle in bundles if bundle not in active)),
            packages=packages, table=session.table(), notes=tuple(notes), space=space,
            signatures=preview.signatures(packages, session, known),
            noteworthy=_noteworthy(arrivals, jobs, session),
            disputed_files=disputed, replaced=gone),
        jobs, books, revert, skipped_scriptlets=skipped)


def _check_before(active: Sequence[Bundle], session: Session, reasons: Reasons) -> None:
    """Add what is known against ``active`` before the solve to ``reasons``."""
    for bundle in active:
        with reasons.collected():
            requirements.check_before(bundle, session)


def _described(jobs: Sequence[Job], values: Mapping[str, ParameterValues],
               packages: Sequence[PackageChange], books: Books,
               session: Session) -> Tuple[Job, ...]:
    """Return ``jobs`` with the values of their parameters and the origins of their plugins."""
    return tuple(replace(job, parameters=values[job.name], origin=origins.origin_of(
        job.bundle, job.packages, packages, books, session)) for job in jobs)


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


def _check_signatures(session: Session, reasons: Reasons, *, download: bool) -> None:
    """Add what signatures say to ``reasons``; without any, they are checked after the question."""
    if reasons and download:
        with reasons.collected():
            session.check_certain_signatures()


def _noteworthy(arrivals: Arrivals, jobs: Sequence[Job], session: Session) -> Tuple[Notable, ...]:
    """Return what deserves a review: files of packages, and settings that change others' units.

    In image mode, this is also what a deployed host does not get with a new image.
    """
    sources = [item.value for job in jobs for item in job.upgrade.order
               if item.kind == tmpfiles.KIND]
    files = session.rpm_files()
    others = [*active_settings.notables(jobs), *(
        image_state.not_updated(arrivals, sources, files) if session.target.image_mode else ())]
    return noteworthy.noteworthy(
        arrivals, others, files=files, sources=sources, texts=[*active_settings.texts(jobs)],
        owner=jobs[0].context.facts.owner if jobs else active_units.nobody)


def _package_notes(jobs: Sequence[Job], packages: Sequence[PackageChange],
                   books: Books) -> Iterator[str]:
    """Yield lines about signatures that are not checked, packages of others, and accounts."""
    for repo in sorted({package.repo for package in packages
                        if package.arrives and not package.signed}):
        yield f"Signatures of packages from {repo} are not checked (gpgcheck is off)."
    yield from trust.notes(jobs)
    yield from preview.changed_for_others(jobs, packages, books)
    if jobs:
        yield from majors.account_notes(packages, jobs[0].context)


def _kept(record: Record, bundle: Bundle, session: Session, run: Runner) -> PluginAction:
    """Return that an installed plugin is not changed, with its problems as notes."""
    check = verification.check(record, session.installed(), session, run=run)
    return preview.kept(record, source=bundle.source, notes=check.problems,
                        next_step=next_steps.repair_command(
                            [check], session.target, live_allowed=session.policy.config.live))


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
    intent = install_steps.intent(ready)
    session.check_unchanged(packages)
    leave_out = leaving_out.left_out(jobs)
    others = OtherPlugins(intent.plugins, packages, books, session=session, run=context.run)
    folders, copies = PackageFolders(packages, session), ConfigurationCopies(packages, root)
    image_mode, factory = session.target.image_mode, Factory(ready.plan.target)
    scope = install_steps.scope(ready, packages, leave_out, others.places)
    with change.journaled(session, intent, scope, run=context.run) as opened:
        old = inventories.previous(jobs, session)
        notes = [*switch_off(revert.live, context)]
        do_revert(revert, context)
        package_units.stop(removed_paths(packages), context)
        package_units.expect([*expected_units.absent(jobs), *(
            path for package in packages if package.arrives for path in package.files)], context)
        accounts = make_accounts([(job.upgrade, job.context) for job in jobs], books.ledger)
        report, package_notes = install_steps.change_packages(
            ready, session, displays, opened, old, others, leave_out=leave_out)
        created = created_paths.create(jobs, packages)
        effects = install_steps.effects(
            ready, packages, opened, folders=folders.arriving,
            since={**accounts, **created.entries, **folders.overwritten(books.ledger)},
            ours={*(restored.path for restored in revert.restore), *copies.paths})
        requirements.check_effects((*created.changes, *effects), root)
        if any(job.keys for job in jobs):
            requirements.check_mode(session.target, image_mode=image_mode)
        doers = install_steps.doers(ready, report, opened.watches)
        notes += [*package_notes, *transaction_notes.effects(
            effects, {*resolved_paths(packages, root), *folders.arriving}, doers),
            *transaction_notes.moved(opened.moved(), doers), *created.notes, *copies.notes()]
        shares = created.before(scriptlets.split(effects, jobs, packages, root))
        installed = inventories.Inventories(ready, packages, session, old=old,
                                            effects=shares, left_out=leave_out)
        with session.progress.step("settings", "Applying settings"):
            ready, released = install_steps.switch_on(ready, shares, folders)
            notes += (*released.notes, *live.switch_on(jobs, revert, packages, books.ledger))
        notes += (remark for job in jobs
                  for remark in remarks(books.ledger.state(job.name).settings, job.context))
        install_steps.save(ready, session, installed, factory)
    return tuple(notes)
