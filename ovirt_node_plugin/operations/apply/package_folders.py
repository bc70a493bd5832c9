"""The folders that packages own: they are as before when no package owns them any more.

rpm makes a folder that a package owns, or gives an existing one the package's mode and owner.
It removes the folder with the last package that owns it, even if it existed before, and keeps
it, as the package left it, if it is not empty.
"""
from __future__ import annotations

import os
from collections import Counter
from itertools import groupby
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set

from ...packages.contents import folder_places, owners_of
from ...packages.session import PackageChange, Session
from ...settings.engine.ledger import Ledger
from ...settings.engine.path_history import Holder
from ...settings.engine.revert import Revert, do_revert, plan_effects
from ...settings.kit.model import Context
from ...system.entries import Entry, read_entry
from ...system.trees import Relative, folders_above
from ...undo.changes import Change, alike, comparable, put_back

Nevras = Mapping[str, Iterable[str]]


class PackageFolders:
    """The folders of the ``packages`` that a transaction changes, as they are before it.

    All paths are relative to the root. Where a link is in the place of a folder, both are meant.
    """

    def __init__(self, packages: Sequence[PackageChange], session: Session) -> None:
        self._session = session
        self._root = session.target.root
        self.arriving = folder_places(
            (change.header for change in packages if change.arrives), self._root)
        self._leaving = {change.nevra: folder_places([change.header], self._root)
                         for change in packages if not change.arrives}
        self._before: Dict[str, Entry] = {}
        for path in self.leaving:
            entry = read_entry(self._root, path, content=os.path.islink(self._root / path))
            if entry is not None and entry.kind in ("dir", "link"):
                self._before[path] = entry

    @property
    def leaving(self) -> Set[str]:
        """The folders of the packages that leave."""
        return set().union(*self._leaving.values())

    def make_again(self, ledger: Ledger) -> None:
        """Make the folders again that existed before plugins and that the transaction removed.

        They have the state from before the transaction, which is then undone as any other.
        """
        put_back(self._root, [
            Change(path, entry, None) for path, entry in self._before.items()
            for steps in [ledger.steps(path)]
            if steps and all(step.change.before is not None for step in steps)
            and read_entry(self._root, path, content=False) is None])

    def overwritten(self, ledger: Ledger) -> Dict[str, Entry]:
        """Return the states in which plugins left folders that somebody changed since.

        They are those of folders that packages own before and after the transaction: rpm gives
        them the package's mode and owner, so that the change in between is not restored either.
        """
        states: Dict[str, Entry] = {}
        for path in self.arriving.intersection(self._before):
            changes = [step.change for step in ledger.steps(path)]
            last = (Counter(comparable(change.after) for change in changes)
                    - Counter(comparable(change.before) for change in changes))
            states.update((path, entry) for entry in last
                          if entry is not None and not alike(entry, self._before[path]))
        return states

    def release(self, old: Nevras, new: Nevras, ledger: Ledger, context: Context) -> Revert:
        """Undo the changes of folders that packages of a plugin owned, and none of it owns now.

        ``old`` and ``new`` are the NEVRAs of all plugins before and after the transaction.
        Returns what was done.
        """
        released: List[Change] = []
        for plugin, nevras in new.items():
            effects = ledger.state(plugin).effects
            former = {
                path for nevra in old.get(plugin, ()) for path in self._leaving.get(nevra, ())
            }.intersection(change.path for change in effects)
            if former:
                former -= folder_places(self._session.installed_headers(nevras).values(),
                                        self._root)
                released += [change for change in effects if change.path in former]
                ledger.set_effects(plugin, [change for change in effects
                                            if change.path not in former])
        revert = plan_effects(self.hand_over(released, new, ledger), ledger, self._root)
        do_revert(revert, context)
        return revert

    def hand_over(self, effects: Sequence[Change], plugins: Nevras,
                  ledger: Ledger) -> Sequence[Change]:
        """Return the ``effects`` to undo, without those of folders that packages still need.

        The changes by which such a folder was made become those of one of ``plugins``, given
        as NEVRAs, whose package owns it or has files in it.
        """
        made = [path for path, changes in _by_path(effects).items()
                if any(_makes_folder(change) for change in changes)]
        present = [path for path in made if _is_folder(read_entry(self._root, path, content=False))]
        heirs = self._heirs(present, plugins)
        rest: List[Change] = []
        for path, changes in _by_path(effects).items():
            heir = heirs.get(path)
            if heir == "":
                continue
            making = [change for change in changes if heir and _makes_folder(change)]
            if heir and making:
                ledger.give(Holder(heir), making)
            rest += [change for change in changes if change not in making]
        return rest

    def _heirs(self, folders: Sequence[str], plugins: Nevras) -> Dict[str, str]:
        """Return the plugin that needs each folder; empty for one that another package owns."""
        heirs: Dict[str, str] = {}
        if not folders:
            return heirs
        relative = Relative(self._root)
        headers = {plugin: tuple(self._session.installed_headers(nevras).values())
                   for plugin, nevras in plugins.items()}
        owned = {plugin: folder_places(own, self._root) for plugin, own in headers.items()}
        above = {plugin: {folder for header in own for file in header.files
                          for folder in folders_above(relative(file.path))}
                 for plugin, own in headers.items()}
        for plugin, needed in (*owned.items(), *above.items()):
            for path in needed.intersection(folders):
                heirs.setdefault(path, plugin)
        rest = set(folders).difference(heirs)
        lists = [(nevra, paths) for nevra, paths in self._session.file_lists()
                 if nevra not in self._leaving] if rest else []
        for paths in owners_of(rest, lists, self._root).values():
            heirs.update((relative(path), "") for path in paths)
        return heirs


def _by_path(effects: Iterable[Change]) -> Dict[str, List[Change]]:
    """Return the changes of each path, in their order."""
    ordered = sorted(effects, key=lambda change: change.path)
    return {path: list(changes) for path, changes in groupby(
        ordered, key=lambda change: change.path)}


def _makes_folder(change: Change) -> bool:
    return change.before is None and _is_folder(change.after)


def _is_folder(entry: Optional[Entry]) -> bool:
    return entry is not None and entry.kind == "dir"
