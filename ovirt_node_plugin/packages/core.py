"""Core packages of DNF's sack: kept out of the solve, checked after it."""
from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence

import dnf.transaction
import hawkey

from ..policy.core_rules import CoreChange, CoreRules


def exclude(base: Any, rules: CoreRules, *,
            repos: Optional[Collection[str]] = None) -> List[CoreChange]:
    """Keep packages that would change core ones out of the solve.

    ``repos`` limits this to packages that those repository ids offer. Returns
    what is left out: what each package would do, sorted by name and version.
    """
    if repos is not None and not repos:
        return []
    query = base.sack.query()
    offered = query.available()
    if repos is not None:
        offered = offered.filter(reponame=list(repos))
    if rules.free:
        offered = offered.difference(offered.filter(name__glob=list(rules.free)))
    newest: Dict[str, Any] = {}
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
    return [_left_out(package, newest.get(package.name)) for package in sorted(unwanted)]


def protect(base: Any, rules: CoreRules) -> None:
    """Tell the goal of ``base`` that no core package may go, whatever may be erased."""
    core = _installed_core(base, rules)
    if not core:
        return
    query = base.sack.query()
    kept = query.filter(pkg=core)
    for package in query.available().filter(name__glob=list(rules.free)) if rules.free else ():
        if package.obsoletes:
            kept = kept.difference(kept.filter(provides=package.obsoletes))
    base.goal.add_protected(kept)


def changes(base: Any, rules: CoreRules, *,
            repos: Optional[Collection[str]] = None) -> List[CoreChange]:
    """Return what the solved transaction of ``base`` would do to core packages.

    ``repos`` limits this to what packages from those repository ids do, or need.
    """
    arriving = [item for item in base.transaction or ()
                if item.action in dnf.transaction.FORWARD_ACTIONS]
    leaving = [item for item in base.transaction or ()
               if item.action in dnf.transaction.BACKWARD_ACTIONS]
    bound = [item.pkg for item in arriving if repos is None or item.pkg.reponame in repos]
    by_name = {item.pkg.name: item for item in arriving}
    found = [_left(item, by_name) for item in leaving if rules.is_core(item.pkg)
             and not _replaced_by_free(base, item, by_name, rules)
             and (repos is None or _caused(base, item, by_name, bound))]
    names = {package.name for package in _installed_core(base, rules)} if bound else set()
    seen = {change.name for change in found}
    found.extend(_came(package) for package in bound if package.name not in seen
                 and (rules.named(package.name) or package.name in names))
    return sorted(found, key=lambda change: (change.name, change.nevra))


def evr_name(package: Any) -> str:
    """Return ``name-[epoch:]version-release`` of a package of DNF's sack."""
    return f"{package.name}-{package.evr}"


def _left_out(package: Any, installed: Any) -> CoreChange:
    if installed is None:
        return _came(package)
    order = package.evr_cmp(installed)
    action = "upgrade" if order > 0 else "downgrade" if order < 0 else "reinstall"
    return CoreChange(action, package.name, evr_name(installed), evr_name(package),
                      str(package), package.reponame)


def _left(item: Any, arriving: Dict[str, Any]) -> CoreChange:
    package = item.pkg
    new = arriving.get(package.name)
    if new is None:
        action = "obsolete" if item.action == dnf.transaction.PKG_OBSOLETED else "remove"
        return CoreChange(action, package.name, evr_name(package), "", str(package), "")
    action = {dnf.transaction.PKG_UPGRADED: "upgrade",
              dnf.transaction.PKG_DOWNGRADED: "downgrade",
              dnf.transaction.PKG_REINSTALLED: "reinstall"}.get(item.action, "replace")
    return CoreChange(action, package.name, evr_name(package), evr_name(new.pkg),
                      str(new.pkg), new.pkg.reponame)


def _came(package: Any) -> CoreChange:
    return CoreChange("install", package.name, "", evr_name(package), str(package),
                      package.reponame)


def _caused(base: Any, item: Any, arriving: Dict[str, Any], bound: Sequence[Any]) -> bool:
    """Say if one of the ``bound`` packages is why the package of ``item`` leaves.

    It is the new version itself, obsoletes it, or needs what only the new version
    has. A core package that is simply removed has its cause among those packages
    too, whether by a conflict or further away.
    """
    if not bound:
        return False
    new = arriving.get(item.pkg.name)
    if new is None:
        obsoleters = [other for other in arriving.values() if item.pkg in _obsoleted(base, other)]
        return not obsoleters or any(other.pkg in bound for other in obsoleters)
    return new.pkg in bound or any(needs(base, package, str(new.pkg)) for package in bound)


def needs(base: Any, package: Any, nevra: str) -> List[Any]:
    """Return what ``package`` requires that the offered ``nevra`` has and no installed one."""
    query = base.sack.query(hawkey.IGNORE_EXCLUDES)
    offered, installed = query.available().filter(nevra_strict=nevra), query.installed()
    return [need for need in package.requires
            if offered.filter(provides=need) and not installed.filter(provides=need)]


def _replaced_by_free(base: Any, item: Any, arriving: Dict[str, Any], rules: CoreRules) -> bool:
    return any(rules.is_free(name) and item.pkg in _obsoleted(base, other)
               for name, other in arriving.items())


def _obsoleted(base: Any, item: Any) -> Sequence[Any]:
    found: Sequence[Any] = base.goal.obsoleted_by_package(item.pkg)
    return found


def _installed_core(base: Any, rules: CoreRules) -> List[Any]:
    return [package for package in base.sack.query().installed() if rules.is_core(package)]
