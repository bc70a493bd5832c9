"""The registry of a root while an operation changes it: in memory until it is saved."""
from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Mapping, Tuple, TypeVar

from ...errors import RecordError, not_installed
from ...plugin.library import check_name
from ...registry import store
from ...registry.record import InstalledPackage, Record
from ...registry.store import Registry
from ...registry.undo_data import UndoData
from ...settings.engine.ledger import Ledger

_Item = TypeVar("_Item")


class Books:
    """All records of ``root``, and the ledger of what its plugins applied."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.registry: Registry = store.read_registry(root)
        self._records: Dict[str, Record] = dict(self.registry.records)

    @property
    def records(self) -> Mapping[str, Record]:
        """The readable records by plugin name."""
        return self._records

    @property
    def packages(self) -> Dict[str, InstalledPackage]:
        """Every package in a record, by NEVRA."""
        return {package.nevra: package for record in self.records.values()
                for package in record.packages}

    @property
    def claims(self) -> Dict[str, Tuple[str, ...]]:
        """The plugins that have each package, by NEVRA."""
        return holders({name: record.nevras for name, record in self.records.items()})

    def claims_of_others(self, plugins: Collection[str]) -> Dict[str, Tuple[str, ...]]:
        """Return the plugins other than ``plugins`` that have each package, by NEVRA."""
        return holders({name: record.nevras for name, record in self.records.items()
                        if name not in plugins})

    @cached_property
    def undo_data(self) -> Mapping[str, UndoData]:
        """The undo data of the plugins that have a record, as it is in the root.

        Raises RecordError if one cannot be read.
        """
        return {name: store.read_undo_data(self.root, name) for name in self.records}

    @cached_property
    def ledger(self) -> Ledger:
        """The applied state of all plugins, which the operation changes; raises RecordError."""
        return Ledger({name: data.state for name, data in self.undo_data.items()})

    def record(self, name: str) -> Record:
        """Return one record. Raises UnknownPlugin if there is none, RecordError for damage."""
        check_name(name)
        if name in self.registry.damaged:
            raise RecordError(
                f"the record of plugin {name} is damaged: {self.registry.damaged[name]}",
                hint=self.damaged_hint(name))
        if name not in self.records:
            raise not_installed(name, self.root)
        return self.records[name]

    def damaged_hint(self, name: str) -> str:
        """Return what to do about a damaged record."""
        return (f"Restore /{store.record_path(self.root, name)}, or remove the file if the plugin"
                " is gone.")

    @property
    def changed(self) -> Tuple[str, ...]:
        """The plugins whose record or applied state differs from that in the root."""
        return tuple(name for name, record in self.records.items()
                     if record != self.registry.records[name]
                     or self.ledger.state(name) != self.undo_data[name].state)

    def replace_packages(self, new: Mapping[str, InstalledPackage], *,
                         without: Collection[str]) -> None:
        """Replace packages in the records of plugins other than ``without``.

        ``new`` are the packages by the NEVRAs that they replace; each keeps the reason of
        the one before.
        """
        for name, record in self._records.items():
            if name not in without and not new.keys().isdisjoint(record.nevras):
                packages = tuple(
                    dataclasses.replace(new.get(old.nevra, old), reason=old.reason)
                    for old in record.packages)
                self._records[name] = dataclasses.replace(record, packages=packages)

    def separate(self, gone: Collection[str]) -> None:
        """Remove the plugins ``gone`` from the records of those that came together with them."""
        for name, record in self._records.items():
            together = tuple(other for other in record.together if other not in gone)
            if together != record.together and name not in gone:
                self._records[name] = dataclasses.replace(record, together=together)


def holders(items: Mapping[str, Iterable[_Item]]) -> Dict[_Item, Tuple[str, ...]]:
    """Return the names of the plugins that have each item, in the order of ``items``."""
    plugins: Dict[_Item, List[str]] = {}
    for plugin, own in items.items():
        for item in dict.fromkeys(own):
            plugins.setdefault(item, []).append(plugin)
    return {item: tuple(names) for item, names in plugins.items()}
