"""The packages that an installation brings and removes."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Dict, Mapping, Sequence, Set, Tuple

from ...errors import UnmetDependency
from ...packages.claims import Claim, Claims
from ...packages.request import Request
from ...packages.session import PackageChange, Session
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Install, recorded_descriptor
from ..model.books import Books

Again = Mapping[str, Mapping[str, str]]
"""Plugins to repair: by name, the checksums of packages to install again by NEVRA."""
NOTHING: Again = MappingProxyType({})


@dataclass(frozen=True)
class Solution:
    """The packages that change, and by plugin the NEVRAs of those that it brings or shares."""

    packages: Tuple[PackageChange, ...] = ()
    shares: Mapping[str, Set[str]] = field(default_factory=dict)


def solve(active: Sequence[Bundle], books: Books, session: Session, *,
          again: Again) -> Solution:
    """Return the package changes that the plugins ``active`` need, as ``session`` solves them.

    Packages of old versions that nothing requires any more are removed. ``again`` are the
    packages of plugins to repair, which keep their versions: see ``install.plan``.

    Raises NeedsNewerImage, UnmetDependency or Refused if there is no solution.
    """
    if not active:
        return Solution()
    _refuse_two_versions(active)
    old, installed = books.records, session.installed()
    plugins = tuple(bundle.descriptor.name for bundle in active)
    upgrades = [installed[nevra] for name in plugins if name in old and name not in again
                for nevra in old[name].nevras if nevra in installed]
    names = [f"{bundle.descriptor.name} {bundle.descriptor.version}" for bundle in active]
    request = Request(
        subject=f"plugin {names[0]}" if len(names) == 1 else f"plugins {', '.join(names)}",
        installs=tuple(install for bundle in active for install in bundle.descriptor.installs),
        upgrades=tuple(dict.fromkeys(upgrades)),
        exact={nevra: checksum for name in plugins
               for nevra, checksum in again.get(name, {}).items()},
        excludes=tuple(glob for bundle in active for glob in bundle.descriptor.excludes),
        plugins=plugins, claims=_claims(plugins, books))
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
         for bundle in active}, books.claims))


def _claims(plugins: Sequence[str], books: Books) -> Claims:
    """Return the packages of plugins other than ``plugins``, and the versions that they accept."""
    own = {nevra for name in plugins if name in books.records
           for nevra in books.records[name].nevras}
    claims: Dict[str, Claim] = {}
    for nevra, others in books.claims_of_others(plugins).items():
        descriptors = [recorded_descriptor(books.undo_data[name])
                       for name in others if nevra in own]
        claims[nevra] = Claim(
            plugins=others, shared=nevra in own,
            installs=tuple(install for each in descriptors for install in each.installs),
            needs=tuple(need for each in descriptors for need in each.needs))
    return claims


def _orphans(shares: Mapping[str, Set[str]], books: Books,
             session: Session) -> Tuple[str, ...]:
    """Return the packages of old versions that no plugin and no other package requires now."""
    old = {nevra for name, record in books.records.items() if name in shares
           for nevra in record.nevras}
    kept = {nevra for nevra, names in books.claims.items() if not shares.keys() >= set(names)}
    changed = {change.name for change in session.packages()}
    installed = session.installed()
    orphans = [nevra for nevra in old.difference(kept, *shares.values())
               if nevra in installed and installed[nevra] not in changed]
    return session.removable(orphans)[0] if orphans else ()


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
