"""The inventories of plugins: read before an installation, and written after it."""
from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Collection, Dict, Iterable, Mapping, Sequence, Tuple

from ...errors import NodePluginError, Refused
from ...packages.headers import Header, PackedFile
from ...packages.installed import RpmdbPackage, read_installed
from ...packages.session import PackageChange, Session
from ...registry import store
from ...registry.inventory import (
    ADDED,
    CONFIG,
    GHOST,
    LEFT_OUT,
    NOT_INSTALLED,
    REPLACED,
    Account,
    File,
    Inventory,
    InventoryPackage,
    Operation,
    counted,
    numbered,
)
from ...registry.record import Record
from ...registry.unowned_files import owned_paths, unowned
from ...system.entries import kind_of
from ...system.trees import Relative
from ...undo.changes import Applied, AppliedState, Change
from ..model.installation import Installation
from ..model.jobs import Job, staying_of_job
from ..model.results import REPAIR
from . import brought_accounts
from .change import TOOL

_NOTHING = RpmdbPackage("")


def previous(jobs: Sequence[Job], session: Session) -> Dict[str, Inventory]:
    """Return the inventories of the plugins before an installation, empty ones for new plugins.

    If the image was replaced, they have only what is still there.
    """
    old: Dict[str, Inventory] = {}
    for job in jobs:
        old[job.name] = (recorded(job.old, session) if job.old is not None else
                         Inventory(job.name, (), ()))
        if job.action == REPAIR:
            present = session.installed()
            others = () if job.upgrade.replaced else old[job.name].others
            old[job.name] = replace(old[job.name], others=others, packages=tuple(
                package for package in old[job.name].packages if package.nevra in present))
    return old


class Inventories:
    """The inventories of the plugins of one installation, after its transaction ``packages``.

    ``old`` are the previous inventories and ``effects`` the changes of scriptlets, both by
    plugin; ``left_out`` are the absolute paths of files that rpm did not unpack.

    Raises Refused if another package was installed than the one that was planned.
    """

    def __init__(self, ready: Installation, packages: Sequence[PackageChange],
                 session: Session, *, old: Mapping[str, Inventory],
                 effects: Mapping[str, Sequence[Change]], left_out: Collection[str]) -> None:
        jobs = ready.jobs
        self._jobs = jobs
        self._books = ready.books
        self._root = session.target.root
        self._old = old
        self._left_out = left_out
        self._replaced = ready.plan.replaced
        self._skipped = ready.skipped_scriptlets
        self._going = {change.nevra for change in packages if not change.arrives}
        self._arrived = {change.nevra: change.header for change in packages
                         if change.arrives and change.header is not None}
        nevras = sorted({nevra for job in jobs for nevra in job.packages})
        self._installed = read_installed(self._root, nevras)
        for nevra, header in self._arrived.items():
            if self._installed.get(nevra, _NOTHING).digest != header.digest:
                raise Refused(
                    f"the package that was installed as {nevra} is not the one that was planned:"
                    " somebody put another one in its place in between",
                    hint="Find out who can write to the repository, or to dnf's cache.")
        self._headers: Dict[str, Header] = {**self._arrived, **session.installed_headers(
            nevra for nevra in nevras if nevra not in self._arrived)}
        self._accounts = {name: tuple(brought_accounts.by_scriptlets(changes, self._root))
                          for name, changes in effects.items()}

    def of(self, job: Job, moment: str) -> Inventory:
        """Return the inventory of a plugin whose settings are on."""
        state, old = self._books.ledger.state(job.name), self._old[job.name]
        number = len(old.operations) + 1
        known = old.files()
        packages = tuple(self._package(nevra, old, known, number) for nevra in job.packages)
        others, before = unowned(self._root, state, owned_paths(self._root, packages))
        new = Inventory(job.name, (), packages, numbered(others, known, number))
        return counted(replace(
            new, before=self._changed(old, new, before, number),
            operations=(*old.operations, self._operation(job, state.settings, old, moment))))

    def _package(self, nevra: str, old: Inventory, known: Mapping[str, File],
                 number: int) -> InventoryPackage:
        installed, header = self._installed.get(nevra, _NOTHING), self._headers.get(nevra)
        fresh = number if nevra in self._arrived else 0
        since = next((package.since for package in old.packages if package.nevra == nevra), fresh)
        if header is None:
            return InventoryPackage(nevra, installed.digest, since)
        files = (_packed(file, installed, self._left_out) for file in header.files)
        return InventoryPackage(nevra, header.digest or installed.digest, since,
                                numbered(files, known, number, fresh))

    def _changed(self, old: Inventory, new: Inventory, replaced: Mapping[str, File],
                 number: int) -> Tuple[File, ...]:
        """Return the files that this operation changed or removed, in their state before.

        ``replaced`` are the states before of files that settings and scriptlets changed.
        """
        now, nevras = new.files(), self._going | new.nevras
        before = {path: file for path, file in replaced.items() if path in now}
        before.update((file.path, file) for file in old.others
                      if file.change == ADDED or file.path in now)
        before.update((file.path, file) for package in old.packages
                      if package.nevra in nevras for file in package.files)
        relative = Relative(self._root)  # another plugin may still have what this one dropped
        return tuple(file.remembered() for path, file in sorted(before.items())
                     if (now[path].since == number if path in now
                         else not os.path.lexists(self._root / relative(path))))

    def _operation(self, job: Job, on: Sequence[Applied], old: Inventory,
                   moment: str) -> Operation:
        settings = {(applied.kind, applied.key): applied.without_changes() for applied in on}
        staying = staying_of_job(job, self._jobs, self._books)
        new, arrived = set(job.packages), set(self._arrived)
        added, removed = self._account_changes(job.name, on, old)
        return Operation(
            operation=job.action, at=moment, tool=TOOL,
            version_from=job.old.version if job.old is not None else "",
            version_to=job.bundle.descriptor.version,
            packages_added=tuple(sorted((new & arrived) - (old.nevras & self._going))),
            packages_removed=tuple(sorted((old.nevras & self._going) - arrived)),
            packages_shared=tuple(sorted(new - old.nevras - arrived)),
            packages_replaced=self._replaced_by(job),
            settings_on=tuple(settings[item.kind, item.key] for item in job.upgrade.fresh
                              if (item.kind, item.key) in settings),
            settings_again=tuple(settings[item.kind, item.key] for item in job.upgrade.refreshed
                                 if (item.kind, item.key) in settings),
            settings_off=tuple(applied.without_changes() for applied in job.upgrade.gone
                               if (applied.kind, applied.key) not in staying),
            accounts_added=added, accounts_removed=removed,
            scriptlets_skipped=of_packages(self._skipped, old.nevras))

    def _replaced_by(self, job: Job) -> Tuple[str, ...]:
        """Return the NEVRAs of replaced packages that are the plugin's to tell.

        A package without a successor among the packages of plugins counts for each plugin.
        """
        known = {nevra for each in self._jobs for nevra in each.packages}
        return tuple(package.nevra for package in self._replaced
                     if package.by in job.packages or package.by not in known)

    def _account_changes(self, plugin: str, settings: Sequence[Applied], old: Inventory,
                         ) -> Tuple[Tuple[Account, ...], Tuple[Account, ...]]:
        """Return the accounts that the plugin added, and those that it had and that are gone."""
        known = {(account.kind, account.name): account for account in old.accounts}
        present = brought_accounts.present(self._root)
        brought = {(account.kind, account.name): account
                   for account in (*self._accounts.get(plugin, ()),
                                   *brought_accounts.by_settings(settings))}
        return (tuple(account for key, account in sorted(brought.items())
                      if key not in known and key in present),
                tuple(account for key, account in known.items() if key not in present))


def of_packages(scriptlets: Iterable[str], nevras: Collection[str]) -> Tuple[str, ...]:
    """Return those of ``scriptlets``, as ``Operation`` has them, that are of ``nevras``."""
    return tuple(scriptlet for scriptlet in scriptlets
                 if scriptlet.rpartition(":")[0] in nevras)


def recorded(record: Record, session: Session) -> Inventory:
    """Return the inventory of an installed plugin.

    Without one, as after an installation by the first versions of this tool, it is made
    from the rpm database.
    """
    root = session.target.root
    try:
        inventory = store.read_inventory(root, record.name)
    except NodePluginError:
        inventory = None
    if inventory is not None:
        return inventory
    installed = read_installed(root, record.nevras)
    packages = tuple(
        InventoryPackage(nevra, header.digest, 1, numbered(
            (_packed(file, installed.get(nevra, _NOTHING), ()) for file in header.files), {}, 1))
        for nevra, header in sorted(session.installed_headers(record.nevras).items()))
    try:
        state = store.read_undo_data(root, record.name).state
    except NodePluginError:
        state = AppliedState()
    others, _ = unowned(root, state, owned_paths(root, packages))
    operation = Operation(operation="install", at=record.installed_at, tool=record.tool,
                          version_from="", version_to=record.version)
    return Inventory(record.name, (operation,), packages, numbered(others, {}, 1))


def _packed(file: PackedFile, installed: RpmdbPackage, left_out: Collection[str]) -> File:
    path = file.path
    state = (LEFT_OUT if path in left_out else NOT_INSTALLED if path in installed.not_unpacked
             else REPLACED if path in installed.replaced else "")
    marks = (CONFIG if file.config else "", GHOST if file.ghost else "", state)
    return File(
        path=path, kind=kind_of(file.mode), mode=stat.S_IMODE(file.mode), owner=file.owner,
        group=file.group, size_bytes=file.size_bytes if file.is_regular else 0,
        digest=file.digest, link=file.link, capabilities=file.capabilities, xattrs=(),
        marks=tuple(filter(None, marks)), unchecked=installed.unchecked.get(path, ()))
