"""The kinds of setting there are, by name."""
from __future__ import annotations

from typing import Dict

from . import kernel_modules, module_index, services, vdsm_hooks
from .model import Kind

_ALL = (services.KIND, kernel_modules.KIND, vdsm_hooks.KIND, module_index.KIND)
KINDS: Dict[str, Kind] = {kind.name: kind for kind in _ALL}


def is_shared(name: str) -> bool:
    """Say if settings of this kind that are alike are one state; False for an unknown kind."""
    return name in KINDS and KINDS[name].shared


def is_derived(name: str) -> bool:
    """Say if this kind is made again rather than put back; False for an unknown kind."""
    return name in KINDS and KINDS[name].derived
