"""Manifests as plain data, for ``--json``. The format is described in dnf-node-plugin(8)."""
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import List, Mapping, Optional, Sequence

from ..operations.manifest import PluginManifest
from ..registry import inventory_json
from ..registry.inventory import Delta, File, Inventory
from ..registry.record import InstalledPackage, Record
from ..system.json_data import Data
from ..system.openpgp import PublicKey


@dataclass(frozen=True)
class Shows:
    """The parts of manifests to show; an overview if no part is asked for."""

    packages: bool = False
    files: bool = False
    settings: bool = False
    delta: bool = False

    @property
    def overview(self) -> bool:
        """Whether no part is asked for."""
        return not (self.packages or self.files or self.settings or self.delta)

    @property
    def record_only(self) -> bool:
        """Whether the record is sufficient for the parts."""
        return self.settings and not (self.packages or self.files or self.delta)


def manifests(plugins: Sequence[PluginManifest], shows: Shows) -> Data:
    """Return ``plugins``, each with the parts that ``shows`` asks for."""
    return {"plugins": [_manifest(plugin, shows) for plugin in plugins]}


def _manifest(manifest: PluginManifest, shows: Shows) -> Data:
    record, inventory = manifest.record, manifest.inventory
    data: Data = {"name": record.name, "version": record.version,
                   "installed_at": record.installed_at, "tool": record.tool}
    if shows.settings or shows.overview:
        data["settings"] = settings(record)
    if inventory is None:
        return data
    if shows.packages or shows.overview:
        data["packages"] = packages(manifest, inventory)
    if shows.files:
        data["files"] = files(inventory)
    if shows.delta:
        data["delta"] = delta(inventory.delta())
    if shows.overview:
        data["others"] = list(map(inventory_json.file, inventory.others))
        data["accounts"] = list(map(asdict, inventory.accounts))
        data["operations"] = list(map(inventory_json.operation, inventory.operations))
    return data


def settings(record: Record) -> List[Data]:
    """Return the settings of a plugin as its record has them."""
    return [dict(inventory_json.setting(setting)) for setting in record.settings]


def packages(manifest: PluginManifest, inventory: Inventory) -> List[Data]:
    """Return the packages of a plugin, with the number of files of each and its signer."""
    recorded = {package.nevra: package for package in manifest.record.packages}
    return [{"nevra": package.nevra, "header": package.header, "since": package.since,
             "files": len(package.files), "size_bytes": package.size_bytes,
             **_origin(recorded.get(package.nevra), manifest.keys)}
            for package in inventory.packages]


def _origin(package: Optional[InstalledPackage], keys: Mapping[str, PublicKey]) -> Data:
    """Return where a package came from, why, and who signed it, as its record tells."""
    known = package or InstalledPackage(nevra="", checksum="", reason="")
    key = keys.get(known.signer)
    return {"repo": known.repo, "reason": known.reason, "checksum": known.checksum,
            "signer": known.signer, "checked": known.checked,
            "fingerprint": key.fingerprint if key is not None else "",
            "owner": key.owner if key is not None else ""}


def files(inventory: Inventory) -> List[Data]:
    """Return every file of a plugin, with its package, which is empty for other files."""
    of_packages = [{**inventory_json.file(file), "package": package.nevra}
                   for package in inventory.packages for file in package.files]
    others = [{**inventory_json.file(file), "package": ""} for file in inventory.others]
    return of_packages + others


def delta(change: Delta) -> Data:
    """Return what an operation changed: packages, files, settings and accounts."""
    last = change.operation
    return {
        "plugin": change.name, "operation": last.operation, "at": last.at, "tool": last.tool,
        "version_from": last.version_from, "version_to": last.version_to,
        "packages": {"added": list(last.packages_added), "removed": list(last.packages_removed),
                     "shared": list(last.packages_shared),
                     "replaced": list(last.packages_replaced)},
        "files": {"added": _files(change.files_added), "removed": _files(change.files_removed),
                  "changed": [{"path": new.path, "before": inventory_json.file(old),
                               "after": inventory_json.file(new)}
                              for old, new in change.files_changed]},
        "settings": {name: list(map(inventory_json.setting, applied)) for name, applied in (
            ("on", last.settings_on), ("again", last.settings_again),
            ("off", last.settings_off))},
        "accounts": {name: list(map(asdict, accounts)) for name, accounts in (
            ("added", last.accounts_added), ("removed", last.accounts_removed))},
        "scriptlets_skipped": list(last.scriptlets_skipped),
    }


def _files(files: Sequence[File]) -> List[Data]:
    return list(map(inventory_json.file, files))
