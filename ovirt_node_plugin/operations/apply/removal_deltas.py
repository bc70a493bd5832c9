"""What a removal took away: shown when it is done, not kept in the root."""
from __future__ import annotations

import os
from dataclasses import replace
from typing import Collection, Iterable, List, Sequence, Tuple

from ...packages.session import PackageChange, Session
from ...registry import store
from ...registry.inventory import (
    ADDED,
    CHANGED,
    REMOVED,
    Delta,
    File,
    Operation,
    counted_delta,
)
from ...registry.record import Record
from ...registry.unowned_files import Describer
from ...system.trees import Relative
from ..model.jobs import Key
from ..model.results import REMOVE
from . import brought_accounts
from .change import TOOL
from .inventories import of_packages, recorded


class RemovalDeltas:
    """The files, packages and accounts of plugins, read before these are removed.

    ``staying`` are kind and key of those of their settings that other plugins keep,
    ``skipped_scriptlets`` those that are not run.
    """

    def __init__(self, records: Sequence[Record], packages: Iterable[PackageChange],
                 session: Session, *, staying: Collection[Key],
                 skipped_scriptlets: Sequence[str] = ()) -> None:
        self._root = session.target.root
        self._records = records
        self._staying = staying
        self._skipped = tuple(skipped_scriptlets)
        self._going = {change.nevra for change in packages if not change.arrives}
        self._old = {record.name: recorded(record, session) for record in records}
        relative = Relative(self._root)
        self._packed = {name: [(file, relative(path)) for path, file in
                               inventory.files_of(self._going).items()]
                        for name, inventory in self._old.items()}

    def after(self) -> Tuple[Delta, ...]:
        """Return what each removal changed, after all of them."""
        moment = store.installed_now()
        return tuple(self._delta(record, moment) for record in self._records)

    def _delta(self, record: Record, moment: str) -> Delta:
        old = self._old[record.name]
        present = brought_accounts.present(self._root)
        operation = Operation(
            operation=REMOVE, at=moment, tool=TOOL, version_from=record.version, version_to="",
            packages_removed=tuple(package.nevra for package in old.packages
                                   if package.nevra in self._going),
            settings_off=tuple(applied.without_changes() for applied in record.settings
                               if (applied.kind, applied.key) not in self._staying),
            accounts_removed=tuple(account for account in old.accounts
                                   if (account.kind, account.name) not in present),
            scriptlets_skipped=of_packages(self._skipped, old.nevras))
        removed = [file for file, path in self._packed[record.name]
                   if not os.path.lexists(self._root / path)]
        restored: List[File] = []
        changed: List[Tuple[File, File]] = []
        describe = Describer(self._root)
        for file in old.others:
            now = describe.now(file.path.lstrip("/"))
            if now is None:
                removed += [file] if file.change == ADDED else []
            elif file.change == REMOVED:
                restored.append(now)
            elif file.change == CHANGED and not replace(file, change="").same(now):
                changed.append((file, now))
        return counted_delta(Delta(
            name=record.name, operation=operation, files_added=tuple(restored),
            files_changed=tuple(changed),
            files_removed=tuple(sorted(removed, key=lambda file: file.path))))
