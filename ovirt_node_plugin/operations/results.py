"""What the operations answer: plans, outcomes, tables. Plain data, for any report."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from ..packages.session import PackageChange
from ..target import Target

INSTALL, UPGRADE, REPAIR, KEEP, REMOVE = "install", "upgrade", "repair", "keep", "remove"


@dataclass(frozen=True)
class PluginAction:
    """What happens to one plugin.

    ``action`` is INSTALL, UPGRADE, REPAIR (its record outlived its packages),
    KEEP (nothing to do) or REMOVE; ``old_version`` is empty for an install;
    ``packages`` are the NEVRAs that it brings or shares; ``on`` and ``off`` are
    lines for the settings that come on and go back.
    """

    action: str
    name: str
    version: str
    old_version: str
    vendor: str
    summary: str
    source: str
    packages: Tuple[str, ...] = ()
    on: Tuple[str, ...] = ()
    off: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything that an operation would do, before it does it.

    ``table`` is the transaction as dnf prints it, empty without packages.
    """

    operation: str
    target: Target
    plugins: Tuple[PluginAction, ...]
    packages: Tuple[PackageChange, ...]
    table: str = ""
    notes: Tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Say if there is anything to do."""
        return any(plugin.action != KEEP for plugin in self.plugins)


@dataclass(frozen=True)
class PluginState:
    """One plugin, installed or offered.

    ``state`` is ``installed``, ``broken`` or ``available``; ``problems`` say why
    it is broken; ``source`` is where it was or would be installed from.
    """

    name: str
    version: str
    vendor: str
    summary: str
    state: str
    source: str
    problems: Tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginInfo:
    """All that is known of one plugin; lines of settings as in a plan."""

    state: PluginState
    description: str
    url: str
    license: str
    installed_at: str
    repos: Tuple[str, ...]
    packages: Tuple[str, ...]
    settings: Tuple[str, ...]
    requires: Tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """What ``verify`` found of one plugin; no problems means that all is true."""

    name: str
    version: str
    problems: Tuple[str, ...]
