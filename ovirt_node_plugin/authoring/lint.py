"""Find everything that is wrong with a plugin, without privileges."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from ..errors import Status, UsageError
from ..plugin.bundle import Bundle, opened
from ..plugin.descriptor import DESCRIPTOR_NAME
from ..system.regular_files import read_regular
from ..system.rpm_database import find_rpmdb
from ..system.run import Runner
from . import bundle_checks, silences
from .codes import Severity
from .findings import LintFinding, ordered

if TYPE_CHECKING:
    from .package_checks import Against


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
    """Return the findings about the bundle at ``path``, a folder or a tar.

    ``against`` are roots and repositories: the base that the plugin is for. ``older`` is a bundle
    that it is to replace.

    Raises UsageError if a path does not exist or is something else, BadBundle for an older bundle
    that is not valid.
    """
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(opened(older, run=run)) if older is not None else None
        result = stack.enter_context(bundle_checks.opened(path, run=run))
        findings = list(result.findings)
        if result.bundle is not None:
            findings += _contents(result.bundle, before, against, run)
        if result.directory is not None:
            findings = _silenced(findings, result.directory,
                                 well_formed=bundle_checks.is_well_formed(result))
    descriptor = result.bundle.descriptor if result.bundle is not None else None
    return Report(path, descriptor.name if descriptor else "",
                  descriptor.version if descriptor else "", tuple(ordered(findings)))


def _contents(bundle: Bundle, older: Optional[Bundle], against: Sequence[Path],
              run: Runner) -> List[LintFinding]:
    """Return the findings about packages and settings of a bundle that is valid as such."""
    from . import older_checks, package_checks, settings_checks  # these import dnf

    base = _base(against)
    packages = package_checks.checked(bundle, base)
    findings = list(packages.findings)
    with package_checks.root_of(base) as target:
        findings += settings_checks.checked(bundle, packages, target.root, run=run)
    if older is not None:
        before = package_checks.checked(older, package_checks.Against())
        findings += older_checks.checked(bundle, packages.changes, older, before.changes)
    return findings


def _base(against: Sequence[Path]) -> Against:
    """Return the base that the paths are. Raises UsageError for one that is no base."""
    from .package_checks import Against

    repos: List[Path] = []
    root: Optional[Path] = None
    for path in against:
        if (path / "repodata/repomd.xml").is_file():
            repos.append(path)
        elif path.is_dir() and find_rpmdb(path.resolve()) is not None and root is None:
            root = path
        else:
            raise UsageError(
                f"--against: {path} is neither the folder of a repository nor that of a root"
                if root is None else "--against: only one root can be given",
                hint="Give a folder with repodata/, or one in which an image is unpacked.")
    return Against(tuple(repos), root)


def _silenced(findings: Sequence[LintFinding], directory: Path, *,
              well_formed: bool) -> List[LintFinding]:
    """Return the findings with what the bundle silences, and those about its silences."""
    silencing, problems = silences.of_file(directory)
    if well_formed:
        more, further = silences.of_descriptor(read_regular(directory / DESCRIPTOR_NAME,
                                                            follow=True))
        silencing, problems = [*silencing, *more], [*problems, *further]
    return silences.apply([*findings, *problems], silencing)
