"""Findings of a check of a bundle, also those that come from the errors of an install."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Sequence, Tuple

from ...errors import NodePluginError, SeveralReasons
from .codes import CODES, Severity

_OTHER = "settings/refused"  # of an error that no table names


@dataclass(frozen=True)
class LintFinding:
    """One defect, or a remark.

    ``file`` is relative to the bundle, empty for the bundle as a whole; ``line`` and ``column``
    are counted from 1, 0 if unknown. ``reason`` says what is wrong, ``mend`` what helps.
    ``silenced`` is the reason for which the finding does not count, else empty.
    """

    code: str
    reason: str
    mend: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    silenced: str = ""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return CODES[self.code].severity

    @property
    def place(self) -> Tuple[str, int, int]:
        """The file, line and column, to sort by."""
        return self.file, self.line, self.column


def found(code: str, reason: str, *, mend: str = "", file: str = "", line: int = 0,
          column: int = 0) -> LintFinding:
    """Return a finding, with the usual hint of its code if ``mend`` is empty."""
    return LintFinding(code=code, reason=reason, mend=mend or CODES[code].mend, file=file,
                       line=line, column=column)


def of_errors(errors: Iterable[NodePluginError], directory: Path, *,
              file: str = "") -> Iterator[LintFinding]:
    """Yield the findings that ``errors``, of a bundle in ``directory``, are about.

    ``file`` is the file that an error without a place is about.
    """
    for error in errors:
        if isinstance(error, SeveralReasons):
            yield from of_errors((reason.error for reason in error.reasons), directory, file=file)
        elif error.problems:
            for problem in error.problems:
                yield found(_code(problem.code or error.code), problem.text, mend=error.hint,
                            file=_inside(problem.file, directory), line=problem.line,
                            column=problem.column)
        else:
            yield found(_code(error.code), error.message, mend=error.hint, file=file)


def relative(finding: LintFinding, directory: Path, *, source: str) -> LintFinding:
    """Return ``finding`` without the path of the bundle's folder, and without ``source`` first."""
    prefix, subject = f"{directory}/", f"{source}: "
    reason = finding.reason[len(subject):] if finding.reason.startswith(subject) else finding.reason
    return dataclasses.replace(finding, reason=reason.replace(prefix, ""),
                               mend=finding.mend.replace(prefix, ""))


def ordered(findings: Iterable[LintFinding]) -> Sequence[LintFinding]:
    """Return the findings by place, each once."""
    return sorted(dict.fromkeys(findings),
                  key=lambda finding: (finding.place, -finding.severity, finding.code,
                                       finding.reason))


def _code(code: str) -> str:
    return code if code in CODES else _OTHER


def _inside(file: str, directory: Path) -> str:
    prefix = f"{directory}/"
    return file[len(prefix):] if file.startswith(prefix) else file
