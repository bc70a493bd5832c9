"""The hook points of VDSM, and the nearest one to a wrong name."""
from __future__ import annotations

import difflib
from typing import FrozenSet, Tuple

_BOTH = (
    "device_create", "device_destroy", "device_migrate_destination",
    "device_migrate_source", "disk_hotplug", "disk_hotunplug", "get_all_vm_stats",
    "get_caps", "get_stats", "get_vm_stats", "memory_hotplug", "network_setup",
    "nic_hotplug", "nic_hotunplug", "set_num_of_cpus", "update_device", "vm_cont",
    "vm_dehibernate", "vm_destroy", "vm_hibernate", "vm_migrate_destination",
    "vm_migrate_source", "vm_pause", "vm_set_ticket", "vm_start",
)
_FAILING = ("network_setup", "nic_hotplug", "nic_hotunplug", "update_device")
_ALONE = ("after_disk_prepare", "after_hostdev_list_by_caps", "after_vdsm_stop",
          "before_vdsm_start")

HOOK_POINTS: Tuple[str, ...] = tuple(sorted(
    [f"{when}_{action}" for when in ("before", "after") for action in _BOTH]
    + [f"after_{action}_fail" for action in _FAILING] + list(_ALONE)))
"""All hook points, sorted; from ``vdsm_hooks/Makefile.am`` and ``hooks.py`` of oVirt/vdsm."""

STATUS_IGNORED: FrozenSet[str] = frozenset(
    {point for point in HOOK_POINTS if point.startswith("after_")} - {"after_disk_prepare"}
    | {"before_vdsm_start", "before_vm_destroy", "before_vm_set_ticket"})
"""The points at which VDSM goes on after a hook that fails: ``raiseError`` in ``hooks.py``."""


def nearest_point(name: str) -> str:
    """Return the hook point with the name nearest to ``name``, which may be any text."""
    return difflib.get_close_matches(name, HOOK_POINTS, n=1, cutoff=0.0)[0]
