"""The kinds of setting there are, by name."""
from __future__ import annotations

from typing import Dict, FrozenSet, Tuple

from . import (
    accounts, ca_certificates, ca_trust, command_line, firewall, kernel_arguments,
    kernel_modules, module_index, persistent_paths, placed_files, services, sysctl, vdsm_hooks,
)
from .model import Derived, Kind

DERIVED: Dict[str, Derived] = {kind.name: kind for kind in (
    module_index.KIND, command_line.KIND, ca_trust.KIND)}
_ALL: Tuple[Kind, ...] = (
    *accounts.KINDS, sysctl.KIND, *firewall.KINDS, services.KIND, kernel_modules.KIND,
    vdsm_hooks.KIND, *placed_files.KINDS,
    kernel_arguments.KIND, ca_certificates.KIND, persistent_paths.KIND, *DERIVED.values())
KINDS: Dict[str, Kind] = {kind.name: kind for kind in _ALL}

FOLLOWS_CONTENT: FrozenSet[str] = frozenset({
    vdsm_hooks.KIND.name, ca_certificates.KIND.name, *DERIVED,
    *(kind.name for kind in placed_files.KINDS)})
"""Kinds that copy or sum up what packages bring: new packages may mean a new content."""


def is_shared(name: str) -> bool:
    """Say if settings of this kind that are alike are one state; False for an unknown kind."""
    return name in KINDS and KINDS[name].shared


def is_derived(name: str) -> bool:
    """Say if this kind is made again rather than put back; False for an unknown kind."""
    return name in KINDS and KINDS[name].derived
