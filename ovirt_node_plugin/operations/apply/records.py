"""Save an installation in the registry: each plugin's record, undo data and inventory."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Container, Dict, Sequence, Tuple

from ...packages.session import PackageChange, Session
from ...registry import store
from ...registry.inventory import Inventory
from ...registry.record import InstalledPackage, Record
from ...registry.undo_data import UndoData
from ..model.books import Books
from ..model.job import Job
from . import unowned_files
from .change import TOOL


def save(job: Job, jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books,
         session: Session, inventory: Inventory) -> None:
    """Write all that is kept of the plugin of ``job``, one of ``jobs``, as it is now.

    ``packages`` is the transaction that ran, ``books`` has the settings that are on.
    """
    descriptor, target = job.bundle.descriptor, session.target
    state = books.ledger.state(job.name)
    record = Record(
        name=descriptor.name, version=descriptor.version, vendor=descriptor.vendor,
        summary=descriptor.summary, installed_at=inventory.operations[-1].at, tool=TOOL,
        mode="online" if target.live else "offline", source=job.bundle.source,
        target_kind=target.kind, target_version=target.version,
        repos=_own_repos(job), packages=_packages(job, packages, books, session),
        settings=state.settings, together=_together(job, jobs))
    undo_data = UndoData(descriptor.name, descriptor=descriptor.source_xml, state=state)
    store.save(target.root, record, undo_data, inventory)


def save_changed(root: Path, books: Books, *, without: Container[str]) -> None:
    """Write the records of installed plugins whose record or settings changed in ``books``."""
    for name in books.changed:
        if name not in without:
            state = books.ledger.state(name)
            store.save(root, books.records[name], replace(books.undo_data[name], state=state))
            unowned_files.follow(root, name, state)


def _packages(job: Job, packages: Sequence[PackageChange], books: Books,
              session: Session) -> Tuple[InstalledPackage, ...]:
    """Return the plugin's packages as its record has them; shared ones as the other's has."""
    known: Dict[str, InstalledPackage] = {**books.packages, **{
        one.nevra: InstalledPackage(nevra=one.nevra, checksum=one.checksum, reason="",
                                    repo=one.repo, signer=one.signer,
                                    checked=one.signed and bool(one.signer))
        for one in packages if one.action != "remove"}}
    asked = {install.name for install in job.bundle.descriptor.installs}
    names = session.names_of(job.packages)
    return tuple(replace(
        known.get(nevra, InstalledPackage(nevra, checksum="", reason="")),
        reason="requested" if names.get(nevra) in asked else "dependency")
        for nevra in job.packages)


def _together(job: Job, jobs: Sequence[Job]) -> Tuple[str, ...]:
    """Return the plugins with which this one came in one transaction, now or before."""
    before = job.old.together if job.old else ()
    return tuple(sorted({*before, *(one.name for one in jobs)} - {job.name}))


def _own_repos(job: Job) -> Tuple[str, ...]:
    """Return the repositories that are the plugin's: its bundle's, or the one that carries it."""
    own = set(job.bundle.descriptor.repo_ids) | set(job.old.repos if job.old else ())
    if job.bundle.source.startswith("repo "):
        own.add(job.bundle.source[len("repo "):])
    return tuple(sorted(own))
