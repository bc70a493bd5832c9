"""What a plugin's scriptlets changed, undone while its packages go."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import (
    Collection,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from ...packages.session import PackageChange, Session
from ...registry.record import Record
from ...settings.engine.ledger import Ledger
from ...settings.engine.revert import Revert, do_revert, plan_effects
from ...settings.kit.model import Context
from ...system.entries import Entry, read_entry
from ...system.trees import Relative, folders_above
from ...undo.changes import Change, alike, compact
from ..model.books import Books
from ..model.job import Job
from .change import package_paths

States = Mapping[str, Optional[Entry]]


def split(effects: Sequence[Change], jobs: Sequence[Job], packages: Sequence[PackageChange],
          root: Path) -> Dict[str, Tuple[Change, ...]]:
    """Return which plugin has to answer for which change that a transaction brought.

    A new folder in which packages of one plugin alone have files is that plugin's: rpm
    made it. Nothing says which scriptlet did the rest: it is of the only plugin whose
    packages have any, else of the first.
    """
    coming = {job.name: [one for one in packages if one.action != "remove"
                         and one.nevra in job.packages] for job in jobs}
    makers = [name for name, mine in coming.items()
              if any(one.header is not None and one.header.scriptlets for one in mine)]
    rest = makers[0] if len(makers) == 1 else jobs[0].name
    folders = {name: {folder for path in package_paths(root, mine)
                      for folder in folders_above(path)} for name, mine in coming.items()}
    found: Dict[str, List[Change]] = {job.name: [] for job in jobs}
    for change in effects:
        is_new = change.before is None and change.after is not None and change.after.kind == "dir"
        above = [name for name, inside in folders.items() if is_new and change.path in inside]
        found[above[0] if len(above) == 1 else rest].append(change)
    return {name: tuple(changes) for name, changes in found.items()}


def states(effects: Iterable[Change], root: Path) -> States:
    """Return what is at the paths of ``effects``, before their packages go."""
    return {path: read_entry(root, path, content=False)
            for path in {change.path for change in effects}}


def undo(plugins: Sequence[str], before: States, ledger: Ledger, context: Context, *,
         keepers: Sequence[str]) -> Revert:
    """Put back what scriptlets changed, when the packages are gone; return what was done.

    ``before`` is what was there when the removal began: what scriptlets changed since is
    the doing of ``plugins``, which go, as well, and nobody's hand. ``keepers`` are plugins
    that take the effects over as they are.
    """
    root = context.root
    now = {path: read_entry(root, path, content=False) for path in before}
    since = {path for path, entry in now.items()
             if entry is not None and before[path] is not None and not alike(entry, before[path])}
    effects: List[Change] = []
    for plugin, state in tuple(ledger.states.items()):
        if plugin in plugins:
            effects += _follow(state.effects, before, since, root)
            ledger.set_effects(plugin, ())
        elif since:
            ledger.set_effects(plugin, _follow(state.effects, before, since, root))
    revert = plan_effects(effects, ledger, root, keepers=keepers)
    do_revert(revert, context)
    return revert


def inherit_folders(effects: Iterable[Change], books: Books, session: Session,
                    gone: Sequence[str]) -> None:
    """Give folders that could not go to the plugin whose packages have files in them."""
    root = session.target.root
    left = [change for change in effects if change.before is None and change.after is not None
            and change.after.kind == "dir" and (root / change.path).is_dir()]
    if not left:
        return
    others = {name: _folders(record, session) for name, record in books.records.items()
              if name not in gone}
    for change in left:
        heir = next((name for name, inside in others.items() if change.path in inside), None)
        if heir is not None:
            own = books.ledger.state(heir).effects
            if (change.path, change.before) not in {(one.path, one.before) for one in own}:
                books.ledger.set_effects(heir, (change, *own))


def _follow(changes: Sequence[Change], before: States, since: Collection[str],
            root: Path) -> Tuple[Change, ...]:
    """Return ``changes`` with those that ended in the state before ended in what is now."""
    followed: List[Change] = []
    for change in changes:
        if (change.path in since and change.after is not None
                and alike(change.after, before[change.path])):
            is_link = os.path.islink(root / change.path)
            now = read_entry(root, change.path, content=is_link)
            change = replace(change, after=compact(now))
        followed.append(change)
    return tuple(change for change in followed if not alike(change.before, change.after))


def _folders(record: Record, session: Session) -> FrozenSet[str]:
    """Return every folder in which a package of the plugin has a file."""
    relative = Relative(session.target.root)
    found = set()
    for package in record.packages:
        for path in session.files(package.nevra):
            name = os.path.dirname(relative(path))
            while name and name not in found:
                found.add(name)
                name = os.path.dirname(name)
    return frozenset(found)
