"""Look without changing: list, info, verify."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Sequence, Tuple

from ..errors import NodePluginError, RecordError, UnknownPlugin, not_installed
from ..packages import rpmdb
from ..packages.session import Session
from ..plugin.bundle import Bundle
from ..plugin.descriptor import Descriptor, parse_descriptor
from ..plugin.library import Library, check_name
from ..registry import store
from ..registry.record import Record
from ..registry.store import Registry
from ..registry.undo_data import UndoData
from ..settings.engine import kinds, live, selection
from ..settings.kit.model import Context
from ..system.nevra import name_of
from ..system.run import Runner
from . import drift, find, install
from .model.results import Check, PluginInfo, PluginState
from .plan import leaving_out
from .plan.requirements import facts_of


@dataclass(frozen=True)
class Wants:
    """Which plugins a list shows."""

    installed: bool
    available: bool

    @classmethod
    def of(cls, *, installed: bool, available: bool, everything: bool) -> Wants:
        """Return what the options mean; without any, what is installed."""
        return cls(installed or everything or not available, available or everything)


def list_plugins(session: Session, wants: Wants, *, names: Sequence[str],
                 run: Runner) -> Tuple[PluginState, ...]:
    """Return the plugins of the session's root, the library and the enabled repositories.

    ``names`` limits the list; installed ones come first, each part by name.
    """
    known = store.read_registry(session.target.root)
    present = session.installed()
    found: List[PluginState] = []
    if wants.installed:
        found += [_installed(record, _check(record, present, session, run).problems)
                  for record in known.records.values() if not names or record.name in names]
        found += [PluginState(name=name, version="", vendor="", summary="", state="broken",
                              source="", problems=(reason,))
                  for name, reason in known.damaged.items()]
    if wants.available:
        found += _available(session, known, hide_installed=wants.installed)
    shown = [state for state in found if not names or state.name in names]
    missing = sorted(set(names) - {state.name for state in shown})
    if missing:
        raise UnknownPlugin(f"no plugin {', '.join(missing)} to list",
                            hint="dnf node-plugin list --all shows the names that there are.")
    return tuple(shown)


def info(session: Session, bundles: Sequence[Bundle], rest: Sequence[str], *,
         run: Runner) -> Tuple[PluginInfo, ...]:
    """Return what is known of ``bundles``, and of the names ``rest``.

    A plugin that is installed is told as its record has it, and what is offered
    besides if that is another version.
    """
    known = store.read_registry(session.target.root)
    unknown = [name for name in rest if name not in known.records]
    for name in unknown:
        if name in known.damaged:
            raise RecordError(f"the record of plugin {name} is damaged: {known.damaged[name]}",
                              hint="dnf node-plugin verify says more.")
    offered = [*bundles, *find.find_in_metadata(unknown, session)]
    installed = [name for name in (*(one.descriptor.name for one in bundles), *rest)
                 if name in known.records]
    present = session.installed()
    found = [_recorded(known.records[name], session,
                       _check(known.records[name], present, session, run).problems)
             for name in dict.fromkeys(installed)]
    found += [_offered(bundle, session, run) for bundle in offered
              if bundle.descriptor.name not in known.records
              or known.records[bundle.descriptor.name].version != bundle.descriptor.version]
    return tuple(found)


def verify(session: Session, names: Sequence[str], *, run: Runner) -> Tuple[Check, ...]:
    """Compare records, packages, settings and files of the plugins ``names``, or of all.

    Raises UnknownPlugin for a name without a record.
    """
    known = store.read_registry(session.target.root)
    for name in names:
        check_name(name)
        if name not in known.records and name not in known.damaged:
            raise not_installed(name, session.target.root)
    present = session.installed()
    found = [_check(known.records[name], present, session, run) for name in known.records
             if not names or name in names]
    found += [Check(name, "", (f"its record is damaged: {reason}",))
              for name, reason in known.damaged.items() if not names or name in names]
    return tuple(sorted(found, key=lambda check: check.name))


def package_problems(record: Record, present: Mapping[str, str]) -> Tuple[str, ...]:
    """Return a line for each package of ``record`` that is not installed as recorded.

    ``present`` maps the NEVRAs that are installed to names.
    """
    versions: Dict[str, List[str]] = {}
    for nevra, name in present.items():
        versions.setdefault(name, []).append(nevra)
    lines = []
    for package in record.packages:
        if package.nevra in present:
            continue
        other = sorted(versions.get(name_of(package.nevra), ()))
        lines.append(f"package {package.nevra} is "
                     + (f"there as {', '.join(other)}" if other else "not installed"))
    if lines:
        lines.append("the image may have been replaced since; install the plugin again")
    return tuple(lines)


def _installed(record: Record, problems: Tuple[str, ...]) -> PluginState:
    return PluginState(name=record.name, version=record.version, vendor=record.vendor,
                       summary=record.summary, state="broken" if problems else "installed",
                       source=record.source, problems=problems)


def _available(session: Session, known: Registry, *, hide_installed: bool) -> List[PluginState]:
    found: Dict[str, PluginState] = {}
    for entry in Library(session.policy.config.library).entries():
        if entry.descriptor is None:
            found[entry.name] = PluginState(name=entry.name, version="", vendor="", summary="",
                                            state="available", source=str(entry.path),
                                            problems=(entry.problem,))
        else:
            found[entry.name] = _available_state(entry.descriptor, str(entry.path))
    for name, bundle in find.newest(session.metadata_bundles()[0]).items():
        found.setdefault(name, _available_state(bundle.descriptor, bundle.source))
    return [state for name, state in sorted(found.items())
            if not hide_installed or name not in known.records
            or known.records[name].version != state.version]


def _available_state(descriptor: Descriptor, source: str) -> PluginState:
    return PluginState(name=descriptor.name, version=descriptor.version, vendor=descriptor.vendor,
                       summary=descriptor.summary, state="available", source=source)


def _offered(bundle: Bundle, session: Session, run: Runner) -> PluginInfo:
    descriptor = bundle.descriptor
    context = Context(root=session.target.root, plugin=descriptor.name, files={}, run=run,
                      facts=facts_of(session, ()), live=live.is_live(session.target.root))
    known = _info(_available_state(descriptor, bundle.source), descriptor, "",
                  tuple(f"{one.name} {one.version}".rstrip() for one in descriptor.installs),
                  (*(one.text for one in selection.wanted(descriptor, context)),
                   *selection.left_out(descriptor, context)))
    if os.geteuid() != 0:  # what other plugins changed is not for everybody to read
        return known
    try:
        return replace(known, plan=install.plan([bundle], session, run=run, download=False).plan)
    except NodePluginError as exc:
        return replace(known, refused=exc.message)


def _recorded(record: Record, session: Session, problems: Tuple[str, ...]) -> PluginInfo:
    undo_data = store.read_undo_data(session.target.root, record.name)
    descriptor = parse_descriptor(undo_data.descriptor, origin=f"the undo data of {record.name}")
    return _info(_installed(record, problems), descriptor, record.installed_at,
                 tuple(package.nevra for package in record.packages),
                 tuple(f"{one.kind} {one.key} {one.value} (before: {one.before})".strip()
                       for one in record.settings))


def _info(state: PluginState, descriptor: Descriptor, installed_at: str,
          packages: Tuple[str, ...], settings: Tuple[str, ...]) -> PluginInfo:
    ranges = [("oVirt Node", descriptor.node_versions),
              ("ovirt-node-plugin", descriptor.tool_versions),
              *((need.name, need.versions) for need in descriptor.needs)]
    requires = tuple(f"{name} {versions}" for name, versions in ranges if versions)
    return PluginInfo(
        state=state, description=descriptor.description, url=descriptor.url,
        license=descriptor.license, installed_at=installed_at, repos=descriptor.repo_ids,
        packages=packages, settings=settings, requires=requires)


def _check(record: Record, present: Mapping[str, str], session: Session, run: Runner) -> Check:
    problems = list(package_problems(record, present))
    target = session.target
    there = [one.nevra for one in record.packages if one.nevra in present]
    if os.geteuid() == 0:  # rpm changes its root to look
        problems += [_altered(line) for line in rpmdb.verify_files(
            target.root, target.rpmdb, there, runner=run)
            if not _is_left_out(line, record)]
    try:
        undo_data: UndoData = store.read_undo_data(target.root, record.name)
    except NodePluginError as exc:
        return Check(record.name, record.version, (*problems, exc.message))
    files = {path: 0 for nevra in there for path in session.files(nevra)}
    context = Context(root=target.root, plugin=record.name, files=files, run=run,
                      leavable=leaving_out.recorded(record.settings, files, session),
                      live=live.is_live(target.root))
    problems += kinds.verify(undo_data.state.settings, context)
    problems += drift.effect_problems(undo_data.state.effects, target.root, files=files)
    problems += drift.inventory_problems(record, undo_data, target.root, look=os.geteuid() != 0)
    return Check(record.name, record.version, tuple(problems))


def _is_left_out(line: str, record: Record) -> bool:
    """Say if a line of ``rpm -V`` misses a file that is to be missing."""
    found = _MISSING.fullmatch(line)
    return found is not None and leaving_out.is_left_out(found.group(1), record.settings)


_MISSING = re.compile(r"missing +(?:[a-z] )?(/.*)")
# rpm(8), "VERIFY OPTIONS": the letters of a line, each at its own place.
_LETTERS = {"S": "size", "M": "mode", "5": "content", "D": "device number", "L": "link target",
            "U": "owner", "G": "group", "T": "time", "P": "capabilities"}


def _altered(line: str) -> str:
    """Return a line of ``rpm -V`` in words; one of another form as it is."""
    found = re.fullmatch(r"(\S+) +(?:([a-z]) )?(/.*)", line)
    if found is None:
        return line
    marks, kind, path = found.groups()
    what = "configuration file" if kind == "c" else "file"
    if marks == "missing":
        return f"{what} {path} is missing"
    changed = [word for letter, word in _LETTERS.items() if letter in marks]
    return f"{what} {path} was changed ({', '.join(changed)})" if changed else line
