"""Undo settings and scriptlet effects of some plugins while other plugins stay.

The order of an operation: ``plan_revert`` (only reads the root), ``do_revert``, then the
packages, then ``plan_effects`` and ``do_revert`` of its plan, then ``rebuild_all`` and
``finish_revert``.
"""
from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterator, List, Optional, Sequence, Set, Tuple

from ...errors import Drifted
from ...system.entries import Entry, read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, put_back
from ...undo.live_log import LEFT, WAS
from ..kit.model import Context, Dependent, DerivedRemoval, Overlapping, PartWriter, Wanted
from .apply import apply_again
from .checking import text_of
from .kinds import DERIVED, KINDS, is_derived, is_shared
from .ledger import Ledger
from .path_history import Holder, PathStep, revert_path
from .rebuild import plan_rebuild, rebuild


@dataclass(frozen=True)
class Revert:
    """How to undo the settings or the scriptlet effects of plugins.

    ``restore`` are the changes to restore; ``notes`` are lines for people. The next three are
    for the time after the packages are removed: the derived settings to ``rebuild``; kind and
    key of settings to apply ``again`` if they differ by then; ``folders`` to remove that were
    not empty when this was planned. ``live`` are the settings whose effect on the running
    system no other plugin needs.
    """

    restore: Tuple[Change, ...]
    notes: Tuple[str, ...] = ()
    rebuild: Tuple[DerivedRemoval, ...] = ()
    again: FrozenSet[Tuple[str, str]] = frozenset()
    folders: Tuple[str, ...] = ()
    live: Tuple[Applied, ...] = ()


def plan_revert(gone: Sequence[Applied], ledger: Ledger, root: Path, *,
                keep_modified: bool = False) -> Revert:
    """Return how to undo the settings ``gone``; only reads the root.

    ``ledger`` has the settings that stay, of all plugins. It is changed: what they also want
    is recorded as theirs.

    Raises Drifted for paths that differ from what the settings left, unless
    ``keep_modified``: then these paths stay as they are, with a note.
    """
    steps, live = _hand_over(gone, ledger)
    again = frozenset(_dependent(gone, ledger))
    rebuilds, unchanged = _plan_derived(
        [applied for applied in gone if is_derived(applied.kind)], ledger, root)
    restore, drifted = _revert_paths(steps, ledger, root)
    if drifted and not keep_modified:
        raise _drifted(root, drifted)
    restore, folders = _split_folders([*restore, *unchanged], ledger, root)
    return Revert(restore=restore, notes=_changed_since(drifted), rebuild=rebuilds,
                  folders=folders, again=again, live=tuple(live))


def plan_effects(effects: Sequence[Change], ledger: Ledger, root: Path, *,
                 keepers: Sequence[str] = ()) -> Revert:
    """Return how to undo what scriptlets of plugins changed; only reads the root.

    Each path that is as the scriptlets left it is restored, unless another plugin changed it
    after them; any other path stays as it is, with a note. ``keepers`` are plugins that keep a
    package of the removed ones: the effects are still needed, and are recorded as those of the
    first keeper. ``ledger`` has what stays, and is changed as by ``plan_revert``.
    """
    if keepers:
        ledger.give(Holder(keepers[0]), effects)
        return Revert(())
    changes, drifted = _revert_paths(
        _not_wanted([PathStep(change) for change in effects], ledger), ledger, root)
    lost = [change for change in changes if not _can_restore(change)]
    restore, folders = _split_folders(
        [change for change in changes if change not in lost], ledger, root)
    return Revert(restore, notes=(
        *_changed_since(drifted),
        *(f"/{change.path} is left as it is: what it was before was not kept"
          for change in lost),
        *(f"/{path} is left: it is not empty" for path in folders)))


def do_revert(revert: Revert, ctx: Context) -> None:
    """Restore what a plan says; a second time changes nothing."""
    put_back(ctx.root, revert.restore)


def rebuild_all(revert: Revert, ledger: Ledger, ctx: Context) -> None:
    """Rebuild the derived settings from the present files, and record that in the ledger."""
    for removal in revert.rebuild:
        rebuild(removal, ledger, ctx)


def finish_revert(revert: Revert, ledger: Ledger, ctx: Context) -> Tuple[str, ...]:
    """Do what has to wait until the packages are removed; return lines for people.

    A setting in the ledger that is applied again gets its new changes there.
    """
    for holder, applied in tuple(ledger.settings()):
        if applied.identity in revert.again and KINDS[applied.kind].verify(applied, ctx):
            wanted = Wanted(kind=applied.kind, key=applied.key, value=applied.value,
                            text=text_of(applied), item=None)
            ledger.put(holder.plugin, apply_again(applied, wanted, ctx))
    not_empty = put_back(ctx.root, [Change(path, None, None) for path in revert.folders
                                    if _is_folder(ctx.root, path)])
    return tuple(f"/{path} is left: it is not empty" for path in not_empty)


def _hand_over(gone: Sequence[Applied], ledger: Ledger) -> Tuple[List[PathStep], List[Applied]]:
    """Record what other plugins also want as theirs; return the rest.

    These are the changes to undo, without those of derived settings, and the settings whose
    effect on the running system no plugin needs any more.
    """
    steps: List[PathStep] = []
    unneeded: List[Applied] = []
    for applied in gone:
        heirs = ledger.having(*applied.identity)
        if heirs:
            ledger.put(heirs[0][0].plugin, _merged(applied, heirs[0][1]))
        else:
            unneeded.append(applied)
        if not is_derived(applied.kind) and not (heirs and is_shared(applied.kind)):
            steps.extend(_not_wanted(_steps(applied), ledger))
    return steps, unneeded


def _merged(gone: Applied, heir: Applied) -> Applied:
    """Return the setting ``heir`` with what it inherits from an equal one of another plugin.

    That is always the state of the running system before, which is one for all plugins, and the
    changes if the setting is shared.
    """
    outcome = dict(heir.outcome)
    was = gone.outcome.get(WAS)
    if was is not None and was != gone.outcome.get(LEFT):
        outcome[WAS] = was
    if not is_shared(gone.kind) or is_derived(gone.kind) or not gone.changes:
        return dataclasses.replace(heir, outcome=outcome)
    outcome.update((name, value) for name, value in gone.outcome.items()
                   if name not in (WAS, LEFT))
    return dataclasses.replace(heir, before=gone.before, outcome=outcome,
                               changes=(*gone.changes, *heir.changes))


def _not_wanted(steps: Sequence[PathStep], ledger: Ledger) -> List[PathStep]:
    """Return the changes that no other setting wants; the others are recorded as its own."""
    unwanted: List[PathStep] = []
    for step in steps:
        holder = next((holder for holder, applied in ledger.settings()
                       if _also_wants(applied, step.change)), None)
        if holder is None:
            unwanted.append(step)
        else:
            ledger.give(holder, [step.change])
    return unwanted


def _also_wants(applied: Applied, change: Change) -> bool:
    kind = KINDS.get(applied.kind)
    return isinstance(kind, Overlapping) and kind.also_wants(applied, change)


def _steps(applied: Applied) -> List[PathStep]:
    kind = KINDS.get(applied.kind)
    return [PathStep(change, remover=kind.part_remover(applied, change.path)
                     if isinstance(kind, PartWriter) else None) for change in applied.changes]


def _dependent(gone: Sequence[Applied], ledger: Ledger) -> Iterator[Tuple[str, str]]:
    """Yield kind and key of settings that may have to be applied again without ``gone``."""
    for _, applied in ledger.settings():
        kind = KINDS.get(applied.kind)
        if isinstance(kind, Dependent) and any(
                other.kind == applied.kind and kind.relies_on(applied, other) for other in gone):
            yield applied.identity


def _plan_derived(gone: Sequence[Applied], ledger: Ledger, root: Path,
                  ) -> Tuple[Tuple[DerivedRemoval, ...], List[Change]]:
    """Return the derived settings to rebuild, and the changes that can simply be restored.

    The latter are of settings that no other plugin has and that nothing changed since. They
    are restored before the packages are removed, as rpm removes only empty folders.
    """
    rebuilds: List[DerivedRemoval] = []
    restore: List[Change] = []
    order = list(DERIVED)
    for identity in sorted({applied.identity for applied in gone},
                           key=lambda identity: (order.index(identity[0]), identity[1])):
        settings = [applied for applied in gone if applied.identity == identity]
        removal = plan_rebuild(settings, ledger, root)
        if not DERIVED[removal.kind].merged and not ledger.having(*identity):
            changes, drifted = _revert_paths(
                [step for applied in settings for step in _steps(applied)], ledger, root)
            if not drifted:
                restore.extend(changes)
                continue
        rebuilds.append(removal)
    return tuple(rebuilds), restore


def _revert_paths(steps: Sequence[PathStep], ledger: Ledger, root: Path,
                  ) -> Tuple[Tuple[Change, ...], Tuple[str, ...]]:
    """Return the changes to restore, and the paths where that is not possible, sorted."""
    restore: List[Change] = []
    drifted: List[str] = []
    for path in sorted({step.change.path for step in steps}):
        undone = [step for step in steps if step.change.path == path]
        now = read_entry(root, path, content=any(step.remover for step in undone))
        reverted = revert_path([*ledger.steps(path), *undone], now)
        ledger.rewrite(reverted.rewritten)
        # The mode of a folder that is removed does not matter
        folders = [change for change in reverted.drifted
                   if change.before is None and _is_dir(now) and _is_dir(change.after)]
        restore.extend((*reverted.restore, *folders))
        if len(folders) < len(reverted.drifted):
            drifted.append(path)
    return tuple(restore), tuple(drifted)


def _split_folders(restore: Sequence[Change], ledger: Ledger, root: Path,
                   ) -> Tuple[Tuple[Change, ...], Tuple[str, ...]]:
    """Return the changes to restore now, and the folders that are not empty yet.

    A folder in which another holder changed something is recorded as its own, even if it is
    empty now: undoing that change may need it.
    """
    chosen: List[Change] = []
    not_empty: List[str] = []
    gone: Set[str] = {change.path for change in restore if change.before is None}
    for change in sorted(restore, key=lambda change: change.path.count("/"), reverse=True):
        if change.before is not None or not _is_folder(root, change.path):
            chosen.append(change)
            continue
        heir = ledger.below(change.path)
        inside = {f"{change.path}/{name}"
                  for name in os.listdir(resolve_inside(root, change.path))}
        if heir is None and inside <= gone:
            chosen.append(change)
            continue
        gone.discard(change.path)
        if heir is not None:
            ledger.give(heir, [change])
        else:
            not_empty.append(change.path)
    return (tuple(sorted(chosen, key=lambda change: change.path)),
            tuple(sorted(not_empty, reverse=True)))


def _can_restore(change: Change) -> bool:
    before = change.before
    return before is None or before.kind == "dir" or (
        before.kind != "other" and before.content is not None)


def _is_folder(root: Path, path: str) -> bool:
    return _is_dir(read_entry(root, path, content=False))


def _is_dir(entry: Optional[Entry]) -> bool:
    return entry is not None and entry.kind == "dir"


def _changed_since(paths: Sequence[str]) -> Tuple[str, ...]:
    return tuple(f"/{path} is left as it is: it was changed since" for path in paths)


def _drifted(root: Path, paths: Sequence[str]) -> Drifted:
    listed = "\n".join(f"  /{path}" for path in paths)
    return Drifted(
        f"these files of {root} were changed after the plugin was installed, and restoring their"
        f" state before the plugin would lose these changes:\n{listed}",
        hint="Undo the changes by hand (dnf node-plugin verify lists them), or keep the files"
             " as they are with --keep-modified.", paths=paths)
