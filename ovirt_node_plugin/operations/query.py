"""Commands that only read: list and info."""
from __future__ import annotations

import os
from dataclasses import replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ..catalog.catalogs import Catalogs, read_catalogs
from ..errors import NodePluginError, RecordError, UnknownPlugin
from ..packages.session import Session
from ..plugin.bundle import Bundle
from ..plugin.descriptor import Descriptor, recorded_descriptor
from ..plugin.library import Library
from ..plugin.parameters import Parameter
from ..policy.given_parameters import GivenParameters, read_site
from ..policy.refusals import refuse_deployed
from ..policy.trust_floor import read_floor
from ..registry import store
from ..registry.record import Record, RecordedParameter
from ..registry.store import Registry
from ..settings.engine import kinds, selection
from ..settings.kit.model import Context
from ..system.rpm_version import compare
from ..system.run import Runner
from . import drift, find, install, matching
from .model.books import holders
from .model.results import ParameterInfo, PluginInfo, PluginState, Share
from .plan.requirements import facts_of
from .verification import check, stale_checks


def list_plugins(session: Session, *, installed: bool, available: bool, names: Sequence[str],
                 run: Runner) -> Tuple[PluginState, ...]:
    """Return the installed plugins, and those ``available`` in the library and repositories.

    ``names`` limits the list; installed plugins come first, each part sorted by name.

    Raises UnknownPlugin for a name that is not in the list.
    """
    registry = store.read_registry(session.target.root)
    present = session.installed()
    states: List[PluginState] = []
    words = [matching.check_word(word) for word in dict.fromkeys(names)]
    if installed:
        recorded = drift.recorded_states()
        states += [_installed(record, check(record, present, session, run=run,
                                            recorded=recorded).problems)
                   for record in registry.records.values()
                   if not names or any(matching.may_name(word, record.name) for word in words)]
        states += [PluginState(name=name, version="", vendor="", summary="", state="broken",
                               source="", problems=(reason,))
                   for name, reason in registry.damaged.items()]
        states += [PluginState(name=found.name, version="", vendor="", summary="", state="broken",
                               source="", problems=found.problems)
                   for found in stale_checks(session.target.root, {*registry.records,
                                                                   *registry.damaged})]
    if available:
        states += [_compared(state, registry.records)
                   for state in _available(session, registry, hide_installed=installed)]
    catalogs = read_catalogs(session.policy.config, run=run)
    states = [_listed(state, catalogs) for state in states]
    if not names:
        return tuple(states)
    versions = [(state.name, state.version) for state in states]
    selected = {word: matching.select(word, versions) for word in words}
    missing = sorted(word for word in words if not selected[word])
    if missing:
        raise UnknownPlugin(f"no plugin {', '.join(missing)} to list",
                            hint="dnf node-plugin list --all shows the names that there are.")
    return tuple(state for state in states if any(
        (state.name, state.version) in plugins for plugins in selected.values()))


def info(session: Session, bundles: Sequence[Bundle], names: Sequence[str], *,
         run: Runner) -> Tuple[PluginInfo, ...]:
    """Return what is known of ``bundles``, and of the plugins ``names``.

    An installed plugin is described by its record; a bundle is described besides if it has
    another version.
    """
    registry = store.read_registry(session.target.root)
    records = registry.records
    for name in names:
        if name in registry.damaged:
            raise RecordError(f"the record of plugin {name} is damaged: {registry.damaged[name]}",
                              hint="dnf node-plugin verify says more.")
    offered = [*bundles, *find.find_in_metadata(
        [name for name in names if name not in records], session, opened_bundles=bundles)]
    present = session.installed()
    catalogs = read_catalogs(session.policy.config, run=run)
    versions = [(record.name, record.version) for record in records.values()]
    asked = dict.fromkeys((*(bundle.descriptor.name for bundle in bundles), *(
        name for word in names for name, _ in matching.select(word, versions))))
    found = (*(_recorded(records[name], records, session, run,
                        check(records[name], present, session, run=run).problems)
              for name in asked if name in records),
            *(_offered(bundle, records, session, run) for bundle in offered
              if bundle.descriptor.name not in records
              or records[bundle.descriptor.name].version != bundle.descriptor.version))
    return tuple(replace(each, state=_listed(each.state, catalogs)) for each in found)


def _state(plugin: Union[Record, Descriptor], state: str, source: str) -> PluginState:
    return PluginState(name=plugin.name, version=plugin.version, vendor=plugin.vendor,
                       summary=plugin.summary, state=state, source=source)


def _installed(record: Record, problems: Tuple[str, ...]) -> PluginState:
    state = _state(record, "broken" if problems else "installed", record.source)
    return replace(state, problems=problems, origin=record.origin,
                   installed_at=record.installed_at, trust=record.trust,
                   installed_trust=record.installed_trust)


def _compared(state: PluginState, records: Mapping[str, Record]) -> PluginState:
    """Return ``state``, of an available plugin, with the installed version that it upgrades."""
    record = records.get(state.name)
    newer = record is not None and state.version and compare(state.version, record.version) > 0
    return replace(state, upgrades=record.version) if record is not None and newer else state


def _listed(state: PluginState, catalogs: Catalogs) -> PluginState:
    """Return ``state`` with what the catalogs of the site say of it."""
    listing = catalogs.listing(state.name, state.version, state.vendor) if state.version else None
    return state if listing is None else replace(
        state, catalog_status=listing.status, catalog_note=listing.note)


def _available(session: Session, registry: Registry, *,
               hide_installed: bool) -> List[PluginState]:
    states: Dict[str, PluginState] = {}
    for entry in Library(session.policy.config.library).entries():
        if entry.descriptor is None:
            states[entry.name] = PluginState(name=entry.name, version="", vendor="", summary="",
                                             state="available", source=str(entry.path),
                                             problems=(entry.problem,))
        else:
            states[entry.name] = _state(entry.descriptor, "available", str(entry.path))
    for name, bundle in find.newest(session.metadata_bundles()[0]).items():
        states.setdefault(name, _state(bundle.descriptor, "available", bundle.source))
    return [state for name, state in sorted(states.items())
            if not hide_installed or name not in registry.records
            or registry.records[name].version != state.version]


def _offered(bundle: Bundle, records: Mapping[str, Record], session: Session,
             run: Runner) -> PluginInfo:
    descriptor = bundle.descriptor
    context = Context(root=session.target.root, plugin=descriptor.name, files={}, run=run,
                      facts=facts_of(session, ()), live=session.target.booted,
                      bundle_files=descriptor.files,
                      sealed=session.sealed)
    plugin_info = _info(
        _compared(_state(descriptor, "available", bundle.source), records), descriptor,
        tuple(f"{item.name} {item.version}".rstrip() for item in descriptor.installs),
        (*(item.text for item in selection.wanted(descriptor, context)),
         *selection.left_out(descriptor, context)))
    if os.geteuid() != 0:  # only root may read the undo data of other plugins
        return plugin_info
    try:
        refuse_deployed(session.target, live_allowed=session.policy.config.live)
        given = GivenParameters(site=read_site(session.policy.config.parameters))
        plan = install.plan([bundle], session, run=run, download=False, given=given,
                            floor=read_floor(session.policy.config, catalogs=read_catalogs(
                                session.policy.config, run=run))).plan
        return replace(plugin_info, plan=plan, shares=tuple(
            share for action in plan.plugins for share in action.shares))
    except NodePluginError as exc:
        return replace(plugin_info, refused=exc.message, refused_status=int(exc.status))


def _recorded(record: Record, records: Mapping[str, Record], session: Session, run: Runner,
              problems: Tuple[str, ...]) -> PluginInfo:
    context = Context(session.target.root, record.name, {}, run, sealed=session.sealed)
    undo_data = store.read_undo_data(session.target.root, record.name)
    descriptor = recorded_descriptor(undo_data)
    return replace(
        _info(_installed(record, problems), descriptor, record.nevras,
              (*(f"{applied.kind} {applied.key} {applied.value} (before:"
                 f" {applied.before})".strip() for applied in record.settings),
               *kinds.remarks(record.settings, context)), record.parameters),
        shares=_shares(record, records))


def _shares(record: Record, records: Mapping[str, Record]) -> Tuple[Share, ...]:
    """Return the packages and settings that other installed plugins have too."""
    others = {name: other for name, other in records.items() if name != record.name}
    packages = holders({name: other.nevras for name, other in others.items()})
    settings = holders({name: [applied.identity for applied in other.settings]
                        for name, other in others.items()})
    return (*(Share("package", nevra, packages[nevra]) for nevra in record.nevras
              if nevra in packages),
            *(Share(*applied.identity, settings[applied.identity])
              for applied in record.settings if applied.identity in settings))


def _parameter(parameter: Parameter, recorded: Optional[RecordedParameter]) -> ParameterInfo:
    """Return a parameter with its recorded value, or its default if nothing is recorded."""
    given = recorded is not None and not recorded.default
    value: Optional[str] = None if parameter.required else parameter.default
    if recorded is not None:
        value = None if recorded.digest else recorded.value
    return ParameterInfo(name=parameter.name, type=parameter.type, meaning=parameter.meaning,
                         expected=parameter.expected, required=parameter.required, given=given,
                         value=value)


def _info(state: PluginState, descriptor: Descriptor, packages: Tuple[str, ...],
          settings: Tuple[str, ...],
          parameters: Sequence[RecordedParameter] = ()) -> PluginInfo:
    """Return what is known of a plugin; ``parameters`` are the recorded ones."""
    recorded = {each.name: each for each in parameters}
    ranges = [("oVirt Node", descriptor.node_versions),
              ("ovirt-node-plugin", descriptor.tool_versions),
              *((need.name, need.versions) for need in descriptor.needs)]
    return PluginInfo(
        state=state, description=descriptor.description, url=descriptor.url,
        license=descriptor.license, repos=descriptor.repo_ids, packages=packages,
        settings=settings,
        parameters=tuple(_parameter(each, recorded.get(each.name))
                         for each in descriptor.parameters),
        requires=tuple(f"{name} {versions}" for name, versions in ranges if versions))
