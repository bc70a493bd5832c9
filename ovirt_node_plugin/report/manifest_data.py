"""Manifests as plain data, for ``--json``; described in dnf-node-plugin(8)."""
from __future__ import annotations

import dataclasses
from typing import List, Sequence

from ..operations.manifest import PluginManifest, Shows
from ..registry import inventory_json
from ..registry.inventory import Delta, File, Inventory
from ..registry.record import Record
from ..system.json_data import Data


def manifests(found: Sequence[PluginManifest], shows: Shows) -> Data:
    """Return ``plugins``: of each what is asked for."""
    return {"plugins": [_manifest(one, shows) for one in found]}


def _manifest(one: PluginManifest, shows: Shows) -> Data:
    record, inventory = one.record, one.inventory
    found: Data = {"name": record.name, "version": record.version,
                   "installed_at": record.installed_at, "tool": record.tool}
    if shows.settings or shows.overview:
        found["settings"] = settings(record)
    if inventory is None:
        return found
    if shows.packages or shows.overview:
        found["packages"] = packages(inventory)
    if shows.files:
        found["files"] = files(inventory)
    if shows.delta:
        found["delta"] = delta(inventory.delta())
    if shows.overview:
        found["others"] = list(map(inventory_json.file, inventory.others))
        found["accounts"] = [dataclasses.asdict(each) for each in inventory.accounts]
        found["operations"] = list(map(inventory_json.operation, inventory.operations))
    return found


def settings(record: Record) -> List[Data]:
    """Return the settings of a plugin as its record has them."""
    return [dict(inventory_json.setting(one)) for one in record.settings]


def packages(inventory: Inventory) -> List[Data]:
    """Return the packages of a plugin, with how many files they have."""
    return [{"nevra": one.nevra, "header": one.header, "since": one.since,
             "files": len(one.files), "size_bytes": one.size_bytes}
            for one in inventory.packages]


def files(inventory: Inventory) -> List[Data]:
    """Return every file of a plugin, with the package that it is of, if it is of one."""
    found = [{**inventory_json.file(one), "package": package.nevra}
             for package in inventory.packages for one in package.files]
    return found + [{**inventory_json.file(one), "package": ""} for one in inventory.others]


def delta(one: Delta) -> Data:
    """Return what an operation changed: packages, files, settings and accounts."""
    last = one.operation
    return {
        "plugin": one.name, "operation": last.operation, "at": last.at, "tool": last.tool,
        "version_from": last.version_from, "version_to": last.version_to,
        "packages": {"added": list(last.packages_added), "removed": list(last.packages_removed),
                     "shared": list(last.packages_shared)},
        "files": {"added": _files(one.files_added), "removed": _files(one.files_removed),
                  "changed": [{"path": new.path, "before": inventory_json.file(old),
                               "after": inventory_json.file(new)}
                              for old, new in one.files_changed]},
        "settings": {name: [inventory_json.setting(each) for each in some] for name, some in (
            ("on", last.settings_on), ("again", last.settings_again),
            ("off", last.settings_off))},
        "accounts": {name: [dataclasses.asdict(each) for each in some] for name, some in (
            ("added", last.accounts_added), ("removed", last.accounts_removed))},
    }


def _files(found: Sequence[File]) -> List[Data]:
    return list(map(inventory_json.file, found))
