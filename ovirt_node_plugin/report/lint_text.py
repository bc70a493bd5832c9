"""The findings of ``ovirt-node-plugin lint`` as lines of text."""
from __future__ import annotations

from typing import Iterator, List

from ..authoring.codes import Severity
from ..authoring.findings import LintFinding
from ..authoring.lint import Report
from ..system.words import count


def lint(report: Report) -> List[str]:
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
