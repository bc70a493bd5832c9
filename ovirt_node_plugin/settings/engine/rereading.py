"""Configuration that the running system reads only once, read again when it changes."""
from __future__ import annotations

from pathlib import Path
from typing import FrozenSet, Iterable

from ...system.paths import is_inside_any, real_places
from ...undo import live_log
from ..config_files import config_files
from ..firewall import firewall_files
from ..kit.model import Context
from ..placed import placed_files
from ..selinux import selinux_policy
from ..services import package_units

READERS = (package_units.READER, placed_files.UDEV, firewall_files.READER,
           placed_files.MULTIPATH, selinux_policy.READER, *config_files.READERS)
"""The readers, in the order in which they read."""


def to_read_again(paths: Iterable[str], root: Path) -> FrozenSet[str]:
    """Return the names of the readers that have to read again if ``paths`` change.

    The paths are absolute or relative to ``root``; links in them need not be resolved.
    """
    relative = {path.lstrip("/") for path in paths}
    return frozenset(reader.name for reader in READERS
                     for places in [real_places(root, reader.folders)]
                     if any(is_inside_any(path, places) for path in relative))


def read_again(names: Iterable[str], ctx: Context) -> None:
    """Let the named readers read again, if the root is the running system."""
    wanted = frozenset(names) if ctx.live else frozenset()
    if wanted:
        live_log.write_again(ctx.root, wanted)
        for reader in READERS:
            if reader.name in wanted:
                reader.read(ctx)
