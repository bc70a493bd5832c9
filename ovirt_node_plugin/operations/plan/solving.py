"""The packages of an installation: what is asked for, and what nothing asks for any more."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from ...errors import UnmetDependency
from ...packages.session import PackageChange, Request, Session
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Install
from ..model.books import Books


@dataclass(frozen=True)
class Solution:
    """The packages that change, and by plugin the NEVRAs of those that it brings or shares."""

    packages: Tuple[PackageChange, ...] = ()
    shares: Mapping[str, Set[str]] = field(default_factory=dict)


def solve(active: Sequence[Bundle], books: Books, session: Session) -> Solution:
    """Return what the packages of the plugins ``active`` change, solved by ``session``.

    Packages of old versions that nothing asks for any more are removed.

    Raises NeedsNewerImage or UnmetDependency where there is no solution.
    """
    if not active:
        return Solution()
    _refuse_two_versions(active)
    upgrades = [name for bundle in active for name in _old_names(bundle, books, session)]
    request = Request(
        subject=_subject(active),
        installs=tuple(install for bundle in active for install in bundle.descriptor.installs),
        upgrades=tuple(dict.fromkeys(upgrades)),
        excludes=tuple(glob for bundle in active for glob in bundle.descriptor.excludes))
    solution = _solved(request, active, books, session)
    orphans = _orphans(solution.shares, books, session)
    if orphans:
        solution = _solved(replace(request, erases=orphans), active, books, session)
    return solution


def _solved(request: Request, active: Sequence[Bundle], books: Books,
            session: Session) -> Solution:
    packages = session.solve(request)
    return Solution(packages, session.attribute(
        {bundle.descriptor.name: [install.name for install in bundle.descriptor.installs]
         for bundle in active}, books.packages))


def _old_names(bundle: Bundle, books: Books, session: Session) -> List[str]:
    record = books.records.get(bundle.descriptor.name)
    if record is None:
        return []
    present = session.installed()
    return [present[package.nevra] for package in record.packages if package.nevra in present]


def _orphans(shares: Mapping[str, Set[str]], books: Books,
             session: Session) -> Tuple[str, ...]:
    """Return the packages of old versions that nothing asks for any more."""
    gone: Set[str] = set()
    claimed: Set[str] = set()
    for name, record in books.records.items():
        mine = {package.nevra for package in record.packages}
        if name in shares:
            gone |= mine - shares[name]
        else:
            claimed |= mine
    touched = {one.name for one in session.packages()}
    present = session.installed()
    left = [nevra for nevra in gone - claimed - set().union(*shares.values())
            if nevra in present and present[nevra] not in touched]
    return session.removable(left)[0] if left else ()


def _subject(active: Sequence[Bundle]) -> str:
    names = [f"{bundle.descriptor.name} {bundle.descriptor.version}" for bundle in active]
    return f"plugin {names[0]}" if len(names) == 1 else "plugins " + ", ".join(names)


def _refuse_two_versions(active: Sequence[Bundle]) -> None:
    wanted: Dict[str, Tuple[str, Install]] = {}
    for bundle in active:
        for install in bundle.descriptor.installs:
            other, before = wanted.setdefault(install.name, (bundle.descriptor.name, install))
            if before.version and install.version and before.version != install.version:
                raise UnmetDependency(
                    f"plugin {other} needs {install.name} {before.version} and plugin"
                    f" {bundle.descriptor.name} needs {install.name} {install.version}:"
                    " both cannot be installed",
                    hint="Install one of them, or ask their vendors for versions that agree.")
