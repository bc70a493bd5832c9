"""Which files of its packages a plugin may leave out."""
from __future__ import annotations

import os
from typing import Collection, Dict, Iterable, List, Mapping, Sequence, Set

from ...packages.headers import PackedFile
from ...packages.session import PackageChange, Session
from ...plugin.bundle import Bundle
from ...plugin.settings import LeaveOut
from ...settings.engine import selection
from ...settings.kit.model import KeepReason, Leavable
from ...settings.placed import leave_out
from ...system.nevra import name_of
from ...system.trees import folders_above
from ..model.books import Books
from ..model.jobs import Job
from . import requirements
from .arriving import Arrivals


class LeavingOut:
    """What the plugins of one installation may leave out.

    ``packages`` are those of the transaction, ``shares`` the NEVRAs of each plugin of the run.
    ``facts`` are those about the root by which settings apply.
    """

    def __init__(self, active: Sequence[Bundle], shares: Mapping[str, Collection[str]],
                 packages: Sequence[PackageChange], books: Books, session: Session) -> None:
        self.facts = requirements.facts_of(session, packages, books)
        self._arrivals = arrivals = Arrivals(packages, session.target.root, shares)
        self._session = session
        self._claimed = set(books.claims)
        self._packages: Dict[str, Collection[str]] = {
            **{name: record.nevras for name, record in books.records.items()}, **shares}
        self._globs: Dict[str, List[str]] = {
            name: [applied.key for applied in books.ledger.state(name).settings
                   if applied.kind == leave_out.NAME]
            for name in books.records}
        for bundle in active:
            self._globs[bundle.descriptor.name] = [
                item.files for item in selection.met(bundle.descriptor, self.facts)
                if isinstance(item, LeaveOut)]
        known = set(map(name_of, self._claimed))
        # A package that a host had before, and that a plugin only upgrades, is not its own.
        self._upgraded = {change.nevra for change in arrivals.packages
                          if change.action in ("upgrade", "downgrade")
                          and change.name not in known}
        self.by_plugin: Dict[str, Leavable] = {
            bundle.descriptor.name: self._leavable(bundle.descriptor.name) for bundle in active}

    def unpacked(self) -> Arrivals:
        """Return what arrives without the files that are left out, which is all that is judged.

        Of packages that are not fetched, the files count as left out that all their plugins
        want left out. A path with a colon stays: rpm may unpack such a file for a moment, as
        ``unpacking.shared_paths`` says.
        """
        out = {path for leavable in self.by_plugin.values() for path in leavable.sizes}
        for change in self._arrivals.packages:
            plugins = [name for name, nevras in self._packages.items() if change.nevra in nevras]
            if change.header is None and plugins:
                out |= set.intersection(*(self._matching(name, change.files)
                                          for name in plugins))
        return self._arrivals.without({path for path in out if ":" not in path})

    def _leavable(self, name: str) -> Leavable:
        """Return what the plugin ``name`` may leave out of the files that it wants left out."""
        if not self._globs[name]:
            return Leavable()
        sizes: Dict[str, int] = {}
        kept: Dict[str, KeepReason] = {}
        places = self._arrivals.places
        for nevra, files in self._files(name).items():
            package = name_of(nevra)
            users = [other for other in self._globs
                     if other != name and nevra in self._packages[other]]
            for path in self._matching(name, files):
                user = next((other for other in users if not self._matching(other, [path])), "")
                if nevra in self._upgraded:
                    kept[path] = KeepReason(f"package {package} was there before", package)
                elif user:
                    kept[path] = KeepReason(f"plugin {user} has them too", package)
                elif len(places(path)) != 1:
                    kept[path] = KeepReason("links that come lead elsewhere than now", package)
                else:
                    sizes[path] = files[path].size_bytes
        kept.update(self._owned_by_others(name, sizes))
        return Leavable({path: size for path, size in sizes.items() if path not in kept}, kept,
                        known=self._are_fetched(name),
                        places={path: places(path)[0] for path in sizes if path not in kept})

    def _are_fetched(self, name: str) -> bool:
        return all(change.header is not None for change in self._arrivals.packages
                   if change.nevra in self._packages[name])

    def _matching(self, name: str, paths: Iterable[str]) -> Set[str]:
        return {path for glob in self._globs[name] for path in leave_out.matching(glob, paths)}

    def _files(self, name: str) -> Dict[str, Dict[str, PackedFile]]:
        """Return the files that can be left out, of each package of the plugin."""
        own = set(self._packages[name])
        headers = {change.nevra: change.header for change in self._arrivals.packages
                   if change.nevra in own and change.header is not None}
        installed = self._session.installed_headers(
            own - {change.nevra for change in self._arrivals.packages})
        return {nevra: {file.path: file for file in header.files
                        if not file.is_folder and not file.ghost}
                for nevra, header in {**headers, **installed}.items()}

    def _owned_by_others(self, name: str, paths: Collection[str]) -> Dict[str, KeepReason]:
        """Return the reason for each of ``paths`` that is not only the plugin's own.

        Each path has one place. Existing files are judged by that, as a link may lead to a
        file of any package.
        """
        others = self._others(name, paths)
        reasons: Dict[str, KeepReason] = {}
        for path in paths:
            (place,) = self._arrivals.places(path)
            if place in others:
                reasons[path] = _held_by(others[place])
                continue
            if not os.path.lexists(self._session.target.root / place):
                continue
            owners = self._session.owners(f"/{place}")
            foreign = [nevra for nevra in (*owners, *self._session.owners(path))
                       if nevra not in self._claimed]
            if foreign:
                reasons[path] = _held_by(name_of(foreign[0]))
            elif not owners:
                reasons[path] = KeepReason("they were there before, and no package's",
                                           leave_out.NOBODY)
        return reasons

    def _others(self, name: str, paths: Collection[str]) -> Dict[str, str]:
        """Return the places that need to be unpacked, each with the name of a package.

        These are those of other packages, and of the plugin's own those of folders and of what
        is not among ``paths``, with the folders above: rpm leaves out everything below a path.
        """
        others: Dict[str, str] = {}
        for entry in self._arrivals.entries:
            if (entry.change.nevra not in self._packages[name] or entry.path not in paths
                    or entry.file is not None and entry.file.is_folder):
                for place in entry.places:
                    for path in (place, *folders_above(place)):
                        others.setdefault(path, entry.change.name)
        return others


def _held_by(package: str) -> KeepReason:
    return KeepReason(f"package {package} has them too", package)


def left_out(jobs: Iterable[Job]) -> Set[str]:
    """Return the absolute paths of all files that the plugins of a run leave out."""
    return {path for job in jobs for item in job.upgrade.order if item.kind == leave_out.NAME
            for path in leave_out.matching(item.key, job.context.leavable.sizes)}
