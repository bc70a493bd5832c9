"""Repair installed plugins: install damaged packages again, and apply changed settings again.

A repair keeps the version of a plugin and of its packages. Its descriptor is that of the undo
data; only packages are taken from a source.
"""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import (
    Collection,
    ContextManager,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from ..errors import NodePluginError, UsageError
from ..packages.repos import bundle_repo_id
from ..packages.session import Session
from ..plugin.bundle import Bundle, opened
from ..policy.given_parameters import NOTHING_GIVEN, GivenParameters
from ..policy.trust_floor import NO_FLOOR, TrustFloor
from ..registry import store
from ..registry.record import Record, source_repo
from ..system.nevra import name_of
from ..system.run import Runner
from ..system.trees import Relative, folders_above
from . import find, install, matching
from .model.installation import Installation
from .model.parameter_values import refuse_unknown
from .model.results import (
    IN_CONFIG,
    IN_FILE,
    IN_PACKAGE,
    IN_SCRIPTLET,
    REPAIR,
    Check,
    Plan,
    PluginAction,
    Unrepaired,
)
from .plan import preview

# Kinds of findings for which packages are installed again
_OF_PACKAGES = (IN_PACKAGE, IN_FILE, IN_SCRIPTLET)
_NO_OFFER = ("Give the path of the plugin's bundle, or name the repository that has the package"
             " with --enablerepo=ID.")

_NO_RECORD = ("A damaged record, or damaged undo data, is not repaired: restore the file from a"
              " copy of the root.")


@dataclass(frozen=True)
class Sources:
    """The plugins to repair, and where their packages come from.

    ``names`` are the plugins, ``given`` those whose bundle was given by its path.
    ``bundles`` are open, also those that records name. ``repos`` are the ids of the
    repositories that records name, and ``problems`` the reasons why a recorded bundle cannot
    be used, both by plugin.
    """

    names: Tuple[str, ...]
    given: Mapping[str, Bundle]
    bundles: Tuple[Bundle, ...]
    repos: Mapping[str, Tuple[str, ...]]
    problems: Mapping[str, str]

    @property
    def repo_ids(self) -> Set[str]:
        """The ids of all repositories that records name."""
        return {repo_id for repo_ids in self.repos.values() for repo_id in repo_ids}


@dataclass(frozen=True)
class _Repair:
    """The repair of one plugin: its packages to install again, by NEVRA with their checksums.

    ``possible`` tells whether anything of it is repaired, ``lacking`` whether a package is not
    offered; ``reasons`` are why something is not repaired.
    """

    packages: Mapping[str, str]
    possible: bool
    lacking: bool
    reasons: Tuple[str, ...]


def open_sources(words: Sequence[str], root: Path, stack: contextlib.ExitStack, *,
                 run: Runner) -> Sources:
    """Open the bundles from which the plugins ``words`` are repaired, all plugins without any.

    A word is a name, or the path of a bundle that is used instead of the recorded one. The
    bundles stay open until ``stack`` is closed.

    Raises UnknownPlugin for a plugin that is not installed, and UsageError for a bundle of
    another version than the installed one.
    """
    registry = store.read_registry(root)
    given = {bundle.descriptor.name: bundle for bundle in find.open_paths(
        [word for word in words if find.is_path(word)], stack, run=run)}
    names = matching.installed(
        [*(word for word in words if not find.is_path(word)), *given], root)
    chosen = names if words else tuple(sorted({*registry.records, *registry.damaged}))
    records = {name: registry.records[name] for name in chosen if name in registry.records}
    for name, bundle in given.items():
        _refuse_other_version(bundle, records.get(name))
    bundles, problems = list(given.values()), {}
    for name, record in records.items():
        if name not in given and not source_repo(record.source):
            try:
                bundles.append(stack.enter_context(_recorded_bundle(record, run)))
            except NodePluginError as exc:
                problems[name] = exc.message
    return Sources(names=chosen, given=given, bundles=tuple(bundles), problems=problems,
                   repos={name: _repos(record) for name, record in records.items()})


def needs_packages(checks: Iterable[Check]) -> Set[str]:
    """Return the plugins of which packages have to be installed again."""
    return {check.name for check in checks for finding in check.findings
            if finding.kind in _OF_PACKAGES}


def plan(checks: Sequence[Check], sources: Sources, session: Session, *,
         run: Runner, skip_scriptlets: bool = False,
         replaceable: Collection[str] = (),
         given: GivenParameters = NOTHING_GIVEN, floor: TrustFloor = NO_FLOOR) -> Installation:
    """Return how to repair what ``checks``, the answer of verify, found; only reads.

    What cannot be repaired is in ``plan.unrepaired``. ``skip_scriptlets``, ``replaceable``,
    ``given`` and ``floor`` are as in ``install.plan``. Raises as that.
    """
    root = session.target.root
    records = store.read_registry(root).records
    repairs = {check.name: _repair_of(check, records[check.name], sources, session)
               for check in checks if check.is_repairable}
    again = {name: repair.packages for name, repair in repairs.items() if repair.possible}
    unrepaired = [Unrepaired(check.name, check.version,
                             repairs[check.name].reasons if check.name in repairs
                             else check.problems) for check in checks if check.problems]
    ready = (install.plan([_bundle(name, sources, root) for name in again], session, run=run,
                          skip_scriptlets=skip_scriptlets, again=again,
                          replaceable=replaceable, given=given, floor=floor) if again
             else install.nothing(session))
    if not again:
        refuse_unknown((), given)
    by_name = {check.name: check for check in checks}
    plugins = [_with_problems(action, by_name[action.name]) for action in ready.plan.plugins]
    plugins += [preview.kept(records[check.name], source=records[check.name].source)
                for check in checks if not check.problems]
    notes = [*ready.plan.notes, *(note for name, packages in again.items()
                                  for note in _kept_configuration(by_name[name], packages))]
    if any(repair.lacking for repair in repairs.values()):
        notes.append(_NO_OFFER)
    if any(check.problems and not check.is_repairable for check in checks):
        notes.append(_NO_RECORD)
    return replace(ready, plan=replace(
        ready.plan, operation="repair", plugins=tuple(plugins), notes=tuple(notes),
        unrepaired=tuple(plugin for plugin in unrepaired if plugin.reasons)))


def outcome(done: Plan, checks: Iterable[Check]) -> Plan:
    """Return the plan ``done`` with what is still wrong, as verify found afterwards."""
    reasons = {plugin.name: plugin.reasons for plugin in done.unrepaired}
    return replace(done, unrepaired=tuple(
        Unrepaired(check.name, check.version,
                   tuple(dict.fromkeys((*reasons.get(check.name, ()), *check.problems))))
        for check in checks if check.problems))


def _recorded_bundle(record: Record, run: Runner) -> ContextManager[Bundle]:
    """Return the bundle that the record names, to be opened."""
    if not os.path.isabs(record.source):
        raise UsageError(f"its source {record.source} is not on this machine")
    return opened(Path(record.source), run=run)


def _repos(record: Record) -> Tuple[str, ...]:
    """Return the repositories from which the plugin and its packages came."""
    repo_ids = {source_repo(record.source), *(package.repo for package in record.packages)}
    return tuple(sorted(repo_ids - {"", bundle_repo_id(record.name)}))


def _refuse_other_version(bundle: Bundle, record: Optional[Record]) -> None:
    name, version = bundle.descriptor.name, bundle.descriptor.version
    if record is not None and record.version != version:
        raise UsageError(
            f"{bundle.source} has plugin {name} {version}, and {record.version} is installed",
            hint=f"Give a bundle of version {record.version}. To change the version, run dnf"
                 f" node-plugin install {bundle.source}")


def _bundle(name: str, sources: Sources, root: Path) -> Bundle:
    """Return the plugin as it is installed, with the bundle that was given as its source."""
    bundle = find.installed_bundle(name, root)
    return replace(bundle, source=sources.given[name].source) if name in sources.given else bundle


def _repair_of(check: Check, record: Record, sources: Sources, session: Session) -> _Repair:
    """Return how one plugin is repaired, as far as the repositories of this run allow it."""
    wanted = _damaged_packages(check, record)
    offered, installed = session.offered(wanted), session.installed()
    absent, lacking = wanted.keys() - installed.keys(), wanted.keys() - offered
    problem = sources.problems.get(check.name, "")
    reasons = [f"package {nevra} cannot be installed again: no repository of this run offers it"
               + (f"; {problem}" if problem else "") for nevra in sorted(lacking)]
    core = session.core_packages()
    blocked = {nevra: other for nevra in sorted(absent) for other, name in installed.items()
               if other in core and name == name_of(nevra)}
    reasons += [f"package {nevra} cannot take the place of {other}, which no plugin has"
                for nevra, other in blocked.items()]
    obstacles = _obstacles(wanted.keys() & installed.keys(), session)
    reasons += obstacles
    others = any(finding.is_damage and finding.kind not in _OF_PACKAGES
                 for finding in check.findings)
    return _Repair(
        packages={nevra: wanted[nevra] for nevra in sorted(offered)},
        possible=(not blocked and not obstacles and absent <= offered
                  and bool(offered or others)),
        lacking=bool(lacking), reasons=tuple(reasons))


def _obstacles(nevras: Collection[str], session: Session) -> List[str]:
    """Return a line for each place where rpm cannot unpack a package: of another kind."""
    root = session.target.root
    relative = Relative(root)
    folders: Dict[str, bool] = {}  # whether a folder of the packages has to be one
    for header in session.installed_headers(nevras).values():
        for file in header.files:
            path = relative(file.path)
            folders.update(dict.fromkeys(folders_above(path), True))
            if not file.ghost:
                folders[path] = file.is_folder
    lines = []
    for path, wanted in sorted(folders.items()):
        if os.path.lexists(root / path) and wanted != os.path.isdir(root / path) and not (
                os.path.islink(root / path)):
            lines.append(f"/{path} is a {'file' if wanted else 'folder'} now, which rpm does not"
                         f" replace by a {'folder' if wanted else 'file'}: move it away")
    return lines


def _damaged_packages(check: Check, record: Record) -> Dict[str, str]:
    """Return the packages of findings, with their checksums; all if a finding names none."""
    damaged = {finding.package for finding in check.findings
               if finding.kind in _OF_PACKAGES}
    return {package.nevra: package.checksum for package in record.packages
            if package.nevra in damaged or "" in damaged}


def _with_problems(action: PluginAction, check: Check) -> PluginAction:
    return replace(action, repairs=check.problems) if action.action == REPAIR else action


def _kept_configuration(check: Check, packages: Mapping[str, str]) -> List[str]:
    """Return lines about changed configuration files of ``packages``, which rpm keeps."""
    return [f"{finding.text}; rpm keeps changed content, and sets mode and owner again where"
            " only these differ."
            for finding in check.findings
            if finding.kind == IN_CONFIG and finding.package in packages]
