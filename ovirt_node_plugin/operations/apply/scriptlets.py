"""The changes of a plugin's scriptlets: their owner, and undoing them in a removal."""
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

from ...packages.contents import resolved_paths
from ...packages.scriptlet_runs import ScriptletReport
from ...packages.session import PackageChange, Session
from ...registry.record import Record
from ...settings.engine.ledger import Ledger
from ...settings.engine.revert import Revert, do_revert, plan_effects
from ...settings.kit.model import Context
from ...system.entries import Entry, read_entry
from ...system.trees import Relative, folders_above
from ...system.words import first_names
from ...undo.changes import Change, alike, compact
from ..model.books import Books
from ..model.jobs import Job

_MOST_PATHS = 8  # that a line names

States = Mapping[str, Optional[Entry]]


def notes(effects: Sequence[Change], owned: Collection[str]) -> List[str]:
    """Return a line that names what scriptlets made or changed outside the packages.

    ``effects`` are the differences of the root before and after the transaction; ``owned``
    are the paths, relative to the root, of the packages' files: rpm makes their folders.
    """
    made = {folder for path in owned for folder in folders_above(path)}
    words = {(False, True): "made", (True, True): "changed", (True, False): "removed"}
    paths: Dict[str, List[str]] = {}
    for change in sorted(effects, key=lambda change: change.path):
        word = words.get((change.before is not None, change.after is not None), "")
        if word and not (word == "made" and change.path in made):
            paths.setdefault(word, []).append(f"/{change.path}")
    return [f"Scriptlets {word} {first_names(named, _MOST_PATHS)}."
            for word, named in paths.items()]


def failures(report: ScriptletReport) -> List[str]:
    """Return a line about each scriptlet that failed without making the change fail."""
    lines = []
    for failed in report.failed:
        what, *output = failed.text.splitlines()
        lines.append(f"T{what[1:]}, and the change went on, as rpm does it"
                     + (f"; its output: {'; '.join(map(str.strip, output))}" if output else "."))
    return lines


def split(effects: Sequence[Change], jobs: Sequence[Job], packages: Sequence[PackageChange],
          root: Path) -> Dict[str, Tuple[Change, ...]]:
    """Return the plugin to which each change of a transaction belongs.

    A new folder with files of one plugin's packages only was made by rpm, and belongs to
    that plugin. All other changes belong to the only plugin whose packages have scriptlets;
    if there are several, or none, to the first.
    """
    arriving = {job.name: [change for change in packages
                           if change.arrives and change.nevra in job.packages] for job in jobs}
    makers = [name for name, own in arriving.items()
              if any(change.header is not None and change.header.scriptlets for change in own)]
    owner = makers[0] if len(makers) == 1 else jobs[0].name
    folders = {name: {folder for path in resolved_paths(own, root)
                      for folder in folders_above(path)} for name, own in arriving.items()}
    shares: Dict[str, List[Change]] = {job.name: [] for job in jobs}
    for change in effects:
        is_new = change.before is None and change.after is not None and change.after.kind == "dir"
        plugins = [name for name, own in folders.items() if is_new and change.path in own]
        shares[plugins[0] if len(plugins) == 1 else owner].append(change)
    return {name: tuple(changes) for name, changes in shares.items()}


def states(effects: Iterable[Change], root: Path) -> States:
    """Return the present state of each path of ``effects``, before their packages leave."""
    return {path: read_entry(root, path, content=False)
            for path in {change.path for change in effects}}


def undo(plugins: Collection[str], before: States, ledger: Ledger, context: Context, *,
         keepers: Sequence[str]) -> Revert:
    """Undo what scriptlets of ``plugins`` changed, after the packages left.

    ``before`` are the states before the packages left: a difference from them was made by
    the scriptlets of the removal, not by an administrator. ``keepers`` are plugins that
    take over the changes instead. Returns what was done.
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
                    gone: Collection[str]) -> None:
    """Give new folders that still exist to a plugin whose packages have files in them."""
    root = session.target.root
    remaining = [change for change in effects if change.before is None
                 and change.after is not None and change.after.kind == "dir"
                 and (root / change.path).is_dir()]
    folders = {name: _folders(record, session) for name, record in books.records.items()
               if name not in gone} if remaining else {}
    for change in remaining:
        heir = next((name for name, own in folders.items() if change.path in own), None)
        if heir is not None:
            own = books.ledger.state(heir).effects
            if all((change.path, change.before) != (old.path, old.before) for old in own):
                books.ledger.set_effects(heir, (change, *own))


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
            change = replace(change, after=compact(now))
        followed.append(change)
    return tuple(change for change in followed if not alike(change.before, change.after))


def _folders(record: Record, session: Session) -> FrozenSet[str]:
    """Return every folder in which a package of the plugin has a file."""
    relative = Relative(session.target.root)
    return frozenset(folder for nevra in record.nevras for path in session.files(nevra)
                     for folder in folders_above(relative(path)))
