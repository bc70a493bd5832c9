"""The changes of a plugin's scriptlets: their owner, and undoing them in a removal."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import (
    Collection,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from ...packages.contents import folder_places, resolved_paths
from ...packages.session import PackageChange
from ...settings.engine.ledger import Ledger
from ...system.entries import Entry, read_entry
from ...system.trees import folders_above
from ...undo.changes import Change, alike, compact, is_kept
from ..model.jobs import Job
from . import expected_units

States = Mapping[str, Optional[Entry]]


def split(effects: Sequence[Change], jobs: Sequence[Job], packages: Sequence[PackageChange],
          root: Path) -> Dict[str, Tuple[Change, ...]]:
    """Return the plugin to which each change of a transaction belongs.

    A change of a folder that packages own was made by rpm, and belongs to the first plugin of
    these; the others found the folder as it is now. A new folder in which packages of one plugin
    only have files belongs to that one, and a unit to the plugin that expects it. All other
    changes belong to the only plugin whose packages have scriptlets; if there are several, or
    none, to the first.
    """
    arriving = {job.name: [change for change in packages
                           if change.arrives and change.nevra in job.packages] for job in jobs}
    makers = [name for name, own in arriving.items()
              if any(change.header is not None and change.header.scriptlets for change in own)]
    owner = makers[0] if len(makers) == 1 else jobs[0].name
    owned = {name: folder_places((change.header for change in own), root)
             for name, own in arriving.items()}
    folders = {name: {folder for path in resolved_paths(own, root)
                      for folder in folders_above(path)} for name, own in arriving.items()}
    units = expected_units.owners(jobs)
    shares: Dict[str, List[Change]] = {job.name: [] for job in jobs}
    for change in effects:
        is_new = change.before is None and change.after is not None and change.after.kind == "dir"
        owners = [name for name, own in owned.items() if change.path in own]
        users = [name for name, own in folders.items() if is_new and change.path in own]
        single = users[0] if len(users) == 1 else units.get(change.path, owner)
        shares[owners[0] if owners else single].append(change)
        for name in owners[1:]:
            shares[name].append(replace(change, before=change.after))
    return {name: tuple(changes) for name, changes in shares.items()}


def states(effects: Iterable[Change], root: Path) -> States:
    """Return the present state of each path of ``effects``, before their packages leave."""
    return {path: read_entry(root, path, content=False)
            for path in {change.path for change in effects}}


def take(plugins: Collection[str], before: States, ledger: Ledger, root: Path) -> List[Change]:
    """Return what scriptlets of ``plugins`` changed, after the packages left; the ledger loses it.

    ``before`` are the states before the packages left: a difference from them was made by
    the scriptlets of the removal, not by an administrator.
    """
    now = {path: read_entry(root, path, content=False) for path in before}
    since = {path for path, entry in now.items()
             if before[path] is not None and not alike(entry, before[path])}
    effects: List[Change] = []
    for plugin, state in tuple(ledger.states.items()):
        if plugin in plugins:
            effects += _follow(state.effects, before, since, root)
            ledger.set_effects(plugin, ())
        elif since:
            ledger.set_effects(plugin, _follow(state.effects, before, since, root))
    return effects


def _follow(changes: Sequence[Change], before: States, since: Collection[str],
            root: Path) -> Tuple[Change, ...]:
    """Return ``changes`` with the present state as the one after, if it was that in ``before``.

    ``since`` are the paths whose state differs from ``before``.
    """
    followed: List[Change] = []
    for change in changes:
        if (change.path in since and change.after is not None
                and alike(change.after, before[change.path])):
            is_link = os.path.islink(root / change.path)
            now = read_entry(root, change.path, content=is_link)
            unchanged = alike(change.before, change.after)
            change = replace(change, before=now if unchanged else change.before,
                             after=compact(now))
        followed.append(change)
    return tuple(change for change in followed if is_kept(change))
