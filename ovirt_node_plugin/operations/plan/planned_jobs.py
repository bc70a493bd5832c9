"""The jobs of an installation: what becomes of each plugin, and its settings."""
from __future__ import annotations

from dataclasses import replace
from typing import Collection, Dict, List, Mapping, Sequence, Set, Tuple

from ...errors import Reasons, UsageError
from ...packages.session import PackageChange, Session
from ...plugin.bundle import Bundle
from ...plugin.templates import secret_files, written_files
from ...registry.record import Record
from ...settings.engine import checking, selection
from ...settings.engine.kinds import in_order
from ...settings.engine.revert import Revert
from ...settings.engine.upgrade import plan_upgrades
from ...settings.kit.model import Context
from ...settings.modules import module_index
from ...settings.placed import persistent_paths
from ...settings.services import scriptlet_units
from ...system.rpm_version import compare
from ...system.run import Runner
from ...target import is_booted
from ..model.books import Books
from ..model.jobs import Job
from ..model.parameter_values import ParameterValues
from ..model.results import INSTALL, KEEP, REPAIR, UPGRADE
from . import kernel_fits, package_sources
from .leaving_out import LeavingOut


def actions_of(bundles: Sequence[Bundle], books: Books, session: Session, *,
               repaired: Collection[str], reasons: Reasons) -> Dict[str, str]:
    """Return for each plugin INSTALL, UPGRADE, REPAIR or KEEP; REPAIR for those ``repaired``.

    A plugin with a damaged record or of a newer version is added to ``reasons`` instead.
    """
    actions = {}
    for bundle in bundles:
        with reasons.collected():
            name = bundle.descriptor.name
            actions[name] = REPAIR if name in repaired else _action(bundle, books, session)
    return actions


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


def contexts_of(active: Sequence[Bundle], shares: Mapping[str, Set[str]], books: Books,
                session: Session, packages: Sequence[PackageChange], leaving: LeavingOut,
                run: Runner, values: Mapping[str, ParameterValues]) -> List[Context]:
    """Return for each plugin what its settings are checked against, in the order of ``active``.

    ``shares`` are the NEVRAs of each plugin, ``values`` those of its parameters.
    """
    files = {package.nevra: package.files for package in packages if package.arrives}
    contexts = []
    for bundle in active:
        name = bundle.descriptor.name
        leavable = leaving.by_plugin[name]
        paths = {path: 0 for nevra in shares[name]
                 for path in files.get(nevra) or session.files(nevra)
                 if path not in leavable.sizes}
        descriptor, own = bundle.descriptor, values[name].values
        contexts.append(Context(root=books.root, plugin=name, files=paths, run=run,
                                facts=leaving.facts, bundle_files=written_files(descriptor, own),
                                shown_files=written_files(descriptor, own, shown=True),
                                secret_files=secret_files(descriptor),
                                leavable=leavable, live=is_booted(books.root),
                                sealed=session.sealed))
    fetched = session.rpm_files()
    return package_sources.with_sources(
        kernel_fits.with_module_fits(contexts, packages, fetched), active, packages, fetched)


def jobs_of(active: Sequence[Bundle], actions: Mapping[str, str], books: Books,
            contexts: Sequence[Context], shares: Mapping[str, Set[str]], session: Session,
            reasons: Reasons) -> Tuple[Tuple[Job, ...], Revert]:
    """Return the jobs for ``active``, and how settings that go are undone.

    Adds what can be said against the settings to ``reasons``.
    """
    wanted = {context.plugin: selection.wanted(bundle.descriptor, context)
              for bundle, context in zip(active, contexts)}
    wanted = {plugin: in_order((*items, *module_index.carried(
        items, books.ledger.state(plugin).settings, books.root)))
        for plugin, items in wanted.items()}
    held = checking.held(books.ledger, wanted)
    contexts = [replace(context, held=held, persistent=[
        item.key for item in wanted[context.plugin] if item.kind == persistent_paths.KIND.name],
        expected_units=[item.key for item in scriptlet_units.expected(wanted[context.plugin])])
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
