"""What is wrong with the packages of a bundle: missing ones, dependencies, files, signatures."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ...config import Config
from ...errors import PathsRefused, Reasons
from ...operations.plan import allowed_paths, conflicts, refused_headers, requirements
from ...operations.plan.arriving import Arrivals
from ...packages import alone
from ...packages.dnf_types import DnfPackage
from ...packages.session import PackageChange
from ...plugin.bundle import Bundle
from ...plugin.descriptor import DESCRIPTOR_NAME, Descriptor, When, descriptor_document
from ...plugin.settings import KernelModule, LeaveOut
from ...policy import other_places
from ...settings.placed import leave_out
from ...system.limits import PROBLEMS
from ...system.openpgp import read_keys
from ...system.regular_files import read_regular
from ...system.words import first_names
from ...target import Target, identify
from .bases import Base
from .bundle_checks import settings_of
from .findings import LintFinding, found, of_errors

_REPO = "repo"
_MOST_NAMED = 10
_RULES = Path("/etc/ovirt-node-plugin/paths.d")


@dataclass(frozen=True)
class Packages:
    """The packages that a bundle brings, as far as they can be used, and the findings.

    ``complete`` is false if there are others, which could not be read; ``paths`` are their RPM
    files, by NEVRA. ``versions`` are those that a root of the base has after an install, of
    packages in conditions, and ``arch`` is its architecture, empty if it is not known.
    """

    changes: Tuple[PackageChange, ...]
    findings: Tuple[LintFinding, ...]
    complete: bool
    paths: Mapping[str, Path] = field(default_factory=dict)
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    arch: str = ""


def checked(bundle: Bundle, base: Base) -> Packages:
    """Return the packages of a bundle, with the findings about them."""
    descriptor = bundle.descriptor
    if bundle.repository is None:
        return Packages((), tuple(_elsewhere(descriptor)), not descriptor.installs)
    findings: List[LintFinding] = []
    complete = False
    changes: Tuple[PackageChange, ...] = ()
    files: Dict[str, str] = {}
    versions: Dict[str, Sequence[str]] = {}
    arch = ""
    reasons = Reasons()
    with reasons.collected(), alone.opened(descriptor.name, bundle.repository,
                                           repos=base.repos, root=base.packages) as offered:
        findings += _missing(offered, descriptor)
        needed = offered.needed(descriptor.installs, descriptor.excludes)
        findings += _dependencies(offered, needed, descriptor, base, bool(findings))
        packed = offered.packed(needed)
        findings += _files(offered, {package.location for package in packed})
        findings += [finding for package in packed for finding in _package(package)]
        files = {package.nevra: f"{_REPO}/{package.location}" for package in packed}
        changes = tuple(package.change for package in packed if package.change is not None)
        versions = {item.package: offered.versions_after(item.package)
                    for item in descriptor.settings if isinstance(item, When) and item.package}
        arch = offered.arch()
        complete = len(changes) == len(packed) and not any(
            finding.code in ("packages/missing", "packages/unmet") for finding in findings)
    findings += _keys(bundle, changes, files)
    findings += _paths(descriptor, changes, identify(base.place), files)
    return Packages(
        changes=changes, complete=complete, versions=versions, arch=arch,
        findings=(*of_errors(reasons.errors, bundle.repository, file=f"{_REPO}/repodata"),
                  *findings),
        paths={change.nevra: bundle.repository / files[change.nevra][len(_REPO) + 1:]
               for change in changes})


def _elsewhere(descriptor: Descriptor) -> Iterator[LintFinding]:
    """Yield that the packages are in repositories of the network, if there are any."""
    if descriptor.installs:
        yield found("lint/incomplete", "the packages were not checked, as the bundle has no repo/",
                    mend="Put the RPMs into repo/, then run createrepo_c on it, to have them"
                         " checked.")


def _missing(offered: alone.BundlePackages, descriptor: Descriptor) -> Iterator[LintFinding]:
    reasons, command = offered.missing(descriptor.installs)
    places = _places(descriptor, "packages", "install")
    for name, reason in reasons.items():
        line, column = places[name]
        yield found("packages/missing", f"no repository has {name}: {reason}", mend=command,
                    file=DESCRIPTOR_NAME, line=line, column=column)


def _places(descriptor: Descriptor, parent: str, tag: str) -> Dict[str, Tuple[int, int]]:
    """Return line and column of the elements ``tag`` in ``parent``, by their attribute name."""
    root = descriptor_document(descriptor.source_xml, origin=DESCRIPTOR_NAME).root
    return {node.get("name"): (node.line, node.column)
            for outer in root.all(parent) for node in outer.all(tag)}


def _dependencies(offered: alone.BundlePackages, needed: Sequence[DnfPackage],
                  descriptor: Descriptor, base: Base, failed: bool) -> Iterator[LintFinding]:
    locations = {str(package): package.location for package in needed}
    unmet = offered.unmet(needed)
    if not base.is_known:
        names = sorted({need for needs in unmet.values() for need in needs})
        if names:
            yield found("packages/unchecked", "what repo/ does not provide was not looked for: "
                        + first_names(names, _MOST_NAMED))
        return
    for nevra, needs in unmet.items():
        yield found("packages/unmet", f"{nevra} requires {first_names(needs, _MOST_NAMED)}, which"
                    " neither repo/ nor the base provides", file=f"{_REPO}/{locations[nevra]}")
    yield from _needs(offered, descriptor)
    target = identify(base.packages) if base.packages is not None else None
    if not unmet and not failed:
        yield from _solved(offered, descriptor, target)
    if target is not None:
        reasons = Reasons()
        with reasons.collected():
            requirements.check_node(descriptor, target)
        yield from of_errors(reasons.errors, target.root, file=DESCRIPTOR_NAME)


def _needs(offered: alone.BundlePackages, descriptor: Descriptor) -> Iterator[LintFinding]:
    """Yield what <requires> asks for and the base does not have."""
    places = _places(descriptor, "requires", "package")
    for need in descriptor.needs:
        versions, (line, column) = offered.versions(need.name), places[need.name]
        text = f"the descriptor needs {need.name} {need.versions}".rstrip()
        if not versions:
            yield found("packages/unmet", f"{text}; the base has no {need.name}",
                        file=DESCRIPTOR_NAME, line=line, column=column)
        elif not any(version in need.versions for version in versions):
            yield found("packages/core", f"{text}; the base has {need.name}-{versions[0]}",
                        file=DESCRIPTOR_NAME, line=line, column=column)


def _solved(offered: alone.BundlePackages, descriptor: Descriptor,
            target: Optional[Target]) -> Iterator[LintFinding]:
    """Yield what the solver says, and packages of a Node that would have to change."""
    problems, changed = offered.solved(descriptor.installs)
    for problem in problems:
        yield found("packages/unmet", problem, file=_REPO)
    if target is not None and target.is_node and changed:
        yield found("packages/core", f"packages of {target.name} would be replaced or removed: "
                    + first_names(changed, _MOST_NAMED), file=_REPO)


def _files(offered: alone.BundlePackages, needed: Collection[str]) -> Iterator[LintFinding]:
    """Yield the differences between the metadata of a repository and its RPM files."""
    for nevra, location in offered.absent()[:PROBLEMS]:
        if location not in needed:  # else its header cannot be read, which is reported
            yield found("repository/stale", f"the metadata name {nevra}, but there is no RPM",
                        file=f"{_REPO}/{location}")
    for name in offered.unlisted()[:PROBLEMS]:
        yield found("repository/unlisted", "the metadata do not name this RPM",
                    file=f"{_REPO}/{name}")


def _package(package: alone.Packed) -> Iterator[LintFinding]:
    file = f"{_REPO}/{package.location}"
    change, problem = package.change, package.problem
    if problem is not None and problem.code == "repository/stale":
        yield found("repository/stale", problem.message, mend=problem.hint, file=file)
    elif problem is not None:
        yield found("repository/package", problem.message, mend=problem.hint, file=file)
    if change is None:
        return
    if not change.signer:
        yield found("packages/unsigned", f"{change.nevra} has no signature", file=file)
    if not package.license:
        yield found("packages/license", f"{change.nevra} has no license in its header", file=file)


def _keys(bundle: Bundle, changes: Sequence[PackageChange],
          files: Mapping[str, str]) -> Iterator[LintFinding]:
    """Yield the packages that are signed by another key than those in ``keys/``."""
    known = {name for path in bundle.keys
             for key in read_keys(read_regular(path, follow=True)) for name in key.ids}
    if bundle.keys:
        for change in changes:
            if change.signer and change.signer not in known:
                yield found("packages/key", f"{change.nevra} is signed by the key"
                            f" {change.signer}, which is not in keys/",
                            file=files[change.nevra])


def _paths(descriptor: Descriptor, changes: Sequence[PackageChange], target: Target,
           files: Mapping[str, str]) -> Iterator[LintFinding]:
    """Yield what a package may not have in the root of a Node; ``files`` are RPMs by NEVRA."""
    nevras = {change.nevra for change in changes}
    globs = [item.files for item in settings_of(descriptor) if isinstance(item, LeaveOut)]
    left_out = {path for change in changes for glob in globs
                for path in leave_out.matching(glob, change.files)}
    arrivals = Arrivals(changes, target.root, {descriptor.name: nevras}).without(left_out)
    reasons = Reasons()
    with reasons.collected():
        allowed_paths.check_reserved(arrivals, target)
    with reasons.collected():
        refused_headers.check(arrivals, target, Config())
    reserved: Set[str] = set()
    for file in conflicts.among_themselves(
            entry for entry in arrivals.entries if entry.places):
        yield found("packages/path", f"{file.path} in package {file.package}: {file.reason}",
                    mend="Leave it out of one of the packages.", file=files[file.package])
    for error in reasons.errors:
        if not isinstance(error, PathsRefused):
            yield from of_errors([error], target.root, file=_REPO)
        for file in error.files if isinstance(error, PathsRefused) else ():
            reserved.add(file.path)
            yield found("packages/path", f"{file.path} in package {file.package}: {file.reason}",
                        mend="Leave it out of the package.", file=files[file.package])
    modules = nevras if _has_modules(descriptor, arrivals) else set()
    outside = [file for file in allowed_paths.outside(arrivals, (), modules)
               if file.path not in reserved]
    for file in outside[:PROBLEMS]:
        yield found("packages/path", f"{file.path} in package {file.package}: {file.reason}",
                    mend=other_places.hint([file.path], _RULES), file=files[file.package])


def _has_modules(descriptor: Descriptor, arrivals: Arrivals) -> bool:
    return any(isinstance(item, KernelModule) and not item.blacklist
               for item in settings_of(descriptor)) or any(
                   allowed_paths.is_module(entry) for entry in arrivals.entries)
