"""Which files of its packages a plugin may leave out, and which it did."""
from __future__ import annotations

import os
from typing import Dict, Iterable, List, Mapping, Sequence, Set

from ...packages.headers import PackedFile
from ...packages.session import Session
from ...plugin.bundle import Bundle
from ...plugin.settings import LeaveOut
from ...settings.engine import selection
from ...settings.kit.model import Facts, KeepReason, Leavable
from ...settings.placed import leave_out
from ...system.nevra import name_of
from ...undo.changes import Applied
from ..model.books import Books
from ..model.job import Job
from .arriving import Arrivals

Shares = Mapping[str, Set[str]]


class LeavingOut:
    """What the plugins of one installation may leave out.

    ``shares`` are the NEVRAs of each plugin of the run.
    """

    def __init__(self, active: Sequence[Bundle], shares: Shares, arrivals: Arrivals,
                 books: Books, session: Session, facts: Facts) -> None:
        self._shares = shares
        self._arrivals = arrivals
        self._books = books
        self._session = session
        self._globs: Dict[str, List[str]] = {
            name: [applied.key for applied in books.ledger.state(name).settings
                   if applied.kind == leave_out.NAME]
            for name in books.records}
        for bundle in active:
            self._globs[bundle.descriptor.name] = [
                item.files for item in selection.met(bundle.descriptor, facts)
                if isinstance(item, LeaveOut)]
        known = {name_of(nevra) for nevra in books.packages}
        # What a host had before, and a plugin only upgrades, is not the plugin's own.
        self._upgraded = {one.nevra for one in arrivals.packages
                          if one.action in ("upgrade", "downgrade") and one.name not in known}

    def leavable(self, name: str) -> Leavable:
        """Return what the plugin ``name`` may leave out of the files that it wants left out."""
        if not self._globs[name]:
            return Leavable()
        sizes: Dict[str, int] = {}
        kept: Dict[str, KeepReason] = {}
        where = self._arrivals.places
        for nevra, files in self._files(name).items():
            package = name_of(nevra)
            users = self._users(name, nevra)
            for path in self._matched(name, files):
                user = next((one for one in users if path not in self._matched(one, [path])), "")
                if nevra in self._upgraded:
                    kept[path] = KeepReason(f"package {package} was there before", package)
                elif user:
                    kept[path] = KeepReason(f"plugin {user} has them too", package)
                elif len(where(path)) != 1:
                    kept[path] = KeepReason("links that come lead elsewhere than now", package)
                else:
                    sizes[path] = files[path].size_bytes
        for path, keeper in self._owned_by_others(name, sizes).items():
            del sizes[path]
            kept[path] = keeper
        return Leavable(sizes, kept, known=self._are_fetched(name),
                        places={path: where(path)[0] for path in sizes})

    def _are_fetched(self, name: str) -> bool:
        return all(one.header is not None for one in self._arrivals.packages
                   if one.nevra in self._shares[name])

    def _matched(self, name: str, paths: Iterable[str]) -> Set[str]:
        return {path for glob in self._globs[name] for path in leave_out.matching(glob, paths)}

    def _files(self, name: str) -> Dict[str, Dict[str, PackedFile]]:
        """Return the files that can be left out, of each package of the plugin."""
        mine = self._shares[name]
        headers = {one.nevra: one.header for one in self._arrivals.packages
                   if one.nevra in mine and one.header is not None}
        coming = {one.nevra for one in self._arrivals.packages}
        there = self._session.installed_headers(mine - coming)
        return {nevra: {file.path: file for file in header.files
                        if not file.is_folder and not file.ghost}
                for nevra, header in {**headers, **there}.items()}

    def _users(self, name: str, nevra: str) -> List[str]:
        """Return the other plugins that have a package, and whose it was before all of them."""
        return [other for other in self._globs if other != name and nevra in (
            self._shares[other] if other in self._shares else
            {one.nevra for one in self._books.records[other].packages})]

    def _owned_by_others(self, name: str, paths: Iterable[str]) -> Dict[str, KeepReason]:
        """Return those of ``paths``, of one place each, that are not only the plugin's own.

        What is there is judged by its place: a link may lead to anybody's.
        """
        where = self._arrivals.places
        others = {place: entry.change.name for entry in self._arrivals.entries
                  if entry.change.nevra not in self._shares[name] for place in entry.places}
        found = {path: _held_by(others[where(path)[0]]) for path in paths
                 if where(path)[0] in others}
        root, claimed = self._session.target.root, set(self._books.packages)
        for path in paths:
            place = where(path)[0]
            if path in found or not os.path.lexists(root / place):
                continue
            owners = self._session.owners(f"/{place}")
            foreign = [nevra for nevra in dict.fromkeys([*owners, *self._session.owners(path)])
                       if nevra not in claimed]
            if foreign:
                found[path] = _held_by(name_of(foreign[0]))
            elif not owners:
                found[path] = KeepReason("they were there before, and no package's", _NOBODY)
        return found


_NOBODY = "-"  # among names of packages


def _held_by(package: str) -> KeepReason:
    return KeepReason(f"package {package} has them too", package)


def left_out(jobs: Iterable[Job]) -> Set[str]:
    """Return the absolute paths of all files that the plugins of a run leave out."""
    return {path for job in jobs for item in job.upgrade.order if item.kind == leave_out.NAME
            for path in leave_out.matching(item.key, job.context.leavable.sizes)}


def recorded(settings: Sequence[Applied], files: Iterable[str], session: Session) -> Leavable:
    """Return which of ``files``, those of an installed plugin's packages, it may have left out."""
    mine = [one for one in settings if one.kind == leave_out.NAME]
    kept = {name for one in mine for name in leave_out.kept_packages(one)}
    if not mine or _NOBODY in kept:
        return Leavable()
    theirs = {path for name in kept for path in session.files_of(name)}
    return Leavable({path: 0 for path in files if path not in theirs})


def is_left_out(path: str, settings: Sequence[Applied]) -> bool:
    """Say if a path is one that settings say is left out."""
    return any(leave_out.matching(one.key, [path]) for one in settings
               if one.kind == leave_out.NAME)
