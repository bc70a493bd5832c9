"""Changes in module trees by scriptlets and links, which become changes of module-index.

So they are undone, verified and shown like those that this tool makes there.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Collection, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ...packages.contents import resolved_paths
from ...packages.session import PackageChange
from ...settings.engine.apply import chained
from ...settings.engine.kinds import in_order
from ...settings.modules import module_index, module_trees
from ...settings.modules.weak_links import make_links
from ...system.entries import same_entry
from ...undo.changes import Applied, Change, capture, difference, put_back
from ..model.jobs import Job, Key

Shares = Mapping[str, Tuple[Change, ...]]
"""Changes by plugin."""


class Adopted(NamedTuple):
    """The ``jobs`` with a setting for each tree that changed, and the changes.

    ``settings`` are the changes of settings, by plugin and setting; ``effects`` are all others,
    by plugin.
    """

    jobs: Tuple[Job, ...]
    settings: Mapping[str, Mapping[Key, Tuple[Change, ...]]]
    effects: Shares


def adopted(jobs: Sequence[Job], shares: Shares, root: Path) -> Adopted:
    """Split ``shares`` into the changes of module indexes and all others."""
    places = module_trees.folders(root)
    settings: Dict[str, Mapping[Key, Tuple[Change, ...]]] = {}
    effects: Dict[str, Tuple[Change, ...]] = {}
    new_jobs: List[Job] = []
    for job in jobs:
        changes: Dict[Key, List[Change]] = {}
        others: List[Change] = []
        for change in shares[job.name]:
            version = module_trees.version_of(change.path, places)
            key = (module_index.KIND.name, version)
            if not module_index.is_version(version):
                others.append(change)
                continue
            if not _is_folder(change):
                changes.setdefault(key, [])
            if module_index.covers(change.path, version) and not same_entry(
                    change.before, change.after):  # else a folder that a package owns
                changes.setdefault(key, []).append(change)
            else:
                others.append(change)
        settings[job.name] = {key: chained((), each) for key, each in changes.items()}
        effects[job.name] = tuple(others)
        new_jobs.append(_with_indexes(job, [version for _, version in changes]))
    return Adopted(tuple(new_jobs), settings, effects)


def with_links(jobs: Sequence[Job], shares: Shares) -> Shares:
    """Link the modules of plugins below the kernels that load them; return all changes.

    ``shares`` are the changes of scriptlets, which may have made these links themselves.
    """
    return {job.name: (*shares[job.name], *make_links(job.context)) for job in jobs}


def _is_folder(change: Change) -> bool:
    return all(entry is None or entry.kind == "dir" for entry in (change.before, change.after))


def _with_indexes(job: Job, versions: Collection[str]) -> Job:
    """Return ``job`` with the settings that keep the module indexes of ``versions``."""
    new = [item for item in map(module_index.wanted_index, sorted(versions))
           if item.identity not in job.keys]
    return replace(job, upgrade=replace(
        job.upgrade, fresh=(*job.upgrade.fresh, *new), order=in_order((*job.upgrade.order, *new))))


class ModuleIndexes:
    """The module indexes of the settings ``gone``, read before ``packages`` are removed."""

    def __init__(self, gone: Sequence[Applied], packages: Sequence[PackageChange],
                 root: Path) -> None:
        self._root = root
        self._removed = resolved_paths(packages, root)
        self._watches = [watch for applied in gone if applied.kind == module_index.KIND.name
                         for watch in module_index.watches(applied.key, root)]
        self._before = capture(root, self._watches)

    def restore(self) -> None:
        """Undo what scriptlets of the removal changed in them since."""
        changes = difference(self._before, capture(self._root, self._watches))
        put_back(self._root, [change for change in changes if change.path not in self._removed])
