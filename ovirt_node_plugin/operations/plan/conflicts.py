"""Conflicts over a file: between packages of plugins, and with files in the root.

rpm detects most of them too, but only when the transaction begins, which would then have
to be undone; and it knows neither plugins nor the files of settings.
"""
from __future__ import annotations

import os
from typing import Dict, Iterable, Iterator, Mapping, Sequence, Tuple

from ...errors import DisputedFile, PathsRefused
from ...packages.contents import can_share, can_share_with_core, owners_below, owners_of
from ...packages.session import Session
from ...settings.engine.checking import text_of
from ...settings.engine.kinds import KINDS, is_derived
from ...system.trees import Relative, folders_above
from ..model.books import Books
from ..model.jobs import Job
from .allowed_paths import listed
from .arriving import Arrivals, Arriving


def check(jobs: Sequence[Job], arrivals: Arrivals, books: Books, session: Session) -> None:
    """Raise PathsRefused if a package contains a file of another package or of a setting.

    The error names both, with their plugins. Packages may share folders, ``%ghost`` names
    and files that are the same in all; a ``%ghost`` name of a core package is not shared.
    """
    if not jobs:
        return
    entries = [entry for entry in arrivals.entries if entry.places]
    disputed = [*among_themselves(entries), *_with_installed(entries, books, session),
                *_around_core(entries, session),
                *_with_settings(entries, jobs, books, arrivals)]
    if disputed:
        raise PathsRefused(
            "\n  ".join(["packages bring files that others have:",
                         *listed(disputed, by_rules=False)]),
            hint="They do not go together: leave one of them out, or ask their vendors.",
            files=disputed)


def among_themselves(entries: Iterable[Arriving]) -> Iterator[DisputedFile]:
    """Yield the files that two of the packages have and cannot share."""
    first: Dict[str, Arriving] = {}
    for entry in entries:
        other = first.setdefault(entry.places[-1], entry)
        if other.change is entry.change or entry.file is None or other.file is None:
            continue
        if not can_share(entry.file, entry.change.nevra, other.file, other.change.nevra):
            yield entry.disputed(_has_it_too(other.change.nevra, other.plugins))


def _with_installed(entries: Sequence[Arriving], books: Books,
                    session: Session) -> Iterator[DisputedFile]:
    """Yield the files that installed packages have and that these do not share.

    A core package has its paths also where nothing is now, as with ``%ghost``.
    """
    root = session.target.root
    leaving = {change.nevra for change in session.packages() if not change.arrives}
    core = session.core_packages()
    arriving = {(place, entry.change.nevra): (entry, entry.file) for entry in entries
                if entry.file is not None for place in entry.places}
    owners = {nevra: paths for nevra, paths in owners_of(
        {place for place, _ in arriving}, session.file_lists(), root, core=core).items()
        if nevra not in leaving}
    relative, claims = Relative(root), books.claims
    for other, header in sorted(session.installed_headers(owners).items()):
        installed = {relative(file.path): file for file in header.files
                     if file.path in owners[other]}
        shared = can_share_with_core if other in core else can_share
        for (place, nevra), (entry, file) in arriving.items():
            if place in installed and not shared(file, nevra, installed[place], other):
                yield entry.disputed(_has_it_too(other, claims.get(other, ())))


def _around_core(entries: Sequence[Arriving], session: Session) -> Iterator[DisputedFile]:
    """Yield the files whose path is above or below that of a core package's missing file.

    With them the core package's path would be in another folder, or would be a folder.
    """
    root, core = session.target.root, session.core_packages()
    files = [(nevra, paths) for nevra, paths in session.file_lists() if nevra in core]
    new = {place: entry for entry in entries if not entry.may_be_folder
           for place in entry.places if not os.path.lexists(root / place)}
    for place, (nevra, path) in owners_below(new, files, root).items():
        yield new[place].disputed(f"core package {nevra} has {path}")
    above = {folder: entry for entry in entries for place in entry.places
             for folder in folders_above(place)}
    missing = {folder for folder in above if not os.path.isdir(root / folder)}
    relative = Relative(root)
    owners = owners_of(missing, files, root, core=core)
    for nevra, header in sorted(session.installed_headers(owners).items()):
        for file in header.files:
            if file.path in owners[nevra] and not file.is_folder:
                yield above[relative(file.path)].disputed(
                    f"core package {nevra} has {file.path}")


def _with_settings(entries: Iterable[Arriving], jobs: Sequence[Job], books: Books,
                   arrivals: Arrivals) -> Iterator[DisputedFile]:
    """Yield the files of packages at places where another plugin's setting has a file."""
    placed = _placed(jobs, books, Relative(arrivals.root))
    for entry in entries:
        for place in entry.places if not entry.may_be_folder else ():
            plugin, setting = placed.get(place, ("", ""))
            if plugin and plugin not in entry.plugins:
                yield entry.disputed(f"it is plugin {plugin}'s: {setting}")


def _placed(jobs: Sequence[Job], books: Books,
            relative: Relative) -> Mapping[str, Tuple[str, str]]:
    """Return the plugin and the setting of each place where a setting has or writes a file."""
    placed: Dict[str, Tuple[str, str]] = {}
    names = {job.name for job in jobs}
    for holder, applied in books.ledger.settings():
        for change in applied.changes if holder.plugin not in names else ():
            if change.after is not None and change.after.kind != "dir":
                placed[change.path] = (holder.plugin, text_of(applied))
    for job in jobs:
        for item in job.upgrade.order:
            for watch in KINDS[item.kind].watched(item, job.context):
                if not is_derived(item.kind) and not set("*?[") & set(watch.names):
                    place = relative(f"{watch.folder}/{watch.names}")
                    placed[place] = (job.name, f"{item.kind} {item.key}")
    return placed


def _has_it_too(nevra: str, plugins: Sequence[str]) -> str:
    owner = f" of plugin {', '.join(plugins)}" if plugins else ", which is no plugin's,"
    return f"package {nevra}{owner} has it too"
