"""Packages of the system that an installation on a host replaces or removes.

These are installed packages that no plugin has. A removal of the plugin does not bring them back,
as nobody keeps their files. On a node they are core packages, which never change.
"""
from __future__ import annotations

import fnmatch
from typing import Collection, List, Sequence, Tuple

from ...errors import NodePluginError, Refused
from ...packages.contents import replacements
from ...packages.session import PackageChange, Session
from ...registry import store
from ..model.books import Books
from ..model.results import ReplacedPackage


def replaced(packages: Sequence[PackageChange], books: Books) -> Tuple[ReplacedPackage, ...]:
    """Return the packages without a plugin that the transaction takes away, sorted by NEVRA."""
    new = replacements(packages)
    return tuple(sorted((
        ReplacedPackage(nevra=change.nevra, name=change.name,
                        by=new[change.nevra].nevra if change.nevra in new else "",
                        repo=new[change.nevra].repo if change.nevra in new else "")
        for change in packages if not change.arrives and change.nevra not in books.claims),
        key=lambda package: package.nevra))


def check(gone: Sequence[ReplacedPackage], plugins: Sequence[str],
          allowed: Collection[str]) -> None:
    """Raise Refused for packages ``gone`` whose names no glob of ``allowed`` matches.

    ``plugins`` are the names of those that are installed.
    """
    refused = [package for package in gone
               if not any(fnmatch.fnmatchcase(package.name, glob) for glob in allowed)]
    if not refused:
        return
    names = list(dict.fromkeys(package.name for package in refused))
    newer = list(dict.fromkeys(package.name for package in refused if package.by))
    options = " ".join(f"--allow-replace={name}" for name in names)
    first = (f"If the system's own repositories have the new version, run dnf upgrade"
             f" {' '.join(newer)} first. " if newer else "")
    subject = f"plugin {plugins[0]} replaces" if len(plugins) == 1 else (
        f"plugins {', '.join(plugins)} replace")
    raise Refused(
        "\n  ".join([f"{subject} packages of the system, which no removal brings back:",
                     *map(line, refused)]),
        hint=f"{first}Otherwise leave the plugin out, or allow it: {options}")


def notes(gone: Sequence[ReplacedPackage]) -> List[str]:
    """Return a line for a plan about each package that is replaced."""
    return [f"{line(package)}; this is one-way: removing the plugin does not bring it back."
            for package in gone]


def not_restored(names: Collection[str], session: Session) -> List[str]:
    """Return a line for each package that the plugins ``names`` replaced and that is gone."""
    present = session.installed()
    lines = []
    for name in names:
        try:
            inventory = store.read_inventory(session.target.root, name)
        except NodePluginError:
            continue
        lines += [f"{nevra}, which plugin {name} replaced, is not brought back."
                  f" To have it again: dnf install {nevra}"
                  for operation in (inventory.operations if inventory else ())
                  for nevra in operation.packages_replaced
                  if nevra not in present]
    return list(dict.fromkeys(lines))


def line(package: ReplacedPackage) -> str:
    """Return what becomes of the package as a clause."""
    if not package.by:
        return f"{package.nevra} is removed"
    return f"{package.nevra} is replaced by {package.by} from {package.repo}"
