"""Core packages in a DNF run: excluded from the solve, checked after it."""
from __future__ import annotations

from typing import Collection, Dict, List, Mapping, Optional, Sequence

import dnf.transaction
import hawkey

from ..policy.core_rules import CoreChange, CoreRules
from . import solved
from .dnf_types import DnfBase, DnfPackage, DnfReldep, DnfTransactionItem

_ACTIONS = {dnf.transaction.PKG_UPGRADED: "upgrade",
            dnf.transaction.PKG_DOWNGRADED: "downgrade",
            dnf.transaction.PKG_REINSTALLED: "reinstall"}


def exclude(base: DnfBase, rules: CoreRules, *,
            repos: Optional[Collection[str]] = None) -> List[CoreChange]:
    """Exclude the packages that would change core ones from the solve.

    ``repos`` limits this to packages that those repository ids offer. Returns what each
    excluded package would do, sorted by name and version.
    """
    if repos is not None and not repos:
        return []
    query = base.sack.query()
    offered = query.available()
    if repos is not None:
        offered = offered.filter(reponame=list(repos))
    if rules.free:
        offered = offered.difference(offered.filter(name__glob=list(rules.free)))
    newest: Dict[str, DnfPackage] = {}
    installed = _installed_core(base, rules)
    for package in installed:
        newest[package.name] = max(package, newest.get(package.name, package))
    unwanted = offered.filter(name=sorted(newest))
    if rules.patterns:
        unwanted = unwanted.union(offered.filter(name__glob=list(rules.patterns)))
    if installed:
        unwanted = unwanted.union(offered.filter(obsoletes=query.filter(pkg=installed)))
    if unwanted:
        base.sack.add_excludes(unwanted)
    return [_excluded_change(package, newest.get(package.name)) for package in sorted(unwanted)]


def protect(base: DnfBase, rules: CoreRules) -> None:
    """Forbid the solver to remove a core package, whatever else may be erased."""
    core = _installed_core(base, rules)
    if not core:
        return
    query = base.sack.query()
    protected = query.filter(pkg=core)
    for package in query.available().filter(name__glob=list(rules.free)) if rules.free else ():
        if package.obsoletes:
            protected = protected.difference(protected.filter(provides=package.obsoletes))
    base.goal.add_protected(protected)


def changes(base: DnfBase, rules: CoreRules, *,
            repos: Optional[Collection[str]] = None) -> List[CoreChange]:
    """Return what the solved transaction of ``base`` would do to core packages.

    ``repos`` limits this to what packages from those repository ids do, or need.
    """
    by_name = {item.pkg.name: item for item in solved.arriving_items(base)}
    bound = [package for package in solved.arriving(base)
             if repos is None or package.reponame in repos]
    result = [removed_change(item, by_name) for item in solved.leaving_items(base)
              if rules.is_core(item.pkg)
              and not _replaced_by_free(base, item.pkg, by_name, rules)
              and (repos is None or _is_caused(base, item.pkg, by_name, bound))]
    names = {package.name for package in _installed_core(base, rules)} if bound else set()
    seen = {change.name for change in result}
    result.extend(added_change(package) for package in bound if package.name not in seen
                  and (rules.named(package.name) or package.name in names))
    return sorted(result, key=lambda change: (change.name, change.nevra))


def evr_name(package: DnfPackage) -> str:
    """Return ``name-[epoch:]version-release`` of a package."""
    return f"{package.name}-{package.evr}"


def needs(base: DnfBase, package: DnfPackage, nevra: str) -> List[DnfReldep]:
    """Return what ``package`` requires that the offered ``nevra`` has and no installed one."""
    query = base.sack.query(hawkey.IGNORE_EXCLUDES)
    offered, installed = query.available().filter(nevra_strict=nevra), query.installed()
    return [need for need in package.requires
            if offered.filter(provides=need) and not installed.filter(provides=need)]


def _excluded_change(package: DnfPackage, installed: Optional[DnfPackage]) -> CoreChange:
    """Return what the offered ``package`` would do to the ``installed`` one of its name."""
    if installed is None:
        return added_change(package)
    order = package.evr_cmp(installed)
    return CoreChange(
        action="upgrade" if order > 0 else "downgrade" if order < 0 else "reinstall",
        name=package.name, has=evr_name(installed), offers=evr_name(package),
        nevra=str(package), repo=package.reponame)


def removed_change(item: DnfTransactionItem,
                   arriving: Mapping[str, DnfTransactionItem]) -> CoreChange:
    """Return the change of the package of ``item``, which leaves; ``arriving`` are by name."""
    package = item.pkg
    new = arriving.get(package.name)
    if new is None:
        return CoreChange(
            action="obsolete" if item.action == dnf.transaction.PKG_OBSOLETED else "remove",
            name=package.name, has=evr_name(package), offers="", nevra=str(package), repo="")
    return CoreChange(
        action=_ACTIONS.get(item.action, "replace"), name=package.name,
        has=evr_name(package), offers=evr_name(new.pkg), nevra=str(new.pkg),
        repo=new.pkg.reponame)


def added_change(package: DnfPackage) -> CoreChange:
    """Return that the offered ``package`` is installed."""
    return CoreChange(action="install", name=package.name, has="", offers=evr_name(package),
                      nevra=str(package), repo=package.reponame)


def _is_caused(base: DnfBase, package: DnfPackage, arriving: Mapping[str, DnfTransactionItem],
               bound: Sequence[DnfPackage]) -> bool:
    """Return whether one of the ``bound`` packages is the reason why ``package`` leaves.

    It is the new version itself, obsoletes it, or needs what only the new version has. The
    reason for a core package that is removed without a new version is among them too, by a
    conflict or over other packages.
    """
    if not bound:
        return False
    new = arriving.get(package.name)
    if new is None:
        obsoleters = [item.pkg for item in arriving.values()
                      if package in base.goal.obsoleted_by_package(item.pkg)]
        return not obsoleters or any(obsoleter in bound for obsoleter in obsoleters)
    return new.pkg in bound or any(needs(base, other, str(new.pkg)) for other in bound)


def _replaced_by_free(base: DnfBase, package: DnfPackage,
                      arriving: Mapping[str, DnfTransactionItem], rules: CoreRules) -> bool:
    return any(rules.is_free(name) and package in base.goal.obsoleted_by_package(item.pkg)
               for name, item in arriving.items())


def _installed_core(base: DnfBase, rules: CoreRules) -> List[DnfPackage]:
    return [package for package in base.sack.query().installed() if rules.is_core(package)]
