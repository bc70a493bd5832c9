"""The findings of ``ovirt-node-plugin lint`` as JSON, and as SARIF 2.1.0.

The format of the answer is described in ovirt-node-plugin(8). Within a format, names are only
added. SARIF is the Static Analysis Results Interchange Format, an OASIS standard, which hosts of
source code and editors read.
"""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence
from urllib.parse import quote

from .. import __version__
from ..authoring.lint.codes import CODES, Severity
from ..authoring.lint.findings import LintFinding
from ..authoring.lint.lint import Report
from ..system.json_data import Data

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_BASE = "BUNDLE"


def lint(reports: Sequence[Report], saved: Optional[Path] = None) -> Data:
    """Return the answer of ``lint``; ``saved`` is the file of a saved base."""
    return {"plugins": [plugin(report) for report in reports],
            "base": str(saved) if saved is not None else ""}


def plugin(report: Report) -> Data:
    """Return the findings about one plugin."""
    return {
        "path": str(report.path), "name": report.name, "version": report.version,
        "errors": report.number(Severity.ERROR), "warnings": report.number(Severity.WARNING),
        "notes": report.number(Severity.NOTE),
        "findings": [_finding(finding) for finding in report.findings]}


def _finding(finding: LintFinding) -> Data:
    return {"code": finding.code, "severity": finding.severity.text, "file": finding.file,
            "line": finding.line, "column": finding.column, "reason": finding.reason,
            "mend": finding.mend, "silenced": finding.silenced}


def sarif(reports: Sequence[Report]) -> Data:
    """Return a log of SARIF with a run for each plugin; paths are relative to its bundle."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": list(map(_run, reports))}


def _run(report: Report) -> Data:
    codes = sorted({finding.code for finding in report.findings})
    rules: List[Data] = [
        {"id": code, "shortDescription": {"text": CODES[code].text},
         "help": {"text": CODES[code].mend},
         "defaultConfiguration": {"level": CODES[code].severity.text}} for code in codes]
    return {
        "tool": {"driver": {"name": "ovirt-node-plugin", "version": __version__,
                            "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "automationDetails": {"id": f"lint/{quote(report.name or report.path.name)}"},
        "originalUriBaseIds": {_BASE: {"description": {"text": "The bundle."}}},
        "results": [_result(finding, codes.index(finding.code))
                    for finding in report.findings]}


def _result(finding: LintFinding, rule: int) -> Data:
    text = f"{finding.reason}\n{finding.mend}" if finding.mend else finding.reason
    location: Dict[str, object] = {
        "artifactLocation": {"uri": quote(finding.file) or ".", "uriBaseId": _BASE}}
    if finding.line:
        location["region"] = {"startLine": finding.line, "startColumn": finding.column}
    result: Data = {"ruleId": finding.code, "ruleIndex": rule, "level": finding.severity.text,
                    "message": {"text": text}, "locations": [{"physicalLocation": location}]}
    if finding.silenced:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.silenced}]
    return result
