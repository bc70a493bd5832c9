"""The kinds of setting there are, by name."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Mapping, Tuple

from ..accounts import accounts
from ..boot import command_line, dracut_files, initramfs, initramfs_images, kernel_arguments
from ..certificates import ca_certificates, ca_trust
from ..firewall import firewall
from ..kit.model import Derived, Kind
from ..modules import kernel_modules, module_index
from ..placed import leave_out, persistent_paths, placed_files, vdsm_hooks
from ..selinux import selinux, selinux_policy, selinux_store
from ..services import services
from ..sysctl import sysctl

DERIVED: Dict[str, Derived] = {kind.name: kind for kind in (
    module_index.KIND, command_line.KIND, ca_trust.KIND, selinux_policy.KIND,
    initramfs.KIND)}
_ALL: Tuple[Kind, ...] = (
    *accounts.KINDS, sysctl.KIND, *firewall.KINDS, services.KIND, kernel_modules.KIND,
    vdsm_hooks.KIND, *placed_files.KINDS,
    kernel_arguments.KIND, ca_certificates.KIND, persistent_paths.KIND, leave_out.KIND,
    *dracut_files.KINDS, *selinux.KINDS, *DERIVED.values())
KINDS: Dict[str, Kind] = {kind.name: kind for kind in _ALL}

FOLLOWS_CONTENT: FrozenSet[str] = frozenset({
    vdsm_hooks.KIND.name, ca_certificates.KIND.name, leave_out.KIND.name, *DERIVED,
    *(kind.name for kind in placed_files.KINDS)})
"""Kinds that copy or sum up what packages bring: new packages may mean a new content."""

_REPLACED: Mapping[str, str] = {selinux_policy.KIND.name: selinux_store.STORES}


def is_shared(name: str) -> bool:
    """Say if settings of this kind that are alike are one state; False for an unknown kind."""
    return name in KINDS and KINDS[name].shared


def kept_whole(names: Iterable[str]) -> Tuple[str, ...]:
    """Return the folders, relative to a root, that programs of these kinds replace whole."""
    return tuple(sorted({_REPLACED[name] for name in names if name in _REPLACED}))


def replaced_files(names: Iterable[str], root: Path) -> Tuple[str, ...]:
    """Return the files, relative to ``root``, that these kinds replace without keeping them."""
    return initramfs_images.touched(root) if initramfs.KIND.name in names else ()


def is_derived(name: str) -> bool:
    """Say if this kind is made again rather than put back; False for an unknown kind."""
    return name in KINDS and KINDS[name].derived
