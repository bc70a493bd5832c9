"""The findings of ``ovirt-node-plugin lint`` as lines of text."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Optional, Sequence

from ..authoring.lint.codes import Severity
from ..authoring.lint.findings import LintFinding
from ..authoring.lint.lint import Report
from ..system.words import count


def lint(reports: Sequence[Report], saved: Optional[Path] = None) -> List[str]:
    """Return the lines about each plugin, under its path if there are several.

    ``saved`` is the file of a saved base.
    """
    lines = [] if saved is None else [f"The package list of the base was saved as {saved}."]
    for report in reports:
        lines += [*([f"{report.path}:"] if len(reports) > 1 else []), *plugin(report)]
    return lines


def plugin(report: Report) -> List[str]:
    """Return lines for each finding that is not silenced, then their numbers."""
    shown = [finding for finding in report.findings if not finding.silenced]
    silenced = len(report.findings) - len(shown)
    numbers = ", ".join(count(report.number(severity), severity.text)
                        for severity in reversed(Severity))
    return [*(line for finding in shown for line in _lines(finding)),
            f"{numbers}" + (f"; {silenced} silenced" if silenced else "") + "."]


def _lines(finding: LintFinding) -> Iterator[str]:
    place = finding.file or "(bundle)"
    if finding.line:
        place += f":{finding.line}:{finding.column}"
    first, *rest = finding.reason.splitlines() or [""]
    yield f"{place}: {finding.severity.text} {finding.code}: {first}"
    for line in (*rest, *finding.mend.splitlines()):
        yield f"    {line.strip()}"
