"""Lines by which a vendor silences findings: in ``lint.conf``, and in comments of a descriptor.

A line of ``lint.conf`` is ``CODE REASON``, ``#`` starts a comment. A comment of a descriptor is
``lint: off CODE REASON``. What an install refuses cannot be silenced.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

from ...plugin.descriptor import DESCRIPTOR_NAME
from ...system.limits import PROBLEMS
from ...system.regular_files import NotRegular, TooLarge, read_regular
from ...system.words import printable
from ...system.xml import comments
from .codes import CODES, Severity
from .findings import LintFinding, found

FILE = "lint.conf"
_COMMENT = "lint:"
_OFF = "off"
_MOST_CHARACTERS = 60
_INCOMPLETE = "lint/incomplete"
_OF_OPTIONS = frozenset(("packages/unchecked", "older/package"))  # not found with other options


@dataclass(frozen=True)
class Silence:
    """A line that silences the findings of ``code`` for a ``reason``, and where it is."""

    code: str
    reason: str
    file: str
    line: int
    column: int


def of_file(directory: Path) -> Tuple[List[Silence], List[LintFinding]]:
    """Return what ``lint.conf`` in a bundle's folder silences, and findings about its lines."""
    try:
        text = read_regular(directory / FILE).decode()
    except FileNotFoundError:
        return [], []
    except (NotRegular, TooLarge, OSError, UnicodeDecodeError):
        return [], [found("lint/silence", f"{FILE} is not a small file of UTF-8 text", file=FILE)]
    return _sorted_out([Silence(*_words(content), FILE, number, 1)
                        for number, line in enumerate(text.split("\n"), start=1)
                        for content in [line.partition("#")[0].strip()] if content])


def of_descriptor(data: bytes) -> Tuple[List[Silence], List[LintFinding]]:
    """Return what the comments of a well-formed descriptor silence, and findings about them."""
    silences = []
    for comment in comments(data):
        first, _, rest = comment.text.strip().partition(" ")
        word, _, content = rest.strip().partition(" ")
        if first == _COMMENT and word == _OFF:
            silences.append(Silence(*_words(content), DESCRIPTOR_NAME, comment.line,
                                    comment.column))
    return _sorted_out(silences)


def apply(findings: Sequence[LintFinding], silences: Sequence[Silence]) -> List[LintFinding]:
    """Return the findings, with the reason of the first silence of their code, and further ones.

    These are about silences of codes that were not found, if all checks were made.
    """
    first = {silence.code: silence for silence in reversed(silences)}
    reasons = {code: silence.reason for code, silence in first.items()}
    codes = {finding.code for finding in findings}
    unused = [] if _INCOMPLETE in codes else [
        silence for code, silence in first.items() if code not in {*codes, *_OF_OPTIONS}]
    return [*(dataclasses.replace(finding, silenced=reasons.get(finding.code, ""))
              for finding in findings),
            *(found("lint/unused", f"{silence.code} is silenced, but was not found",
                    file=silence.file, line=silence.line, column=silence.column)
              for silence in unused)]


def _words(content: str) -> Tuple[str, str]:
    code, _, reason = content.strip().partition(" ")
    return code, " ".join(reason.split())


def _sorted_out(silences: Sequence[Silence]) -> Tuple[List[Silence], List[LintFinding]]:
    return ([silence for silence in silences if not any(_problems(silence))],
            [found("lint/silence", problem, file=silence.file, line=silence.line,
                   column=silence.column)
             for silence in silences for problem in _problems(silence)][:PROBLEMS])


def _problems(silence: Silence) -> Iterator[str]:
    shown = printable(silence.code[:_MOST_CHARACTERS])
    if silence.code not in CODES:
        yield f"expected the code of a finding, found {shown!r}"
    elif CODES[silence.code].severity == Severity.ERROR:
        yield f"{shown} is an error, which an install refuses; it cannot be silenced"
    elif not silence.reason:
        yield f"expected a reason after {shown}, found none"
