"""Answers of ``ovirt-node-plugin`` as lines for a terminal."""
from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from ..merge.inspection import Inspection
from ..merge.merge import MergeResult, Rehearsal
from ..system.words import size
from .layout import field, harmless, table


def merged(rehearsal: Rehearsal, outcome: Optional[MergeResult], output: Optional[Path], *,
           source: Path) -> List[str]:
    """Return the result of a merge into the image ``source``. dnf itself has printed the plan."""
    if outcome is not None:
        return [*(f"Note: {note}" for note in outcome.notes), f"{output} is written."]
    if not rehearsal.changes:
        return [f"Nothing to do: {source} already contains all of it. No image was written."]
    return []


def inspection(found: Inspection) -> List[str]:
    """Return the answer of ``inspect``."""
    layout, target = found.layout, found.target
    lines = [*field("Image", str(layout.path)),
             *field("Nesting", " > ".join(layout.nesting))]
    if found.size_bytes:
        lines += field("Size", size(found.size_bytes))
    if layout.iso is not None:
        lines += field("Volume id", layout.iso.volume_id)
    if layout.payload is not None:
        lines += field("Payload", f"{layout.payload.path}, {size(layout.payload.size_bytes)}")
    if layout.squashfs is not None:
        lines += field("Compression", f"{layout.squashfs.compression}, blocks of"
                                      f" {size(layout.squashfs.block_size)}")
    if layout.filesystem is not None:
        lines += field("Filesystem", f"{layout.inner}, {layout.filesystem.kind},"
                       f" {size(layout.filesystem.size_bytes)}, label"
                       f" {layout.filesystem.label or '(none)'}")
    lines += field("System", f"{target.name} ({target.kind})")
    lines += field("Kernel", ", ".join(found.kernels) or "none")
    lines += field("Packages", f"{found.packages}, database in /{target.rpmdb}")
    return [*lines, *_plugins(found), *_boot(found)]


def _plugins(found: Inspection) -> List[str]:
    lines = []
    if found.mark is not None:
        mark = found.mark
        lines += field("Merged", f"{mark.merged_at} from {mark.source} by {mark.tool}")
    if not found.plugins:
        return [*lines, *field("Plugins", "none")]
    rows = [("Plugin", "Version", "State")]
    rows += [(str(one["name"]), str(one["version"]), str(one["state"]))
             for one in found.plugins]
    return [*lines, "", *table(rows)]


def _boot(found: Inspection) -> List[str]:
    if not found.boot:
        return []
    lines = [""]
    for one in found.boot:
        lines.append(f"Boot configuration {one.place}")
        lines += [f"  {harmless(entry.title)}: {harmless(entry.arguments)}"
                  for entry in one.entries]
    return lines
