"""The results of ``merge`` and ``inspect`` as lines of text."""
from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from ..merge.inspection import Inspection
from ..merge.model import MergeResult
from ..merge.root.labels import Labels
from ..merge.together import PlannedMerge
from ..operations.model.answers import PlanAnswer
from ..system.words import count, printable, size
from . import manifest_text, plan_text
from .layout import field, table


def plans(planned: Sequence[PlannedMerge]) -> List[str]:
    """Return the plans as ``dnf node-plugin`` prints them, and notes on the whole merge."""
    lines: List[str] = []
    for plan in planned:
        lines += ["", f"Image {plan.path}:"] if len(planned) > 1 else []
        lines += [line for answer in plan.rehearsal.plans for line in plan_text.plan(answer)]
        lines += [line for note in plan.notes for line in f"Note: {note}".split("\n")]
    return lines


def merge_result(plan: PlannedMerge, outcome: Optional[MergeResult],
                 output: Optional[Path]) -> List[str]:
    """Return the result of the merge of one image, without its plan."""
    if outcome is not None:
        return [*(line for answer in outcome.answers for line in _changed(answer)),
                *_labels(outcome.labels), *(f"Note: {note}" for note in outcome.notes),
                f"{output} is written."]
    if not plan.rehearsal.changes:
        return [f"{plan.path} already contains all of it. No image was written."]
    return []


def _labels(labels: Optional[Labels]) -> List[str]:
    if labels is None or labels.failure:
        return []
    without = len(labels.without)
    return [f"Labelled {count(len(labels.paths), 'path')} by the image's SELinux policy"
            f" {labels.policy}{f', which has no label for {without} more' if without else ''}."]


def _changed(answer: PlanAnswer) -> List[str]:
    """Return what was changed in the root, as ``dnf node-plugin`` prints it."""
    return [*map(manifest_text.removal, answer.deltas), *plan_text.done(answer)]


def inspection(result: Inspection) -> List[str]:
    """Return the result of ``inspect``."""
    layout, target = result.layout, result.target
    lines = [*field("Image", str(layout.path)),
             *field("Nesting", " > ".join(layout.nesting))]
    if result.size_bytes:
        lines += field("Size", size(result.size_bytes))
        lines += _checksums(result)
    if layout.iso is not None:
        lines += field("Volume id", layout.iso.volume_id)
    if layout.payload_path:
        lines += field("Payload", f"{layout.payload_path}, {size(layout.payload_size)}")
    if layout.squashfs is not None:
        lines += field("Compression", f"{layout.squashfs.compression}, blocks of"
                                      f" {size(layout.squashfs.block_size)}")
    if layout.trailing is not None:
        lines += field("Trailing", f"{layout.trailing.words}, {size(layout.trailing.size_bytes)},"
                                   f" behind {layout.trailing.behind}")
    if layout.filesystem is not None:
        lines += field("Filesystem", f"{layout.inner}, {layout.filesystem.kind},"
                       f" {size(layout.filesystem.size_bytes)}, label"
                       f" {layout.filesystem.label or '(none)'}")
    lines += field("System", f"{target.name} ({target.kind})")
    lines += field("Kernel", ", ".join(result.kernels) or "none")
    lines += field("Packages", f"{result.packages}, database in /{target.rpmdb}")
    return [*lines, *_plugins(result), *_boot(result)]


def _checksums(result: Inspection) -> List[str]:
    lines = []
    for comparison in result.checksums:
        signed = f", signed by {comparison.signed_by}" if comparison.signed_by else ""
        problem = f"does not match: {comparison.problem}" if comparison.problem else "matches"
        lines += field("Checksum", f"{comparison.source} {comparison.algorithm.upper()}:"
                                   f" {problem}{signed}")
    return [*lines, *(line for note in result.notes for line in field("Note", note))]


def _plugins(result: Inspection) -> List[str]:
    lines = []
    if result.mark is not None:
        mark = result.mark
        lines += field("Merged", f"{mark.merged_at} from {mark.source} by {mark.tool}")
    if not result.plugins:
        return [*lines, *field("Plugins", "none")]
    rows = [("Plugin", "Version", "State")]
    rows += [(plugin.name, plugin.version, plugin.state)
             for plugin in result.plugins]
    return [*lines, "", *table(rows)]


def _boot(result: Inspection) -> List[str]:
    if not result.boot:
        return []
    lines = [""]
    for configuration in result.boot:
        lines.append(f"Boot configuration {configuration.place}")
        lines += [f"  {printable(entry.title)}: {printable(entry.arguments)}"
                  for entry in configuration.entries]
    return lines
