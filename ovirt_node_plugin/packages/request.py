"""The task of a DNF transaction, and its form in DNF's goal."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Collection, List, Mapping, Sequence, Tuple

import dnf
import dnf.selector
import hawkey

from ..plugin.descriptor import Install
from ..system.nevra import name_of
from .claims import Claims
from .dnf_types import DnfBase, DnfPackage, DnfQuery
from .not_offered import MissingPackage, NotOffered, asked_for
from .offers import checksum_of


@dataclass(frozen=True)
class Request:
    """The task of a transaction.

    ``installs`` are packages to install, ``upgrades`` names to upgrade to the newest
    version offered, ``exact`` NEVRAs to install in this version, also again if they are
    installed, each with the checksum that its RPM had, ``erases`` NEVRAs to remove,
    ``excludes`` globs of names that must not be pulled in; ``subject`` is what messages call
    it, ``plugins`` are the names of the plugins that are installed; ``claims`` are the packages
    of other plugins.
    """

    subject: str
    installs: Tuple[Install, ...] = ()
    upgrades: Tuple[str, ...] = ()
    exact: Mapping[str, str] = field(default_factory=dict)
    erases: Tuple[str, ...] = ()
    excludes: Tuple[str, ...] = ()
    plugins: Tuple[str, ...] = ()
    claims: Claims = field(default_factory=dict)


def outdated(base: DnfBase, request: Request, repos: Sequence[str], *,
             core: Collection[str] = ()) -> List[DnfPackage]:
    """Return the installed packages that do not count as what ``request`` asks for.

    These are older than what ``repos``, the ids of the plugins' repositories, have, whether or
    not that may be installed: otherwise nothing would be installed. The NEVRAs ``core`` do not
    count either. Packages of other plugins count: they are shared.
    """
    names = sorted({install.name for install in request.installs})
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).filter(name=names)
    brought = [package for package in query.available().filter(reponame=list(repos))
               if any(install.name == package.name
                      and install.version in ("", package.version, package.evr)
                      for install in request.installs)]
    nevras = {*map(str, brought), *request.claims}
    return [package for package in query.installed()
            if str(package) in core or str(package) not in nevras and any(
                package.name == other.name and package.evr_cmp(other) < 0 for other in brought)]


def mark(base: DnfBase, request: Request, uncounted: Sequence[DnfPackage] = ()) -> None:
    """Tell DNF's goal what ``request`` asks for; it is not met by ``uncounted`` packages.

    Raises NotOffered for packages that no repository offers.
    """
    if request.excludes:
        unwanted = base.sack.query().available().filter(name__glob=list(request.excludes))
        base.sack.add_excludes(unwanted)
    _mark_installs(base, request, uncounted)
    _mark_exact(base, request)
    for name in request.upgrades:
        newer = base.sack.query().filter(name=name).upgrades()
        if newer:
            base.goal.upgrade(select=_selector(base, newer))
    for package in base.sack.query().installed():
        if str(package) in request.erases:
            base.goal.erase(package, clean_deps=False)


def _mark_installs(base: DnfBase, request: Request, uncounted: Sequence[DnfPackage]) -> None:
    """Ask for the packages to install; raise NotOffered with all that no repo offers.

    Those that are asked for by their NEVRA are left out: the solver would prefer installed ones.
    """
    exact = {name_of(nevra) for nevra in request.exact}
    missing: List[MissingPackage] = []
    for install in request.installs:
        query = asked_for(base, base.sack.query(), install)
        if uncounted:
            query = query.difference(query.filter(pkg=list(uncounted)))
        if install.name in request.upgrades:
            query = query.latest()
        if query and install.name not in exact:
            _install(base, query)
        elif install.name not in exact:
            missing.append(MissingPackage(
                install.name, f"{install.name} {install.version}".rstrip()))
    _refuse_missing(missing)


def _mark_exact(base: DnfBase, request: Request) -> None:
    """Ask for packages by their NEVRAs; those with the recorded checksum are preferred."""
    missing: List[MissingPackage] = []
    for nevra, checksum in request.exact.items():
        offered = base.sack.query().available().filter(nevra_strict=nevra)
        same = [package for package in offered if checksum_of(package) == checksum]
        if offered:
            _install(base, offered.filter(pkg=same) if same else offered)
        else:
            missing.append(MissingPackage(name_of(nevra), nevra))
    _refuse_missing(missing)


def _refuse_missing(missing: Sequence[MissingPackage]) -> None:
    if missing:
        raise NotOffered(missing)


def _install(base: DnfBase, query: DnfQuery) -> None:
    """Ask for one of the packages of ``query``."""
    base.goal.install(select=_selector(base, query), optional=False)


def _selector(base: DnfBase, query: DnfQuery) -> object:
    selector = dnf.selector.Selector(base.sack)
    selector.set(pkg=query)
    return selector
