"""What plugins bring, taken down while they are installed: begun before, ended after."""
from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Collection, Dict, List, Mapping, Optional, Sequence, Tuple

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
)
from ...registry.record import Record
from ...system.trees import Relative
from ...undo.changes import Applied, AppliedState, Change
from ..model.books import Books
from ..model.jobs import Job, staying_of_job
from ..model.results import REPAIR
from . import brought_accounts
from .change import TOOL
from .unowned_files import numbered, owned_paths, unowned

_KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "dir"}
_NOTHING = RpmdbPackage("")


class Inventories:
    """The inventories of the plugins of one installation.

    To be made before its transaction ``packages`` runs. ``left_out`` are the absolute
    paths of files of packages that are not to be in the root.
    """

    def __init__(self, jobs: Sequence[Job], packages: Sequence[PackageChange],
                 session: Session, books: Books, *, left_out: Collection[str] = ()) -> None:
        self._jobs = jobs
        self._books = books
        self._session = session
        self._root = session.target.root
        self._left_out = left_out
        self._coming = {one.nevra: one.header for one in packages
                        if one.action != "remove" and one.header is not None}
        self._going = {one.nevra for one in packages if one.action == "remove"}
        self._old = {job.name: self._before(job, job.old) for job in jobs if job.old is not None}
        self._nevras = sorted({nevra for job in jobs for nevra in job.packages})
        self._there: Dict[str, RpmdbPackage] = {}
        self._headers: Dict[str, Header] = {}
        self._accounts: Dict[str, Tuple[Account, ...]] = {}

    def packages_done(self, effects: Mapping[str, Sequence[Change]]) -> None:
        """Look at what the transaction installed.

        ``effects`` are what scriptlets changed, by the plugin that has to answer for it.

        Raises Refused if it installed another package than the one that was planned.
        """
        self._there = read_installed(self._root, self._nevras)
        for nevra, header in self._coming.items():
            found = self._there.get(nevra)
            if found is None or header.digest != found.digest:
                raise Refused(
                    f"the package that was installed as {nevra} is not the one that was planned:"
                    " somebody put another one in its place in between",
                    hint="Find out who can write to the repository, or to dnf's cache.")
        self._headers = self._session.installed_headers(
            nevra for nevra in self._nevras if nevra not in self._coming)
        self._accounts = {name: brought_accounts.by_scriptlets(mine, self._root)
                          for name, mine in effects.items()}

    def of(self, job: Job, moment: str) -> Inventory:
        """Return the inventory of a plugin whose settings are on."""
        state = self._books.ledger.state(job.name)
        old = self._old.get(job.name)
        earlier = old.operations if old is not None else ()
        number = len(earlier) + 1
        known = old.files() if old is not None else {}
        packages = tuple(self._package(nevra, old, known, number) for nevra in job.packages)
        others, was = self._others(packages, state, known, number)
        new = Inventory(job.name, (), packages, others)
        before = self._changed(old, new, was, number)
        operation = self._operation(job, packages, state.settings, old, moment)
        return counted(replace(new, operations=(*earlier, operation), before=before))

    def _before(self, job: Job, record: Record) -> Inventory:
        """Return what was there of a plugin; of an image that was replaced, what is left."""
        found = recorded(record, self._session)
        if job.action != REPAIR:
            return found
        present = self._session.installed()
        return replace(found, others=(), packages=tuple(
            one for one in found.packages if one.nevra in present))

    def _package(self, nevra: str, old: Optional[Inventory], known: Mapping[str, File],
                 number: int) -> InventoryPackage:
        header = self._coming.get(nevra) or self._headers.get(nevra)
        there = self._there.get(nevra, _NOTHING)
        fresh = number if nevra in self._coming else 0
        before = {one.nevra: one for one in old.packages} if old is not None else {}
        since = before[nevra].since if nevra in before else fresh
        if header is None:
            return InventoryPackage(nevra, there.digest, since)
        files = tuple(_packed(one, there, self._left_out) for one in header.files)
        return InventoryPackage(nevra, header.digest or there.digest, since, tuple(
            replace(one, since=known[one.path].since if one.same(known.get(one.path))
                    else number if one.path in known else fresh) if known or fresh else one
            for one in files))

    def _others(self, packages: Sequence[InventoryPackage], state: AppliedState,
                known: Mapping[str, File], number: int,
                ) -> Tuple[Tuple[File, ...], Mapping[str, File]]:
        found, was = unowned(self._root, state, owned_paths(self._root, packages))
        return numbered(found, known, number), was

    def _changed(self, old: Optional[Inventory], new: Inventory, was: Mapping[str, File],
                 number: int) -> Tuple[File, ...]:
        """Return what this operation changed or removed, as it was before."""
        now = new.files()
        found: Dict[str, File] = {}
        for package in old.packages if old is not None else ():
            if package.nevra in self._going or any(
                    package.nevra == one.nevra for one in new.packages):
                found.update((one.path, one) for one in package.files
                             if one.path not in now or now[one.path].since == number)
        for one in old.others if old is not None else ():
            if one.change == ADDED and one.path not in now or (
                    one.path in now and now[one.path].since == number):
                found.setdefault(one.path, one)
        for path, one in was.items():
            if path in now and now[path].since == number:
                found.setdefault(path, one)
        relative = Relative(self._root)  # what the plugin no longer has may still be another's
        return tuple(one.remembered() for path, one in sorted(found.items())
                     if path in now or not os.path.lexists(self._root / relative(path)))

    def _operation(self, job: Job, packages: Sequence[InventoryPackage], on: Sequence[Applied],
                   old: Optional[Inventory], moment: str) -> Operation:
        mine = {one.nevra for one in packages}
        had = {one.nevra for one in old.packages} if old is not None else set()
        settings = {(one.kind, one.key): replace(one, changes=()) for one in on}
        staying = staying_of_job(job, self._jobs, self._books)
        brought, gone = self._account_changes(job.name, tuple(settings.values()), old)
        return Operation(
            operation=job.action, at=moment, tool=TOOL,
            version_from=job.old.version if job.old is not None else "",
            version_to=job.bundle.descriptor.version,
            packages_added=tuple(sorted(mine & set(self._coming))),
            packages_removed=tuple(sorted(had & self._going)),
            packages_shared=tuple(sorted(mine - had - set(self._coming))),
            settings_on=tuple(settings[one.kind, one.key] for one in job.upgrade.fresh
                              if (one.kind, one.key) in settings),
            settings_again=tuple(settings[one.kind, one.key] for one in job.upgrade.refreshed
                                 if (one.kind, one.key) in settings),
            settings_off=tuple(replace(one, changes=()) for one in job.upgrade.gone
                               if (one.kind, one.key) not in staying),
            accounts_added=brought, accounts_removed=gone)

    def _account_changes(self, plugin: str, settings: Sequence[Applied],
                         old: Optional[Inventory],
                         ) -> Tuple[Tuple[Account, ...], Tuple[Account, ...]]:
        known = old.accounts if old is not None else ()
        names = {(one.kind, one.name) for one in known}
        present = brought_accounts.Present(self._root)
        brought = {(one.kind, one.name): one
                   for one in (*self._accounts.get(plugin, ()),
                               *brought_accounts.by_settings(settings))}
        return (tuple(one for key, one in sorted(brought.items())
                      if key not in names and present(one)),
                tuple(one for one in known if not present(one)))


def recorded(record: Record, session: Session) -> Inventory:
    """Return the inventory of an installed plugin.

    Where there is none, it is made of the rpm database: the plugin was installed by a
    version of this tool that wrote none, or somebody took it away.
    """
    root = session.target.root
    try:
        found = store.read_inventory(root, record.name)
    except NodePluginError:
        found = None
    if found is not None:
        return found
    nevras = [one.nevra for one in record.packages]
    there = read_installed(root, nevras)
    headers = session.installed_headers(nevras)
    packages = tuple(InventoryPackage(nevra, header.digest, 1, tuple(
        replace(_packed(one, there.get(nevra, _NOTHING), ()), since=1)
        for one in header.files)) for nevra, header in sorted(headers.items()))
    try:
        state = store.read_undo_data(root, record.name).state
    except NodePluginError:
        state = AppliedState()
    others, _ = unowned(root, state, owned_paths(root, packages))
    operation = Operation(operation="install", at=record.installed_at, tool=record.tool,
                          version_from="", version_to=record.version)
    return Inventory(record.name, (operation,), packages, numbered(others, {}, 1))


def _packed(one: PackedFile, there: RpmdbPackage, left_out: Collection[str]) -> File:
    marks: List[str] = []
    if one.config:
        marks.append(CONFIG)
    if one.ghost:
        marks.append(GHOST)
    if one.path in left_out:
        marks.append(LEFT_OUT)
    elif one.path in there.not_unpacked:
        marks.append(NOT_INSTALLED)
    elif one.path in there.replaced:
        marks.append(REPLACED)
    return File(
        path=one.path, kind=_KINDS.get(stat.S_IFMT(one.mode), "other"),
        mode=stat.S_IMODE(one.mode), owner=one.owner, group=one.group,
        size_bytes=one.size_bytes if one.is_regular else 0, digest=one.digest, link=one.link,
        capabilities=one.capabilities, xattrs=(), marks=tuple(marks),
        unchecked=there.unchecked.get(one.path, ()))
