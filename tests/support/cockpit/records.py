"""Records of plugins that were never installed, written as an install writes them."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.inventory import File, Inventory, InventoryPackage, Operation
from ovirt_node_plugin.registry.record import Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.undo.changes import AppliedState
from tests.support import descriptor_xml

TOOL = "ovirt-node-plugin 0.1.0"
AT = "2026-11-22T16:40:11Z"


def write_plugin(root: Path, name: str, version: str = "1.0", *, vendor: str = "Example Inc.",
                 summary: str = "", files: Sequence[str] = ()) -> None:
    """Record a plugin without packages and settings as installed in ``root``.

    Without packages, nothing of it can be missing, so that the command finds it in order.
    ``files`` are absolute paths of files, which the inventory has as those of a package.
    """
    record = Record(
        name=name, version=version, vendor=vendor, summary=summary or f"The plugin {name}",
        installed_at=AT, tool=TOOL, mode="online", source=f"/media/{name}-{version}",
        target_kind="host", target_version="9.4", repos=(), packages=(), settings=())
    undo_data = UndoData(name, descriptor_xml(name, version).encode(), AppliedState(),
                         inventory=True)
    operation = Operation("install", AT, TOOL, "", version, files_added=len(files))
    packages = (InventoryPackage(f"{name}-{version}-1.noarch", "0" * 64, 1, tuple(
        File(path, "file", 0o644, "root", "root", 9, f"sha256:{'0' * 64}", since=1)
        for path in files)),) if files else ()
    store.save(root, record, undo_data, Inventory(name, (operation,), packages, ()))


def write_plugins(root: Path, names: Sequence[str]) -> None:
    """Record plugins of several vendors, each without packages and settings."""
    for number, name in enumerate(names):
        write_plugin(root, name, f"{1 + number % 3}.{number % 10}",
                     vendor=f"Vendor {number % 7} Inc.")
