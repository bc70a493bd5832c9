"""Core packages: which they are, kept out of the solve, checked after it."""
from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Collection, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

import dnf.transaction

from ..errors import UsageError


@dataclass(frozen=True)
class CoreRules:
    """What is core in one root.

    ``patterns`` are globs of package names; ``claims`` the NEVRAs that registry
    records claim; ``everything`` says that every other installed package is core
    as well, as it is on a node.
    """

    patterns: Tuple[str, ...]
    claims: FrozenSet[str] = frozenset()
    everything: bool = False

    def named(self, name: str) -> bool:
        """Say if the lists name the package ``name``."""
        return re.fullmatch(self._expression, name) is not None

    def is_core(self, package: Any) -> bool:
        """Say if the installed ``package`` of DNF's sack is core."""
        return self.named(package.name) or (self.everything and str(package) not in self.claims)

    @property
    def _expression(self) -> str:
        return "|".join(fnmatch.translate(pattern) for pattern in self.patterns) or r"(?!)"


@dataclass(frozen=True)
class CoreChange:
    """One change of a core package in a solved transaction.

    ``action`` is ``upgrade``, ``downgrade``, ``reinstall``, ``remove``,
    ``obsolete`` or ``install``; ``has`` and ``offers`` are ``name-version-release``
    with the epoch where there is one, empty if there is none; ``nevra`` is the
    package that would arrive or, without one, that would leave; ``repo`` the id
    of the repository that offers it.
    """

    action: str
    name: str
    has: str
    offers: str
    nevra: str
    repo: str

    def text(self) -> str:
        """Return the change as a line for people."""
        if self.action in ("remove", "obsolete"):
            return f"{self.action} {self.has}"
        source = f" from {self.repo}" if self.repo else ""
        if not self.has:
            return f"install {self.offers}{source}"
        return f"{self.action} {self.has} to {self.offers}{source}"


def read_patterns(folders: Iterable[Path]) -> Tuple[str, ...]:
    """Return the globs in all ``*.conf`` files of ``folders``, sorted.

    Raises UsageError for a file that cannot be read: without its lists, core
    packages would be open to change.
    """
    found: Set[str] = set()
    for folder in folders:
        for path in sorted(folder.glob("*.conf")):
            try:
                lines = path.read_text().splitlines()
            except (OSError, UnicodeDecodeError) as exc:
                raise UsageError(f"the core package list {path} cannot be read: {exc}",
                                 hint="Make it a readable text file, or take it away.") from exc
            found.update(line.partition("#")[0].strip() for line in lines)
    return tuple(sorted(found - {""}))


def exclude(base: Any, rules: CoreRules, *, repos: Optional[Collection[str]] = None) -> int:
    """Keep packages that would change core ones out of the solve; return how many.

    ``repos`` limits this to packages that those repository ids offer.
    """
    query = base.sack.query()
    offered = query.available()
    if repos is not None:
        if not repos:
            return 0
        offered = offered.filter(reponame=list(repos))
    installed = [package for package in query.installed() if rules.is_core(package)]
    unwanted = offered.filter(name=sorted({package.name for package in installed}))
    if repos is not None:  # a host: what is installed and not in the lists is free
        unwanted = unwanted.filter(name__glob=list(rules.patterns))
    unwanted = unwanted.union(offered.filter(name__glob=list(rules.patterns)))
    if installed:
        core = query.installed().filter(pkg=installed)
        unwanted = unwanted.union(offered.filter(obsoletes=core))
    if unwanted:
        base.sack.add_excludes(unwanted)
    return len(unwanted)


def protect(base: Any, rules: CoreRules) -> None:
    """Tell the goal of ``base`` that no core package may go, whatever may be erased."""
    installed = [package for package in base.sack.query().installed() if rules.is_core(package)]
    if installed:
        base.goal.add_protected(base.sack.query().filter(pkg=installed))


def changes(base: Any, rules: CoreRules, *,
            repos: Optional[Collection[str]] = None) -> List[CoreChange]:
    """Return what the solved transaction of ``base`` would do to core packages.

    ``repos`` limits this to what packages from those repository ids do.
    """
    arriving: Dict[str, Any] = {}
    leaving: List[Any] = []
    for item in base.transaction or ():
        if item.action in dnf.transaction.FORWARD_ACTIONS:
            if repos is None or item.pkg.reponame in repos or item.pkg.reponame == "@commandline":
                arriving[item.pkg.name] = item
        elif item.action in dnf.transaction.BACKWARD_ACTIONS:
            leaving.append(item)
    found = [_left(item, arriving) for item in leaving if rules.is_core(item.pkg)
             and (repos is None or _caused(base, item, arriving))]
    seen = {change.name for change in found}
    found.extend(_came(item) for name, item in arriving.items()
                 if rules.named(name) and name not in seen)
    return sorted(found, key=lambda change: (change.name, change.nevra))


def evr_name(package: Any) -> str:
    """Return ``name-[epoch:]version-release`` of a package of DNF's sack."""
    return f"{package.name}-{package.evr}"


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


def _came(item: Any) -> CoreChange:
    package = item.pkg
    return CoreChange("install", package.name, "", evr_name(package), str(package),
                      package.reponame)


def _caused(base: Any, item: Any, arriving: Dict[str, Any]) -> bool:
    """Say if one of the ``arriving`` packages replaces or obsoletes the leaving one."""
    if item.pkg.name in arriving:
        return True
    return any(str(item.pkg) == str(gone) for new in arriving.values()
               for gone in base.goal.obsoleted_by_package(new.pkg))
