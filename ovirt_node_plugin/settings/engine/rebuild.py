"""Derived settings, rebuilt from the files in a root when one of several plugins is removed."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from ...system.entries import Entry, read_entry, same_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, capture, compact
from ..kit.model import Context, DerivedRemoval, Wanted
from .kinds import DERIVED
from .ledger import Ledger
from .path_history import PathStep, walked


def plan_rebuild(gone: Sequence[Applied], ledger: Ledger, root: Path) -> DerivedRemoval:
    """Return what to rebuild without the settings ``gone``, all of one derived kind and key."""
    kind, key = gone[0].identity
    changes = [change for applied in gone for change in applied.changes]
    heirs = dict(ledger.having(kind, key))
    others = [change for applied in heirs.values() for change in applied.changes]
    bases: Dict[str, Optional[Entry]] = {}
    drifted: List[str] = []
    for path in sorted({change.path for change in (*changes, *others)}):
        steps = [*ledger.steps(path),
                 *(PathStep(change) for change in changes if change.path == path)]
        # Other changes of the path may begin with values that are gone by now
        own = [step for step in steps if step.place is None or step.place.holder in heirs]
        walk = walked(steps, read_entry(root, path, content=False))
        if not walk:
            drifted.append(path)
            walk = _longest_walk(own)
        earlier = [step for step in own if step not in walk]
        if earlier and DERIVED[kind].merged:
            walk = _longest_walk(earlier)  # something else changed the path in between
        bases[path] = walk[0].change.before
    return DerivedRemoval(kind=kind, key=key, gone=tuple(applied.value for applied in gone),
                          bases=bases, drifted=tuple(drifted))


def rebuild(removal: DerivedRemoval, ledger: Ledger, ctx: Context) -> None:
    """Rebuild a derived setting for the plugins that still have it.

    In the ledger, the first of them becomes the holder of all its changes.
    """
    kind = DERIVED[removal.kind]
    wanted = Wanted(kind=removal.kind, key=removal.key, value="", text="", item=None)
    watches = kind.watched(wanted, ctx)
    if not any(resolve_inside(ctx.root, watch.folder).is_dir() for watch in watches):
        return
    before = capture(ctx.root, watches)
    heirs = ledger.having(removal.kind, removal.key)
    kept = tuple(applied.value for _, applied in heirs)
    kind.rebuild_without(dataclasses.replace(removal, kept=kept), ctx)
    after = capture(ctx.root, watches, content=False)
    # What a merged kind removes from a file that no plugin had changed is not to be restored
    first = {**removal.bases} if kind.merged else {**before, **removal.bases}
    changes = tuple(
        Change(path, first.get(path), compact(after.get(path)))
        for path in sorted(first if kind.merged else {*first, *after})
        if not same_entry(first.get(path), after.get(path)))
    for holder, applied in heirs:
        ledger.put(holder.plugin, dataclasses.replace(applied, changes=changes))
        changes = ()


def _longest_walk(steps: List[PathStep]) -> List[PathStep]:
    """Return the longest walk to the end of any of the steps."""
    return max((walked(steps, step.change.after) for step in steps), key=len)
