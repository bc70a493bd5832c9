"""Find everything that is wrong with a plugin, without privileges."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from ...errors import Status, UsageError
from ...plugin.bundle import Bundle, opened
from ...plugin.descriptor import DESCRIPTOR_NAME
from ...system.regular_files import read_regular
from ...system.run import Runner
from . import bases, bundle_checks, signature_checks, silences
from .bases import Base
from .codes import Severity
from .findings import LintFinding, ordered


@dataclass(frozen=True)
class Report:
    """The findings about the bundle at ``path``, by place; the name and version if known."""

    path: Path
    name: str
    version: str
    findings: Tuple[LintFinding, ...]

    def number(self, severity: Severity) -> int:
        """Return the number of findings of one severity that are not silenced."""
        return sum(finding.severity == severity and not finding.silenced
                   for finding in self.findings)

    def status(self, *, strict: bool) -> Status:
        """Return the exit status; with ``strict``, warnings count too."""
        if self.number(Severity.ERROR):
            return Status.BAD_BUNDLE
        return Status.BROKEN if strict and self.number(Severity.WARNING) else Status.DONE


def lint(path: Path, *, run: Runner, against: Sequence[Path] = (),
         older: Optional[Path] = None) -> Report:
    """Return the findings about the plugin at ``path``: a folder, a tar or a repository.

    ``against`` are what ``bases.opened`` takes: the base that the plugin is for. ``older`` is a
    bundle that it is to replace.

    Raises UsageError if a path does not exist or is something else, BadImage for an image that
    cannot be read, BadBundle for an older bundle that is not valid.
    """
    with bases.opened(against, run=run) as base:
        return lint_on(path, base, run=run, older=older)


def lint_all(paths: Sequence[Path], base: Base, *, run: Runner,
             older: Optional[Path] = None) -> List[Report]:
    """Return a report on each plugin at ``paths``, and in those that are folders of several.

    Raises as ``lint``, and UsageError for an older bundle of one of several.
    """
    from .repositories import bundles_at  # it imports dnf

    found = [bundle for path in paths for bundle in bundles_at(path)]
    if older is not None and len(found) > 1:
        raise UsageError("--older: there are several plugins", hint="Name the one that it is of.")
    return [lint_on(path, base, run=run, older=older) for path in found]


def lint_on(path: Path, base: Base, *, run: Runner, older: Optional[Path] = None) -> Report:
    """Return the findings about the plugin at ``path``. Raises as ``lint``."""
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(opened(older, run=run)) if older is not None else None
        result = stack.enter_context(bundle_checks.opened(path, run=run))
        findings = list(result.findings)
        if result.bundle is not None:
            findings += _contents(path, result.bundle, before, base, run)
        if result.directory is not None:
            findings = _silenced(findings, result.directory,
                                 well_formed=bundle_checks.is_well_formed(result))
    if result.is_repository:
        findings = bundle_checks.relative_to_repository(findings)
    descriptor = result.bundle.descriptor if result.bundle is not None else None
    return Report(path, descriptor.name if descriptor else "",
                  descriptor.version if descriptor else "", tuple(ordered(findings)))


def _contents(path: Path, bundle: Bundle, older: Optional[Bundle], base: Base,
              run: Runner) -> List[LintFinding]:
    """Return the findings about packages and settings of a bundle that is valid as such."""
    from . import older_checks, package_checks, settings_checks  # these import dnf

    packages = package_checks.checked(bundle, base)
    findings = [*packages.findings,
                *signature_checks.checked(path, bundle, [*packages.paths.values()], run=run)]
    findings += settings_checks.checked(bundle, packages, base, run=run)
    if older is not None:
        before = package_checks.checked(older, Base(base.empty))
        findings += older_checks.checked(bundle, packages.changes, older, before.changes)
    return findings


def _silenced(findings: Sequence[LintFinding], directory: Path, *,
              well_formed: bool) -> List[LintFinding]:
    """Return the findings with what the bundle silences, and those about its silences."""
    silencing, problems = silences.of_file(directory)
    if well_formed:
        more, further = silences.of_descriptor(read_regular(directory / DESCRIPTOR_NAME,
                                                            follow=True))
        silencing, problems = [*silencing, *more], [*problems, *further]
    return silences.apply([*findings, *problems], silencing)
