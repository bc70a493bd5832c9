"""What a removal takes away, told when it is done: nothing of it is kept in the root."""
from __future__ import annotations

import os
from dataclasses import replace
from typing import Collection, Dict, Iterable, List, Optional, Sequence, Tuple

from ...packages.session import PackageChange, Session
from ...registry import store
from ...registry.inventory import ADDED, REMOVED, Delta, File, Inventory, Operation, counted_delta
from ...registry.record import Record
from ...system.trees import Relative
from ..model.jobs import Key
from ..model.results import REMOVE
from . import brought_accounts
from .change import TOOL
from .inventories import recorded
from .unowned_files import Describer


class Leavings:
    """The files, packages and accounts of plugins that go; to be made before they do.

    ``staying`` are kind and key of those of their settings that other plugins keep.
    """

    def __init__(self, records: Sequence[Record], packages: Iterable[PackageChange],
                 session: Session, *, staying: Collection[Key] = ()) -> None:
        self._root = session.target.root
        self._records = records
        self._staying = staying
        self._going = {one.nevra for one in packages if one.action == "remove"}
        self._old = {record.name: recorded(record, session) for record in records}
        self._relative = Relative(self._root)
        self._paths: Dict[str, str] = {
            one.path: self._relative(one.path) for inventory in self._old.values()
            for one in _of(inventory, self._going)}

    def deltas(self) -> Tuple[Delta, ...]:
        """Return what each removal changed; to be called when all is gone."""
        moment = store.installed_now()
        return tuple(self._delta(record, moment) for record in self._records)

    def _delta(self, record: Record, moment: str) -> Delta:
        old = self._old[record.name]
        present = brought_accounts.Present(self._root)
        operation = Operation(
            operation=REMOVE, at=moment, tool=TOOL, version_from=record.version, version_to="",
            packages_removed=tuple(one.nevra for one in old.packages if one.nevra in self._going),
            settings_off=tuple(replace(one, changes=()) for one in record.settings
                               if (one.kind, one.key) not in self._staying),
            accounts_removed=tuple(one for one in old.accounts if not present(one)))
        gone: List[File] = [one for one in _of(old, self._going)
                            if not self._is_there(self._paths[one.path])]
        back: List[File] = []
        changed: List[Tuple[File, File]] = []
        describe = Describer(self._root)
        for one in old.others:
            now = describe.now(one.path.lstrip("/"))
            if one.change == ADDED and now is None:
                gone.append(one)
            elif one.change == REMOVED and now is not None:
                back.append(now)
            elif now is not None and one.change not in (ADDED, REMOVED) and not _alike(one, now):
                changed.append((one, now))
        return counted_delta(Delta(name=record.name, operation=operation, files_added=tuple(back),
                                   files_changed=tuple(changed),
                                   files_removed=tuple(sorted(gone, key=lambda one: one.path))))

    def _is_there(self, path: str) -> bool:
        return os.path.lexists(self._root / path)


def _of(inventory: Inventory, nevras: Collection[str]) -> Iterable[File]:
    """Return the files of those packages of a plugin that are among ``nevras``, each once."""
    found: Dict[str, File] = {}
    for package in inventory.packages:
        if package.nevra in nevras:
            for one in package.files:
                found.setdefault(one.path, one)
    return found.values()


def _alike(one: File, other: Optional[File]) -> bool:
    return replace(one, change="", by="").same(other)
