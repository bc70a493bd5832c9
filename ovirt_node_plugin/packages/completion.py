"""The packages that a plugin requires, from repositories: its dependency closure."""
from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Collection, List, Optional, Sequence, Tuple

import dnf.selector
import hawkey

from ..errors import BadRepository, NeedsNewerImage, UnmetDependency
from ..plugin.descriptor import Descriptor, Install
from ..policy.core_rules import CoreRules, read_patterns, read_rules
from ..system.progress import Progress
from ..system.words import first_lines, first_names
from ..target import Target
from . import alone, core, dependencies, fetching, stale
from .dnf_types import DnfBase, DnfGoal, DnfPackage, DnfQuery
from .not_offered import asked_for
from .repos import bundle_repo_id

_MOST_LINES = 20
_MOST_NAMES = 10


@dataclass(frozen=True)
class Completion:
    """What was added to the repository of a plugin.

    ``added`` are the NEVRAs of packages; ``needed`` are core packages, as
    ``name-[epoch:]version-release``, that they or the plugin require and that were not added.
    """

    added: Tuple[str, ...]
    needed: Tuple[str, ...]


def complete(descriptor: Descriptor, repository: Path, *, repos: Sequence[str],
             target: Optional[Target], core_lists: Sequence[Path],
             progress: Progress) -> Completion:
    """Copy the packages that a plugin requires to its ``repository``, from ``repos``.

    ``repos`` are URLs. Packages that ``target`` has are not copied; it is the root that the plugin
    is for. Core packages, of which ``core_lists`` are folders with lists, are never copied.

    Raises UnmetDependency if there is no solution, NeedsNewerImage if there is one with other core
    packages only, BadRepository for packages that cannot be downloaded.
    """
    with alone.loaded(descriptor.name, repository, repos=repos,
                      root=target.root if target is not None else None) as base:
        solver = _Solver(base, descriptor, _rules(target, core_lists))
        taken, needed = solver.without_base() if target is None else solver.for_root(target)
        fetching.download(base, taken, progress)
        for package in taken:
            _copy(package, repository)
        return Completion(tuple(map(str, taken)), tuple(needed))


def _rules(target: Optional[Target], core_lists: Sequence[Path]) -> CoreRules:
    """Return which packages are core: in a root, each that is installed by no plugin."""
    if target is None:
        return CoreRules(read_patterns(core_lists))
    return replace(read_rules(target, core_lists), everything=True)


def _copy(package: DnfPackage, repository: Path) -> None:
    difference = stale.difference(package)
    if difference:
        raise BadRepository(f"{package} cannot be taken from its repository: the RPM {difference}",
                            hint="Who runs the repository has to make its metadata again, by"
                                 " createrepo_c --update.")
    source = Path(package.localPkg())
    shutil.copyfile(source, repository / source.name)


class _Solver:
    """Finds the packages that a plugin requires in the repositories of ``base``."""

    def __init__(self, base: DnfBase, descriptor: Descriptor, rules: CoreRules) -> None:
        self._base, self._descriptor, self._rules = base, descriptor, rules
        self._own = bundle_repo_id(descriptor.name)

    def for_root(self, target: Target) -> Tuple[List[DnfPackage], List[str]]:
        """Return the packages that the root lacks; those that it has stay as they are."""
        self._exclude()
        core.exclude(self._base, self._rules)
        goal = self._goal()
        if goal.run(allow_uninstall=False, ignore_weak_deps=True):
            return self._others(_arriving(goal)), []
        problems = _problems(goal)
        self._base.sack.reset_excludes()
        self._exclude()
        goal = self._goal()
        if not goal.run(allow_uninstall=True, ignore_weak_deps=True):
            raise self._unmet(problems)
        names = {package.name for package in self._installed() if self._rules.is_core(package)}
        changed = [package for package in _arriving(goal)
                   if package.name in names or self._rules.named(package.name)]
        if not changed:
            raise self._unmet(problems)
        raise NeedsNewerImage(
            f"plugin {self._descriptor.name} requires core packages that {target.name} does not"
            " have; they are never packed. The Node must have: "
            + first_names(sorted(map(core.evr_name, changed)), _MOST_NAMES),
            hint="Pack it for a root with these packages, or build the plugin's packages for this"
                 " one.", packages=sorted(map(str, changed)))

    def without_base(self) -> Tuple[List[DnfPackage], List[str]]:
        """Return the packages that are required, without core packages, and those of core."""
        self._exclude()
        goal = self._goal()
        if not goal.run(allow_uninstall=False, ignore_weak_deps=True):
            raise self._unmet(_problems(goal))
        arriving = _arriving(goal)
        core_packages = self._among(
            [package for package in arriving if self._rules.named(package.name)])
        plain = self._among(
            [package for package in arriving if not self._rules.named(package.name)])
        reached = dependencies.closure(plain, self._names())
        taken = [package for package in plain if str(package) in reached]
        needed = {core.evr_name(found) for package in taken
                  for found in dependencies.required(core_packages, package)}
        return self._others(taken), sorted(needed)

    def _exclude(self) -> None:
        """Exclude what the descriptor excludes, and other versions of the plugin's own packages."""
        query = self._base.sack.query().available()
        own = query.filter(reponame=self._own)
        unwanted = query.difference(own).filter(name=sorted({each.name for each in own}))
        if self._descriptor.excludes:
            unwanted = unwanted.union(query.filter(name__glob=list(self._descriptor.excludes)))
        self._base.sack.add_excludes(unwanted)

    def _goal(self) -> DnfGoal:
        goal: DnfGoal = hawkey.Goal(self._base.sack)
        for install in self._descriptor.installs:
            selector = dnf.selector.Selector(self._base.sack)
            selector.set(pkg=self._offered(install))
            goal.install(select=selector, optional=False)
        return goal

    def _offered(self, install: Install) -> DnfQuery:
        query = asked_for(self._base, self._base.sack.query().available(), install)
        if not query:
            raise self._unmet([f"no repository has {install.name} {install.version}".rstrip()])
        return query

    def _among(self, packages: Collection[DnfPackage]) -> DnfQuery:
        return self._base.sack.query(hawkey.IGNORE_EXCLUDES).filter(pkg=list(packages))

    def _names(self) -> List[str]:
        return [install.name for install in self._descriptor.installs]

    def _installed(self) -> DnfQuery:
        return self._base.sack.query(hawkey.IGNORE_EXCLUDES).installed()

    def _others(self, packages: Sequence[DnfPackage]) -> List[DnfPackage]:
        """Return those of ``packages`` that are not in the plugin's own repository."""
        return sorted(package for package in packages if package.reponame != self._own)

    def _unmet(self, problems: Sequence[str]) -> UnmetDependency:
        return UnmetDependency(
            "\n".join([f"plugin {self._descriptor.name} cannot be completed:",
                       *first_lines([f"  {line}" for line in problems], _MOST_LINES,
                                    before="  ")]),
            hint="Name further repositories with --complete.")


def _arriving(goal: DnfGoal) -> List[DnfPackage]:
    return [*goal.list_installs(), *goal.list_upgrades(), *goal.list_downgrades()]


def _problems(goal: DnfGoal) -> List[str]:
    return [str(problem) for problems in goal.problem_rules() for problem in problems]
