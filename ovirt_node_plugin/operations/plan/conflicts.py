"""Conflicts over a file: between packages of plugins, and with what is in the root.

rpm detects most of them too, but only when the transaction begins, which would then have
to be undone; and it knows packages, but no plugins and no files of settings.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from ...errors import DisputedFile, PathsRefused
from ...packages.headers import PackedFile
from ...packages.session import Session
from ...settings.engine.checking import text_of
from ...settings.engine.kinds import KINDS, is_derived
from ...system.trees import Relative
from ..model.books import Books
from ..model.job import Job
from .allowed_paths import listed, plugins_of
from .arriving import Arrivals, Arriving

Plugins = Mapping[str, Sequence[str]]
"""The plugins that bring or share a package, by NEVRA."""

FileLists = Iterable[Tuple[str, Sequence[str]]]


def check(jobs: Sequence[Job], arrivals: Arrivals, books: Books, session: Session) -> None:
    """Raise PathsRefused if a package contains a file of another package or of a setting.

    Both are named, with their plugins. Packages may share folders, ``%ghost`` names and
    files that are the same in all.
    """
    if not jobs:
        return
    entries = [entry for entry in arrivals.entries if entry.places]
    plugins = plugins_of(jobs)
    disputed = [*_among_themselves(entries, plugins),
                *_with_installed(entries, plugins, books, session),
                *_with_settings(entries, jobs, plugins, books, session)]
    if disputed:
        raise PathsRefused(
            "\n  ".join(["packages bring files that others have:", *listed(disputed)]),
            hint="They do not go together: leave one of them out, or ask their vendors.",
            files=disputed)


def _among_themselves(entries: Iterable[Arriving], plugins: Plugins) -> List[DisputedFile]:
    first: Dict[str, Arriving] = {}
    disputed = []
    for entry in entries:
        other = first.setdefault(entry.places[-1], entry)
        if other.change is entry.change or entry.file is None or other.file is None:
            continue
        if not _can_share(entry.file, entry.change.nevra, other.file, other.change.nevra):
            disputed.append(_dispute(entry, plugins, _of(other.change.nevra, plugins)))
    return disputed


def _with_installed(entries: Sequence[Arriving], plugins: Plugins, books: Books,
                    session: Session) -> List[DisputedFile]:
    root = session.target.root
    leaving = {change.nevra for change in session.packages() if change.action == "remove"}
    coming = {(place, entry.change.nevra): (entry, entry.file) for entry in entries
              if entry.file is not None and not entry.is_ghost for place in entry.places}
    owners = owners_of({place for place, _ in coming}, session.file_lists(), root)
    for nevra in leaving & set(owners):
        del owners[nevra]
    headers = session.installed_headers(owners)
    claimed: Dict[str, List[str]] = {}
    for name, record in books.records.items():
        for package in record.packages:
            claimed.setdefault(package.nevra, []).append(name)
    relative = Relative(root)
    disputed = []
    for other in sorted(headers):
        installed = {relative(file.path): file for file in headers[other].files
                     if file.path in owners[other]}
        for (place, nevra), (entry, file) in coming.items():
            if place in installed and not _can_share(file, nevra, installed[place], other):
                disputed.append(_dispute(entry, plugins, _of(other, claimed)))
    return disputed


def owners_of(places: Set[str], lists: FileLists, root: Path) -> Dict[str, Set[str]]:
    """Return the packages that have files at ``places``: by NEVRA, the paths of those files.

    ``lists`` are the NEVRAs of installed packages with all their files. A place where
    nothing is now, such as that of a file that was left out, is free.
    """
    there = {place for place in places if os.path.lexists(root / place)}
    names = {os.path.basename(place) for place in there}
    relative = Relative(root)
    owners: Dict[str, Set[str]] = {}
    for nevra, paths in lists if there else ():
        for path in paths:
            if path[path.rfind("/") + 1:] not in names:
                continue
            if relative(path) in there:
                owners.setdefault(nevra, set()).add(path)
    return owners


def _with_settings(entries: Iterable[Arriving], jobs: Sequence[Job], plugins: Plugins,
                   books: Books, session: Session) -> List[DisputedFile]:
    """Return the packages' files at places where a setting of another plugin has its own."""
    placed = _placed(jobs, books, session.target.root)
    disputed = []
    for entry in entries:
        for place in entry.places if not entry.may_be_folder else ():
            other, setting = placed.get(place, ("", ""))
            if other and other not in plugins.get(entry.change.nevra, ()):
                disputed.append(_dispute(entry, plugins, f"it is plugin {other}'s: {setting}"))
    return disputed


def _placed(jobs: Sequence[Job], books: Books, root: Path) -> Dict[str, Tuple[str, str]]:
    """Return where settings have files or will put them: plugin and setting, by place."""
    found: Dict[str, Tuple[str, str]] = {}
    names = {job.name for job in jobs}
    for holder, applied in books.ledger.settings():
        for change in applied.changes if holder.plugin not in names else ():
            if change.after is not None and change.after.kind != "dir":
                found[change.path] = (holder.plugin, text_of(applied))
    relative = Relative(root)
    for job in jobs:
        for item in job.upgrade.order:
            for watch in KINDS[item.kind].watched(item, job.context):
                if not is_derived(item.kind) and not set("*?[") & set(watch.names):
                    place = relative(f"{watch.folder}/{watch.names}")
                    found[place] = (job.name, f"{item.kind} {item.key}")
    return found


def _can_share(file: PackedFile, nevra: str, other: PackedFile, other_nevra: str) -> bool:
    """Return whether rpm lets two packages share a path.

    That is rpm's rpmfilesCompare(), but for programs for several architectures, between
    which rpm chooses by itself.
    """
    if file.ghost or other.ghost or file.is_folder and other.is_folder:
        return True
    if stat.S_ISLNK(file.mode) and stat.S_ISLNK(other.mode):
        return file.link == other.link
    archs = {_arch(nevra), _arch(other_nevra)} - {"noarch"}
    if file.is_regular and other.is_regular and len(archs) == 2:
        return True
    return ((file.mode, file.owner, file.group, file.digest)
            == (other.mode, other.owner, other.group, other.digest))


def _arch(nevra: str) -> str:
    return nevra.rpartition(".")[2]


def _dispute(entry: Arriving, plugins: Plugins, reason: str) -> DisputedFile:
    nevra = entry.change.nevra
    return DisputedFile(plugin=", ".join(plugins.get(nevra, ())), package=nevra, path=entry.path,
                        reason=reason)


def _of(nevra: str, plugins: Plugins) -> str:
    names = plugins.get(nevra, ())
    whose = f" of plugin {', '.join(names)}" if names else ", which is no plugin's,"
    return f"package {nevra}{whose} has it too"
