"""Which packages need which: what a plugin's packages pull in, and what may be removed."""
from __future__ import annotations

import contextlib
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

import hawkey

from ..errors import UnmetDependency
from . import solved
from .dnf_types import DnfBase, DnfConf, DnfGoal, DnfPackage, DnfQuery


def removable(base: DnfBase, nevras: Iterable[str]) -> Tuple[Tuple[str, ...], Dict[str, str]]:
    """Return which of the installed ``nevras`` can go, and who needs each of the others.

    Only those packages would go: one that some other package needs stays.
    """
    installed = base.sack.query().installed()
    names = set(nevras)
    wanted = {str(package): package for package in installed if str(package) in names}
    kept: Dict[str, str] = {}
    while wanted:
        needed = {nevra: str(dependent) for dependent in _also_removed(base, wanted)
                  for nevra in _providers(installed, wanted, dependent)}
        if not needed:
            break
        kept.update(needed)
        for nevra in needed:
            del wanted[nevra]
    return tuple(sorted(wanted)), kept


def attribute(base: DnfBase, wanted: Mapping[str, Sequence[str]],
              claimed: Collection[str]) -> Dict[str, Set[str]]:
    """Return the packages that each plugin brings or shares, after a solve.

    ``wanted`` maps a plugin to the names it asks for, ``claimed`` are NEVRAs
    that records claim already. The result maps each plugin to NEVRAs: those
    of its names, and of what they require, as far as they arrive or are
    claimed. What arrives for another reason, a weak dependency, goes to all.
    """
    arriving = {str(package): package for package in solved.arriving(base)}
    leaving = set(map(str, solved.leaving(base)))
    pool = {str(package): package for package in base.sack.query().installed()
            if str(package) in claimed and str(package) not in leaving}
    pool.update(arriving)
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).filter(pkg=list(pool.values()))
    shares = {plugin: closure(query, names) for plugin, names in wanted.items()}
    weak = set(arriving).difference(*shares.values())
    return {plugin: nevras | weak for plugin, nevras in shares.items()}


@contextlib.contextmanager
def solver_options(conf: DnfConf, *, best: bool) -> Iterator[None]:
    """Set options of dnf.conf(5) that change what a plugin gets during a ``with``.

    With clean_requirements_on_remove more would be removed. With ``best``, the solve fails if
    the newest version of a package does not fit, though an older one does; without it, an
    installed package stays at its version.
    """
    before = conf.clean_requirements_on_remove, conf.best
    conf.clean_requirements_on_remove, conf.best = False, best
    try:
        yield
    finally:
        conf.clean_requirements_on_remove, conf.best = before


def _also_removed(base: DnfBase, wanted: Mapping[str, DnfPackage]) -> List[DnfPackage]:
    """Return the packages that would go with ``wanted``, which are not in it."""
    goal: DnfGoal = hawkey.Goal(base.sack)
    for package in wanted.values():
        goal.erase(package, clean_deps=False)
    if not goal.run(allow_uninstall=True):
        raise UnmetDependency("\n".join(map(str, goal.problems)))
    return [package for package in goal.list_erasures() if str(package) not in wanted]


def _providers(installed: DnfQuery, wanted: Mapping[str, DnfPackage],
               dependent: DnfPackage) -> List[str]:
    """Return which of ``wanted`` the package ``dependent`` requires."""
    return list(map(str, required(installed.filter(pkg=list(wanted.values())), dependent)))


def closure(query: DnfQuery, names: Sequence[str]) -> Set[str]:
    """Return the NEVRAs in ``query`` that ``names`` and their requirements reach."""
    todo = list(query.filter(name=list(names))) if names else []
    reached = set(map(str, todo))
    while todo:
        for package in required(query, todo.pop()):
            if str(package) not in reached:
                reached.add(str(package))
                todo.append(package)
    return reached


def required(query: DnfQuery, dependent: DnfPackage) -> List[DnfPackage]:
    """Return the packages of ``query`` that provide what ``dependent`` requires."""
    requires = dependent.requires
    packages = list(query.filter(provides=requires)) if requires else []
    for need in map(str, requires):
        if need.startswith("/"):  # a file of a package is not among what it provides
            packages.extend(query.filter(file=need))
    return packages
