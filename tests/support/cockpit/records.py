"""Records of plugins that were never installed, written as an install writes them."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.inventory import Inventory, Operation
from ovirt_node_plugin.registry.record import Record
from ovirt_node_plugin.registry.undo_data import UndoData
from ovirt_node_plugin.undo.changes import AppliedState

TOOL = "ovirt-node-plugin 0.1.0"
AT = "2026-11-22T16:40:11Z"


def write_plugin(root: Path, name: str, version: str = "1.0", *, vendor: str = "Example Inc.",
                 summary: str = "") -> None:
    """Record a plugin without packages and settings as installed in ``root``.

    Without packages, nothing of it can be missing, so that the command finds it in order.
    """
    record = Record(
        name=name, version=version, vendor=vendor, summary=summary or f"The plugin {name}",
        installed_at=AT, tool=TOOL, mode="online", source=f"/media/{name}-{version}",
        target_kind="host", target_version="9.4", repos=(), packages=(), settings=())
    descriptor = (f'<node-plugin format="1"><name>{name}</name><version>{version}</version>'
                  f"</node-plugin>")
    store.save(root, record, UndoData(name, descriptor.encode(), AppliedState(), inventory=True),
               Inventory(name, (Operation("install", AT, TOOL, "", version),), ()))


def write_plugins(root: Path, names: Sequence[str]) -> None:
    """Record plugins of several vendors, each without packages and settings."""
    for number, name in enumerate(names):
        write_plugin(root, name, f"{1 + number % 3}.{number % 10}",
                     vendor=f"Vendor {number % 7} Inc.")
