"""The results of ``merge`` and ``inspect`` as plain data, for ``ovirt-node-plugin --json``.

The format is described in ovirt-node-plugin(8). Within a format, names are only added.
"""
from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Optional, Sequence

from ..images.squashfs.trailing_data import TrailingData
from ..merge.inspection import Inspection
from ..merge.model import MergeResult
from ..merge.root.marks import Mark
from ..merge.together import PlannedMerge
from ..system.json_answer import with_format
from ..system.json_data import Data


def merge_result(planned: PlannedMerge, outcome: Optional[MergeResult],
                 output: Optional[Path]) -> Data:
    """Return the plans of ``dnf node-plugin``, and the output if one was written."""
    return {"plans": [with_format(plan.to_data()) for plan in planned.rehearsal.plans],
            "changes": planned.rehearsal.changes,
            "done": outcome is not None,
            "output": str(output) if outcome is not None else None,
            "merge": _mark(outcome.mark if outcome is not None else None),
            "labels": _labels(outcome),
            "notes": list(dict.fromkeys((
                *planned.notes, *(outcome.notes if outcome is not None else ()))))}


def merge_results(plans: Sequence[PlannedMerge], documents: Sequence[Data], *,
                  same: Optional[bool], notes: Sequence[str]) -> Data:
    """Return the result of a merge of several images; ``documents`` are those of each.

    ``same`` is whether all have the same plugins, None if no image was written.
    """
    return {"images": [{"image": str(plan.path), **document}
                       for plan, document in zip(plans, documents)],
            "changes": any(plan.rehearsal.changes for plan in plans),
            "done": same is not None, "same_plugins": same, "notes": list(notes)}


def _labels(outcome: Optional[MergeResult]) -> Optional[Data]:
    if outcome is None or outcome.labels is None:
        return None
    labels = outcome.labels
    return {"policy": labels.policy, "paths": len(labels.paths), "without": len(labels.without),
            "compared": outcome.checked and not labels.failure}


def inspection(result: Inspection) -> Data:
    """Return the result of ``inspect``."""
    layout = result.layout
    return {
        "image": str(layout.path), "size_bytes": result.size_bytes,
        "nesting": list(layout.nesting),
        "volume_id": layout.iso.volume_id if layout.iso is not None else None,
        "payload": layout.payload_path or None,
        "squashfs": _squashfs(result),
        "filesystem": asdict(layout.filesystem) if layout.filesystem is not None else None,
        "inner": layout.inner or None,
        "trailing": _trailing(layout.trailing),
        "target": {"kind": result.target.kind, "name": result.target.name,
                   "version": result.target.version, "rpmdb": f"/{result.target.rpmdb}"},
        "kernels": list(result.kernels), "packages": result.packages,
        "plugins": [asdict(plugin) for plugin in result.plugins],
        "boot": [{"place": configuration.place,
                  "entries": list(map(asdict, configuration.entries))}
                 for configuration in result.boot],
        "merge": _mark(result.mark),
        "checksums": [{"source": comparison.source, "algorithm": comparison.algorithm,
                       "matches": comparison.matches, "problem": comparison.problem,
                       "signed_by": comparison.signed_by}
                      for comparison in result.checksums],
        "notes": list(result.notes),
    }


def _squashfs(result: Inspection) -> Optional[Data]:
    superblock = result.layout.squashfs
    if superblock is None:
        return None
    return {"compression": str(superblock.compression), "block_size": superblock.block_size,
            "size_bytes": superblock.bytes_used}


def _trailing(trailing: Optional[TrailingData]) -> Optional[Data]:
    if trailing is None:
        return None
    verity = trailing.verity
    return {"behind": trailing.behind, "kind": "dm-verity" if verity is not None else "unknown",
            "size_bytes": trailing.size_bytes,
            "root_hash": verity.root_hash if verity is not None else None}


def _mark(mark: Optional[Mark]) -> Optional[Data]:
    if mark is None:
        return None
    return {name: value for name, value in asdict(mark).items() if name != "boot"}
