"""Save an installation in the registry: each plugin's record, undo data and inventory."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, Sequence

from ...packages.contents import replacements
from ...packages.session import PackageChange, Session
from ...registry import store, unowned_files
from ...registry.inventory import Inventory
from ...registry.record import InstalledPackage, Record, source_repo
from ...registry.undo_data import UndoData
from ...undo.changes import Change
from ..model.books import Books
from ..model.jobs import Job
from .change import TOOL


def save(job: Job, jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books,
         session: Session, inventory: Inventory) -> None:
    """Write the record, undo data and inventory of the plugin of ``job``, one of ``jobs``.

    ``packages`` is the transaction that ran, ``books`` has the settings that are on.
    """
    descriptor, target = job.bundle.descriptor, session.target
    state = books.ledger.state(job.name)
    # the bundle's repositories, or the one whose metadata contains the descriptor
    repos = {*descriptor.repo_ids, *(job.old.repos if job.old else ())}
    repos.update(filter(None, (source_repo(job.bundle.source),)))
    together = {*(other.name for other in jobs), *(job.old.together if job.old else ())}
    record = Record(
        name=descriptor.name, version=descriptor.version, vendor=descriptor.vendor,
        summary=descriptor.summary, installed_at=inventory.operations[-1].at, tool=TOOL,
        mode="online" if target.booted else "offline", source=job.bundle.source,
        target_kind=target.kind, target_version=target.version,
        repos=tuple(sorted(repos)), packages=tuple(_packages(job, packages, books, session)),
        settings=state.settings, together=tuple(sorted(together - {job.name})),
        recorded_origin=job.recorded_origin, parameters=job.parameters.recorded,
        installed_trust=job.trust)
    undo_data = UndoData(descriptor.name, descriptor=descriptor.source_xml, state=state,
                         files=descriptor.files)
    store.save(target.root, record, undo_data, inventory)


def replace_shared(packages: Sequence[PackageChange], books: Books,
                   inventories: Sequence[Inventory]) -> None:
    """Replace packages that changed in the records and inventories of other plugins.

    These have them together with the plugins of the run, whose new ``inventories`` describe
    the packages; ``packages`` is the transaction that ran. The records are changed in
    ``books`` only.
    """
    new = replacements(packages)
    run = [inventory.name for inventory in inventories]
    described = {package.nevra: package for inventory in inventories
                 for package in inventory.packages}
    for name, record in books.records.items():
        if name not in run and not new.keys().isdisjoint(record.nevras):
            unowned_files.follow_packages(books.root, name, {
                old: described[change.nevra] for old, change in new.items()
                if change.nevra in described})
    books.replace_packages({old: _installed(change) for old, change in new.items()}, without=run)


def save_changed(root: Path, books: Books, undone: Iterable[Change], *,
                 without: Collection[str]) -> None:
    """Write what changed of installed plugins other than ``without``.

    Their records and undo data, where these changed in ``books``, and the inventories of
    plugins that also changed a path of the ``undone`` changes.
    """
    changed, paths = books.changed, {change.path for change in undone}
    for name in (name for name in books.records if name not in without):
        state = books.ledger.state(name)
        if name in changed:
            store.save(root, books.records[name], replace(books.undo_data[name], state=state))
        if name in changed or any(change.path in paths for change in state.changes):
            unowned_files.follow(root, name, state)


def _packages(job: Job, packages: Sequence[PackageChange], books: Books,
              session: Session) -> Iterator[InstalledPackage]:
    """Yield the plugin's packages for its record; shared ones as in the other plugin's."""
    known: Dict[str, InstalledPackage] = {**books.packages, **{
        change.nevra: _installed(change) for change in packages if change.arrives}}
    requested = {install.name for install in job.bundle.descriptor.installs}
    names = session.names_of(job.packages)
    for nevra in job.packages:
        yield replace(known.get(nevra, InstalledPackage(nevra, checksum="", reason="")),
                      reason="requested" if names.get(nevra) in requested else "dependency")


def _installed(change: PackageChange) -> InstalledPackage:
    return InstalledPackage(
        nevra=change.nevra, checksum=change.checksum, reason="", repo=change.repo,
        signer=change.signer, checked=change.signed and bool(change.signer))
