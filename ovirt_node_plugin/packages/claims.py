"""Packages of plugins that are not part of a run: excluded from the solve, checked after it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Dict, List, Mapping, Sequence, Set, Tuple

from ..errors import Refused
from ..plugin.descriptor import Install, PackageNeed
from ..policy.core_rules import CoreChange
from ..system.nevra import name_of
from . import core, solved
from .dnf_types import DnfBase, DnfPackage


@dataclass(frozen=True)
class Claim:
    """A package that ``plugins`` have, which are not part of the run.

    If a plugin of the run has it too, it is ``shared``: then its version may change to one
    that ``installs`` and ``needs``, those of the descriptors of ``plugins``, accept.
    """

    plugins: Tuple[str, ...]
    shared: bool = False
    installs: Tuple[Install, ...] = ()
    needs: Tuple[PackageNeed, ...] = ()

    def accepts(self, package: DnfPackage) -> bool:
        """Return whether ``package``, of the same name, may replace the claimed one."""
        return (self.shared
                and all(install.version in ("", package.version, package.evr)
                        for install in self.installs if install.name == package.name)
                and all(package.evr in need.versions
                        for need in self.needs if need.name == package.name))


Claims = Mapping[str, Claim]
"""Claims by NEVRA."""


def exclude(base: DnfBase, claims: Claims, *, asked: Collection[str]) -> None:
    """Exclude the packages that would change claimed ones from the solve.

    Packages with the names ``asked`` that obsolete a claimed one are not excluded: the solve
    fails with them instead of leaving them at an older version.
    """
    if not claims:
        return
    query = base.sack.query()
    offered = query.available()
    shared = {name_of(nevra): claim for nevra, claim in claims.items() if claim.shared}
    unwanted = [*offered.filter(name=sorted(_reserved(claims))),
                *(package for package in offered.filter(name=sorted(shared))
                  if not shared[package.name].accepts(package))]
    installed = _installed(base, claims)
    if installed:
        unwanted += (package for package in offered.filter(
            obsoletes=query.filter(pkg=installed)) if package.name not in asked)
    if unwanted:
        base.sack.add_excludes(query.filter(pkg=unwanted))


def protect(base: DnfBase, claims: Claims) -> None:
    """Forbid the solver to remove a claimed package."""
    installed = _installed(base, claims)
    if installed:
        base.goal.add_protected(base.sack.query().filter(pkg=installed))


def changes(base: DnfBase, claims: Claims) -> Dict[CoreChange, Tuple[str, ...]]:
    """Return what the solved transaction may not do to claimed packages, with their plugins."""
    arriving = {item.pkg.name: item for item in solved.arriving_items(base)}
    result: Dict[CoreChange, Tuple[str, ...]] = {}
    for item in solved.leaving_items(base):
        claim, new = claims.get(str(item.pkg)), arriving.get(item.pkg.name)
        if claim is not None and (new is None or not claim.accepts(new.pkg)):
            result[core.removed_change(item, arriving)] = claim.plugins
    seen = {change.name for change in result}
    reserved = _reserved(claims)
    result.update((core.added_change(package), reserved[package.name])
                  for package in solved.arriving(base)
                  if package.name in reserved and package.name not in seen)
    return result


def refusal(subject: str, changed: Mapping[CoreChange, Tuple[str, ...]],
            lines: Sequence[str]) -> Refused:
    """Return the refusal of ``subject`` because of ``changed``, with ``lines`` of reasons."""
    plugins = list(dict.fromkeys(name for names in changed.values() for name in names))
    which = f"plugin {plugins[0]}" if len(plugins) == 1 else f"plugins {', '.join(plugins)}"
    return Refused(
        "\n  ".join([f"{subject} would change packages of {which}; packages of plugins change"
                     " with their plugins only:", *dict.fromkeys(lines)]),
        hint=f"Install it together with a version of {which} that fits, in one command, or"
             f" remove {which} first. Otherwise ask the vendors.")


def _reserved(claims: Claims) -> Dict[str, Tuple[str, ...]]:
    """Return the plugins of each name that no package may have which arrives."""
    shared: Set[str] = {name_of(nevra) for nevra, claim in claims.items() if claim.shared}
    return {name_of(nevra): claim.plugins for nevra, claim in claims.items()
            if not claim.shared and name_of(nevra) not in shared}


def _installed(base: DnfBase, claims: Claims) -> List[DnfPackage]:
    return [package for package in base.sack.query().installed() if str(package) in claims]
