"""The packages of an installation: what is asked for, and what nothing asks for any more."""
from __future__ import annotations

from dataclasses import replace
from typing import Dict, List, Sequence, Set, Tuple

from ...errors import UnmetDependency
from ...packages.session import PackageChange, Request, Session
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Install
from ..model.books import Books


def solve(active: Sequence[Bundle], books: Books,
          session: Session) -> Tuple[PackageChange, ...]:
    """Return what the packages of the plugins ``active`` change, solved by ``session``.

    Packages of old versions that nothing asks for any more go.

    Raises NeedsNewerImage or UnmetDependency where there is no solution.
    """
    if not active:
        return ()
    _refuse_two_versions(active)
    upgrades = [name for bundle in active for name in _old_names(bundle, books, session)]
    request = Request(
        subject=_subject(active),
        installs=tuple(install for bundle in active for install in bundle.descriptor.installs),
        upgrades=tuple(dict.fromkeys(upgrades)),
        excludes=tuple(glob for bundle in active for glob in bundle.descriptor.excludes))
    packages = session.solve(request)
    orphans = _orphans(active, books, session)
    if orphans:
        packages = session.solve(replace(request, erases=orphans))
    return packages


def asked(active: Sequence[Bundle]) -> Dict[str, List[str]]:
    """Return the names of the packages that each plugin asks for."""
    return {bundle.descriptor.name: [one.name for one in bundle.descriptor.installs]
            for bundle in active}


def _old_names(bundle: Bundle, books: Books, session: Session) -> List[str]:
    record = books.records.get(bundle.descriptor.name)
    if record is None:
        return []
    present = session.installed()
    return [present[package.nevra] for package in record.packages if package.nevra in present]


def _orphans(active: Sequence[Bundle], books: Books, session: Session) -> Tuple[str, ...]:
    """Return the packages of old versions that nothing asks for any more."""
    shares = session.attribute(asked(active), books.packages)
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
