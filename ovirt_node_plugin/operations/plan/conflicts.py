"""One file that two want: packages of plugins against each other, and against what is there.

rpm finds most of that as well, when the transaction begins, and would have it undone;
it knows of packages, not of plugins, and nothing of what settings put into a root.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from ...errors import DisputedFile, PathsRefused
from ...packages.headers import PackedFile
from ...packages.session import PackageChange, Session
from ...settings.engine.checking import text_of
from ...settings.engine.kinds import KINDS, is_derived
from ...system.trees import Relative
from ...undo.changes import EFFECTS
from ..model.books import Books
from ..model.job import Job
from .allowed_paths import plugins_of, told
from .arriving import Arriving, arriving

Plugins = Mapping[str, Sequence[str]]
"""The plugins that bring or share a package, by NEVRA."""

FileLists = Iterable[Tuple[str, Sequence[str]]]


def check(jobs: Sequence[Job], packages: Sequence[PackageChange], books: Books,
          session: Session) -> None:
    """Raise PathsRefused if a package brings what another package or a setting has already.

    Both are named, with their plugins. What packages may have together is theirs: folders,
    names that are only claimed, and files that are the same in all.
    """
    if not jobs:
        return
    entries = [one for one in arriving(packages, session.target.root) if one.places]
    whose = plugins_of(jobs)
    found = [*_among_themselves(entries, whose), *_with_installed(entries, whose, books, session),
             *_with_settings(entries, jobs, whose, books, session)]
    if found:
        raise PathsRefused(
            "\n  ".join(["packages bring files that others have:", *told(found)]),
            hint="They do not go together: leave one of them out, or ask their vendors.",
            files=found)


def _among_themselves(entries: Iterable[Arriving], whose: Plugins) -> List[DisputedFile]:
    first: Dict[str, Arriving] = {}
    found = []
    for entry in entries:
        other = first.setdefault(entry.places[-1], entry)
        if other.change is entry.change or entry.file is None or other.file is None:
            continue
        if not _can_be_both(entry.file, entry.change.nevra, other.file, other.change.nevra):
            found.append(_dispute(entry, whose, _of(other.change.nevra, whose)))
    return found


def _with_installed(entries: Sequence[Arriving], whose: Plugins, books: Books,
                    session: Session) -> List[DisputedFile]:
    root = session.target.root
    leaving = {one.nevra for one in session.packages() if one.action == "remove"}
    coming = {(place, entry.change.nevra): entry for entry in entries
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
    found = []
    for nevra in sorted(headers):
        theirs = {relative(file.path): file for file in headers[nevra].files
                  if file.path in owners[nevra]}
        for (place, ours), entry in coming.items():
            if place in theirs and entry.file is not None and not _can_be_both(
                    entry.file, ours, theirs[place], nevra):
                found.append(_dispute(entry, whose, _of(nevra, claimed)))
    return found


def owners_of(places: Set[str], lists: FileLists, root: Path) -> Dict[str, Set[str]]:
    """Return which packages have one of ``places``, by NEVRA, and by which of their paths.

    ``lists`` are the NEVRAs of installed packages with all their files. A place where
    nothing is now, such as that of a file that was left out, is free.
    """
    there = {place for place in places if os.path.lexists(root / place)}
    names = {os.path.basename(place) for place in there}
    relative = Relative(root)
    found: Dict[str, Set[str]] = {}
    for nevra, paths in lists if there else ():
        for path in paths:
            if path[path.rfind("/") + 1:] not in names:
                continue
            if relative(path) in there:
                found.setdefault(nevra, set()).add(path)
    return found


def _with_settings(entries: Iterable[Arriving], jobs: Sequence[Job], whose: Plugins, books: Books,
                   session: Session) -> List[DisputedFile]:
    """Return the packages' files in whose place a setting of another plugin puts its own."""
    taken = _placed(jobs, books, session.target.root)
    found = []
    for entry in entries:
        for place in entry.places:
            other, setting = taken.get(place, ("", ""))
            own = whose.get(entry.change.nevra, ())
            if other and other not in own and not entry.may_be_folder:
                found.append(_dispute(entry, whose, f"it is plugin {other}'s: {setting}"))
    return found


def _placed(jobs: Sequence[Job], books: Books, root: Path) -> Dict[str, Tuple[str, str]]:
    """Return where settings have files or will put them: plugin and setting, by place."""
    found: Dict[str, Tuple[str, str]] = {}
    for name, its in books.others(without=[job.name for job in jobs]).items():
        for applied in its:
            for change in applied.changes if applied.kind != EFFECTS else ():
                if change.after is not None and change.after.kind != "dir":
                    found[change.path] = (name, text_of(applied))
    relative = Relative(root)
    for job in jobs:
        for item in job.upgrade.order:
            for watch in KINDS[item.kind].watched(item, job.context):
                if not is_derived(item.kind) and not set("*?[") & set(watch.names):
                    place = relative(f"{watch.folder}/{watch.names}")
                    found[place] = (job.name, f"{item.kind} {item.key}")
    return found


def _can_be_both(one: PackedFile, its: str, other: PackedFile, others: str) -> bool:
    """Say if two packages may have a path together, as rpm has it.

    That is rpm's rpmfilesCompare(), but for what rpm decides by itself: programs for
    several architectures.
    """
    if one.ghost or other.ghost or one.is_folder and other.is_folder:
        return True
    if stat.S_ISLNK(one.mode) and stat.S_ISLNK(other.mode):
        return one.link == other.link
    if one.is_regular and other.is_regular and len({_arch(its), _arch(others)} - {"noarch"}) == 2:
        return True
    return ((one.mode, one.owner, one.group, one.digest)
            == (other.mode, other.owner, other.group, other.digest))


def _arch(nevra: str) -> str:
    return nevra.rpartition(".")[2]


def _dispute(entry: Arriving, whose: Plugins, other: str) -> DisputedFile:
    nevra = entry.change.nevra
    return DisputedFile(", ".join(whose.get(nevra, ())), nevra, entry.path, other)


def _of(nevra: str, plugins: Plugins) -> str:
    names = plugins.get(nevra, ())
    whose = f" of plugin {', '.join(names)}" if names else ", which is no plugin's,"
    return f"package {nevra}{whose} has it too"
