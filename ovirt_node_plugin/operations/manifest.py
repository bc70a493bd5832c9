"""The manifest of an installed plugin: its record and inventory."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Mapping, Optional, Sequence, Tuple

from ..errors import RecordError
from ..registry import store
from ..registry.inventory import Inventory
from ..registry.record import Record
from ..system.openpgp import PublicKey
from . import matching


@dataclass(frozen=True)
class PluginManifest:
    """One installed plugin; ``inventory`` is None if only its settings are shown.

    ``keys`` are the known keys of packages, by id.
    """

    record: Record
    inventory: Optional[Inventory]
    keys: Mapping[str, PublicKey]


def manifests(root: Path, names: Sequence[str], *, inventories: bool,
              keys: Mapping[str, PublicKey] = MappingProxyType({})) -> Tuple[PluginManifest, ...]:
    """Return the manifests of the plugins ``names``, with or without their inventories.

    ``keys`` are those that may have signed packages, by id.

    Raises UnknownPlugin for a name without a record, and RecordError for a record or an
    inventory that is damaged, or missing though it is asked for.
    """
    answer = []
    for name in matching.installed(names, root):
        record = store.read_record(root, name)
        inventory = store.read_inventory(root, name) if inventories else None
        if inventory is None and inventories:
            raise RecordError(
                f"plugin {name} has no inventory /{store.inventory_path(root, name)}",
                hint="An older version of this tool installed it, or somebody removed that"
                     " file. A repair writes one; --settings shows what the record has.")
        answer.append(PluginManifest(record, inventory, keys))
    return tuple(answer)
