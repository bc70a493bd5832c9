"""Install, upgrade and repair: plugins into a root, as one transaction."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from .. import journal, registry
from ..bundle import Bundle
from ..changes import EFFECTS, Applied, Change
from ..descriptor import Install
from ..errors import UnmetDependency, UsageError
from ..manifest import Manifest
from ..packages.session import PackageChange, Request, Session
from ..record import InstalledPackage, Record
from ..run import Runner
from ..settings import engine, module_index
from ..settings.apply import chained
from ..settings.kinds import KINDS, is_derived
from ..settings.model import Context
from ..versions import compare
from . import change, requirements
from .books import Books, effects_of, settings_of
from .facts import facts_of
from .results import INSTALL, KEEP, REPAIR, UPGRADE, Plan, PluginAction


@dataclass(frozen=True)
class Job:
    """One plugin of an installation: its bundle, what is there, what is to be.

    ``old`` is the record of the version that is installed, if one is; ``packages``
    the NEVRAs it brings or shares; ``revert`` undoes the settings that go.
    """

    bundle: Bundle
    action: str
    old: Optional[Record]
    packages: Tuple[str, ...]
    upgrade: engine.Upgrade
    revert: engine.Revert
    context: Context

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.bundle.descriptor.name


@dataclass(frozen=True)
class Installation:
    """A plan, and all that is needed to carry it out."""

    plan: Plan
    jobs: Tuple[Job, ...]
    books: Books


def plan(bundles: Sequence[Bundle], session: Session, *, run: Runner) -> Installation:
    """Return what installing ``bundles`` would do to the session's root; change nothing.

    Raises NodePluginError of the kind that says why they cannot go in.
    """
    target = session.target
    books = Books(target.root)
    actions = {bundle.descriptor.name: _action(bundle, books, session) for bundle in bundles}
    active = [bundle for bundle in bundles if actions[bundle.descriptor.name] != KEEP]
    requirements.check_before(active, target)
    packages = _solve(active, books, session)
    requirements.check_after(active, session, packages)
    packages = session.fetch(packages)
    requirements.check_files(packages, target)
    jobs = _jobs(active, actions, books, session, packages, run)
    change.refuse_full(target, packages)
    kept = [_kept(bundle, books) for bundle in bundles if bundle not in active]
    return Installation(
        Plan("install", target, tuple([_told(job) for job in jobs] + kept), packages,
             session.table(), _notes(packages)),
        jobs, books)


def carry_out(ready: Installation, session: Session, *, displays: Sequence[Any]) -> None:
    """Do what ``ready`` says: packages, settings, records, with a journal around it all.

    The packages' signatures must have been checked. Raises RolledBack for
    whatever fails; the root is then as it was.
    """
    root, books = session.target.root, ready.books
    packages = ready.plan.packages
    intent = journal.Intent(_operation(ready.jobs), tuple(job.name for job in ready.jobs),
                            change.TOOL)
    undone = [one for job in ready.jobs for one in job.revert.restore]
    what = change.scope(
        session.target, packages, records=[*books.records, *intent.plugins],
        kernels=_kernels(packages, ready.jobs), changes=undone,
        folders=[folder for job in ready.jobs for folder in _folders(job)])
    with change.journaled(session, intent, what) as opened:
        reverts = [_switch_off(job, books) for job in ready.jobs]
        if packages:
            change.run_packages(session, displays)
        effects = opened.effects(
            owned=change.package_paths(root, packages),
            replaced=change.package_paths(root, [one for one in packages
                                                 if one.action == "remove"]),
            ours={one.path for revert in reverts for one in revert.restore})
        requirements.check_effects(effects)
        moment = registry.installed_now()
        for job, revert in zip(ready.jobs, reverts):
            applied = _switch_on(job, revert, books, effects)
            effects = ()
            _save(job, ready, session, applied, moment)
        books.save_touched(without=intent.plugins)


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


def _solve(active: Sequence[Bundle], books: Books,
           session: Session) -> Tuple[PackageChange, ...]:
    if not active:
        return ()
    _refuse_two_versions(active)
    upgrades = [name for bundle in active for name in _old_names(bundle, books, session)]
    request = Request(
        subject=_subject(active),
        installs=tuple(install for bundle in active for install in bundle.descriptor.installs),
        upgrades=tuple(dict.fromkeys(upgrades)),
        excludes=tuple(glob for bundle in active for glob in bundle.descriptor.excludes))
    packages = session.solve(request)
    orphans = _orphans(active, books, session)
    if orphans:
        packages = session.solve(replace(request, erases=orphans))
    return packages


def _asked(active: Sequence[Bundle]) -> Dict[str, List[str]]:
    return {bundle.descriptor.name: [one.name for one in bundle.descriptor.installs]
            for bundle in active}


def _old_names(bundle: Bundle, books: Books, session: Session) -> List[str]:
    record = books.records.get(bundle.descriptor.name)
    if record is None:
        return []
    present = session.installed()
    return [present[package.nevra] for package in record.packages if package.nevra in present]


def _orphans(active: Sequence[Bundle], books: Books, session: Session) -> Tuple[str, ...]:
    """Return the packages of old versions that nothing asks for any more."""
    shares = session.attribute(_asked(active), books.packages)
    gone: Set[str] = set()
    claimed: Set[str] = set()
    for name, record in books.records.items():
        mine = {package.nevra for package in record.packages}
        if name in shares:
            gone |= mine - shares[name]
        else:
            claimed |= mine
    touched = {one.name for one in session.packages()}
    present = session.installed()
    left = [nevra for nevra in gone - claimed - set().union(*shares.values())
            if nevra in present and present[nevra] not in touched]
    return session.removable(left)[0] if left else ()


def _jobs(active: Sequence[Bundle], actions: Mapping[str, str], books: Books,
          session: Session, packages: Sequence[PackageChange], run: Runner) -> Tuple[Job, ...]:
    shares = session.attribute(_asked(active), books.packages)
    files = {one.nevra: one.files for one in packages if one.action != "remove"}
    planned: Dict[str, Sequence[Applied]] = {
        **books.others(without=[bundle.descriptor.name for bundle in active])}
    jobs: List[Job] = []
    for bundle in active:
        name = bundle.descriptor.name
        paths = {path: 0 for nevra in shares[name]
                 for path in files.get(nevra) or session.files(nevra)}
        context = Context(root=session.target.root, plugin=name, files=paths, run=run,
                          facts=facts_of(session, packages))
        wanted = engine.wanted(bundle.descriptor, context)
        upgrade = engine.plan_upgrade(settings_of(books.applied(name)), wanted, planned, context,
                                      repair=actions[name] == REPAIR)
        jobs.append(Job(bundle, actions[name], books.records.get(name),
                        tuple(sorted(shares[name])), upgrade,
                        _plan_revert(upgrade, name, books, context), context))
        planned[name] = engine.planned(wanted)
    return tuple(jobs)


def _plan_revert(upgrade: engine.Upgrade, name: str, books: Books,
                 context: Context) -> engine.Revert:
    effects = tuple(one for one in books.applied(name) if one.kind == EFFECTS)
    return engine.plan_revert(
        upgrade.gone, {**books.others([name]), name: (*upgrade.kept, *effects)}, context.root)


def _switch_off(job: Job, books: Books) -> engine.Revert:
    """Put back the settings that go; planned anew, as earlier jobs may have handed some over."""
    revert = _plan_revert(job.upgrade, job.name, books, job.context)
    engine.do_revert(revert, job.context)
    effects = tuple(one for one in books.applied(job.name) if one.kind == EFFECTS)
    books.take({job.name: (*job.upgrade.kept, *effects)})
    books.take(revert.handed)
    return revert


def _switch_on(job: Job, revert: engine.Revert, books: Books,
               effects: Tuple[Change, ...]) -> Tuple[Applied, ...]:
    """Bring a plugin's settings to those of its new version; return them, and its effects."""
    books.take(engine.finish_revert(revert, books.others(()), job.context).handed)
    applied = engine.apply_upgrade(job.upgrade, job.context, kept=books.applied(job.name),
                                   others=books.others([job.name]))
    left = chained(effects_of(applied), effects)
    applied = settings_of(applied)
    if left:
        applied = (*applied, Applied(EFFECTS, "", "", "", left))
    books.take({job.name: applied})
    return applied


def _save(job: Job, ready: Installation, session: Session, applied: Tuple[Applied, ...],
          moment: str) -> None:
    descriptor, target = job.bundle.descriptor, session.target
    record = Record(
        name=descriptor.name, version=descriptor.version, vendor=descriptor.vendor,
        summary=descriptor.summary, installed_at=moment, tool=change.TOOL,
        mode="online" if target.live else "offline", source=job.bundle.source,
        target_kind=target.kind, target_version=target.version,
        repos=_own_repos(job, session),
        packages=_recorded(job, ready, session), settings=settings_of(applied),
        together=_together(job, ready.jobs))
    registry.save(target.root, record, Manifest(
        name=descriptor.name, descriptor=descriptor.source_xml, settings=settings_of(applied),
        effects=effects_of(applied)))


def _recorded(job: Job, ready: Installation, session: Session) -> Tuple[InstalledPackage, ...]:
    """Return the plugin's packages as its record has them; shared ones as the other's has."""
    known = {nevra: (one.checksum, one.repo) for nevra, one in ready.books.packages.items()}
    known.update((one.nevra, (one.checksum, one.repo)) for one in ready.plan.packages
                 if one.action != "remove")
    asked = {install.name for install in job.bundle.descriptor.installs}
    names = session.names_of(job.packages)
    return tuple(InstalledPackage(
        nevra, known.get(nevra, ("", ""))[0],
        "requested" if names.get(nevra) in asked else "dependency",
        known.get(nevra, ("", ""))[1]) for nevra in job.packages)


def _together(job: Job, jobs: Sequence[Job]) -> Tuple[str, ...]:
    """Return the plugins with which this one came in one transaction, now or before."""
    before = job.old.together if job.old else ()
    return tuple(sorted({*before, *(one.name for one in jobs)} - {job.name}))


def _own_repos(job: Job, session: Session) -> Tuple[str, ...]:
    """Return the repositories that are the plugin's: its bundle's, or the one that carries it."""
    own = set(job.bundle.descriptor.repo_ids) | set(job.old.repos if job.old else ())
    if job.bundle.source.startswith("repo "):
        own.add(job.bundle.source[len("repo "):])
    return tuple(sorted(own))


def _told(job: Job) -> PluginAction:
    descriptor = job.bundle.descriptor
    return PluginAction(
        job.action, descriptor.name, descriptor.version, job.old.version if job.old else "",
        descriptor.vendor, descriptor.summary, job.bundle.source, job.packages,
        on=(*(one.text for one in job.upgrade.fresh),
            *(f"again: {one.text}" for one in job.upgrade.refreshed)),
        off=tuple(f"undo {engine.text_of(one)}" for one in job.upgrade.gone),
        notes=(*engine.left_out(descriptor, job.context), *job.upgrade.notes,
               *job.revert.notes))


def _kept(bundle: Bundle, books: Books) -> PluginAction:
    descriptor = bundle.descriptor
    return PluginAction(KEEP, descriptor.name, descriptor.version, descriptor.version,
                        descriptor.vendor, descriptor.summary, bundle.source,
                        tuple(one.nevra for one in books.records[descriptor.name].packages))


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


def _subject(active: Sequence[Bundle]) -> str:
    names = [f"{bundle.descriptor.name} {bundle.descriptor.version}" for bundle in active]
    return f"plugin {names[0]}" if len(names) == 1 else "plugins " + ", ".join(names)


def _refuse_two_versions(active: Sequence[Bundle]) -> None:
    wanted: Dict[str, Tuple[str, Install]] = {}
    for bundle in active:
        for install in bundle.descriptor.installs:
            other, before = wanted.setdefault(install.name, (bundle.descriptor.name, install))
            if before.version and install.version and before.version != install.version:
                raise UnmetDependency(
                    f"plugin {other} needs {install.name} {before.version} and plugin"
                    f" {bundle.descriptor.name} needs {install.name} {install.version}:"
                    " both cannot be installed",
                    hint="Install one of them, or ask their vendors for versions that agree.")
