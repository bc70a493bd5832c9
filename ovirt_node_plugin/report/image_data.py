"""Answers of ``ovirt-node-plugin`` as plain data, the forms of its ``--json``.

Described in ovirt-node-plugin(8). Within a format names are only added.
"""
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Optional, Sequence

from ..merge.inspection import Inspection
from ..merge.marks import Mark
from ..merge.merge import MergeResult, Rehearsal
from ..system.json_data import Data


def merged(rehearsal: Rehearsal, outcome: Optional[MergeResult], output: Optional[Path], *,
           notes: Sequence[str]) -> Data:
    """Return ``plans``, as ``dnf node-plugin`` gave them, and what was written, if anything."""
    return {"plans": [dict(plan) for plan in rehearsal.plans], "changes": rehearsal.changes,
            "done": outcome is not None,
            "output": str(output) if outcome is not None else None,
            "merge": _mark(outcome.mark if outcome is not None else None),
            "notes": [*notes, *(outcome.notes if outcome is not None else ())]}


def inspection(found: Inspection) -> Data:
    """Return what ``inspect`` tells."""
    layout = found.layout
    return {
        "image": str(layout.path), "size_bytes": found.size_bytes,
        "nesting": list(layout.nesting),
        "volume_id": layout.iso.volume_id if layout.iso is not None else None,
        "payload": layout.payload.path if layout.payload is not None else None,
        "squashfs": _squashfs(found),
        "filesystem": asdict(layout.filesystem) if layout.filesystem is not None else None,
        "inner": layout.inner or None,
        "target": {"kind": found.target.kind, "name": found.target.name,
                   "version": found.target.version, "rpmdb": f"/{found.target.rpmdb}"},
        "kernels": list(found.kernels), "packages": found.packages,
        "plugins": [dict(plugin) for plugin in found.plugins],
        "boot": [{"place": one.place,
                  "entries": [asdict(entry) for entry in one.entries]} for one in found.boot],
        "merge": _mark(found.mark),
    }


def _squashfs(found: Inspection) -> Optional[Data]:
    superblock = found.layout.squashfs
    if superblock is None:
        return None
    return {"compression": str(superblock.compression), "block_size": superblock.block_size,
            "size_bytes": superblock.bytes_used}


def _mark(mark: Optional[Mark]) -> Optional[Data]:
    if mark is None:
        return None
    return {name: value for name, value in asdict(mark).items() if name != "boot"}
