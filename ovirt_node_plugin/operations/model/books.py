"""The registry of a root while an operation changes it: in memory until it is saved."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, Iterable, Mapping, Sequence, Tuple

from ...errors import RecordError, not_installed
from ...plugin.library import check_name
from ...registry import store
from ...registry.record import InstalledPackage, Record
from ...registry.store import Registry
from ...undo.changes import EFFECTS, Applied, Change

Settings = Mapping[str, Sequence[Applied]]


class Books:
    """All records of ``root``, and what each plugin's undo data says is applied."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.registry: Registry = store.read_registry(root)
        self._records: Dict[str, Record] = dict(self.registry.records)
        self._applied: Dict[str, Tuple[Applied, ...]] = {}
        self._touched: Dict[str, None] = {}

    @property
    def records(self) -> Mapping[str, Record]:
        """The readable records by plugin name."""
        return self._records

    @property
    def packages(self) -> Dict[str, InstalledPackage]:
        """Every package that a record claims, by NEVRA."""
        return {package.nevra: package for record in self.records.values()
                for package in record.packages}

    def record(self, name: str) -> Record:
        """Return one record. Raises UnknownPlugin if there is none, RecordError for damage."""
        check_name(name)
        if name in self.registry.damaged:
            raise RecordError(
                f"the record of plugin {name} is damaged: {self.registry.damaged[name]}",
                hint=f"Restore /etc/ovirt.plugins.d/{name}, or remove the file if the plugin is"
                     " gone.")
        if name not in self.records:
            raise not_installed(name, self._root)
        return self.records[name]

    def applied(self, name: str) -> Tuple[Applied, ...]:
        """Return the settings of one plugin, and its scriptlets' effects as one more.

        Raises RecordError if its undo data cannot be read.
        """
        if name not in self._applied:
            known = name in self.records
            self._applied[name] = (
                store.read_undo_data(self._root, name).applied if known else ())
        return self._applied[name]

    def others(self, without: Iterable[str]) -> Dict[str, Tuple[Applied, ...]]:
        """Return what is applied for every plugin but those of ``without``."""
        hidden = set(without)
        return {name: self.applied(name) for name in {**self.records, **self._applied}
                if name not in hidden}

    def take(self, handed: Settings) -> None:
        """Note that the settings of plugins have become others."""
        for name, applied in handed.items():
            self._applied[name] = tuple(applied)
            self._touched[name] = None

    @property
    def touched(self) -> Tuple[str, ...]:
        """The plugins whose record or settings changed, in the order in which they did."""
        return tuple(self._touched)

    def part(self, gone: Sequence[str]) -> None:
        """Note that plugins which came together with those in ``gone`` no longer are."""
        for name, record in self._records.items():
            together = tuple(one for one in record.together if one not in gone)
            if together != record.together and name not in gone:
                self._records[name] = dataclasses.replace(record, together=together)
                self._touched[name] = None


def effects_of(applied: Iterable[Applied]) -> Tuple[Change, ...]:
    """Return what scriptlets changed, out of a plugin's settings."""
    return tuple(change for one in applied if one.kind == EFFECTS for change in one.changes)


def settings_of(applied: Iterable[Applied]) -> Tuple[Applied, ...]:
    """Return the settings without what scriptlets changed."""
    return tuple(one for one in applied if one.kind != EFFECTS)
