"""What follows from the files in a root, made again when one of several plugins goes."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ...system.entries import Entry, read_entry, same_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, capture, compact
from ..kit.model import Context, Remnant, Wanted
from .kinds import DERIVED
from .ledger import Ledger
from .path_history import PathStep, walked


@dataclass(frozen=True)
class Remake:
    """One derived setting of which the values ``gone`` go.

    ``bases`` is each path as it was before the first plugin, ``drifted`` which of them
    are not as a plugin left them.
    """

    kind: str
    key: str
    gone: Tuple[str, ...]
    bases: Mapping[str, Optional[Entry]]
    drifted: Tuple[str, ...] = ()


def planned_remake(kind: str, key: str, mine: Sequence[Applied], ledger: Ledger,
                   root: Path) -> Remake:
    """Return how the settings ``mine`` of one derived kind and key go."""
    heirs = dict(ledger.having(kind, key))
    changes = [change for applied in mine for change in applied.changes]
    paths = {change.path for change in (
        *changes, *(change for applied in heirs.values() for change in applied.changes))}
    bases: Dict[str, Optional[Entry]] = {}
    drifted: List[str] = []
    for path in sorted(paths):
        steps = [*ledger.steps(path),
                 *(PathStep(change) for change in changes if change.path == path)]
        # What else changed the path may begin with values that are gone since
        own = [step for step in steps if step.place is None or step.place.holder in heirs]
        walk = walked(steps, read_entry(root, path, content=False))
        if not walk:
            drifted.append(path)
            walk = _longest(own)
        earlier = [step for step in own if step not in walk]
        if earlier and DERIVED[kind].merged:
            walk = _longest(earlier)  # somebody else's change came between these and those
        bases[path] = walk[0].change.before
    return Remake(kind=kind, key=key, gone=tuple(applied.value for applied in mine),
                  bases=bases, drifted=tuple(drifted))


def remake(one: Remake, ledger: Ledger, ctx: Context) -> None:
    """Make it again for those who still need it; the first of them answers for all of it."""
    kind = DERIVED[one.kind]
    wanted = Wanted(kind=one.kind, key=one.key, value="", text="", item=None)
    watches = kind.watched(wanted, ctx)
    if not any(resolve_inside(ctx.root, watch.folder).is_dir() for watch in watches):
        return
    before = capture(ctx.root, watches)
    heirs = ledger.having(one.kind, one.key)
    kind.remake(Remnant(key=one.key, gone=one.gone,
                        kept=tuple(applied.value for _, applied in heirs), bases=one.bases,
                        drifted=one.drifted), ctx)
    after = capture(ctx.root, watches, content=False)
    # In a file that no plugin changed so far, what a merged one takes out is gone for good
    first = {**one.bases} if kind.merged else {**before, **one.bases}
    changes = tuple(
        Change(path, first.get(path), compact(after.get(path)))
        for path in sorted(first if kind.merged else {*first, *after})
        if not same_entry(first.get(path), after.get(path)))
    for holder, applied in heirs:
        ledger.replace(holder, dataclasses.replace(applied, changes=changes))
        changes = ()


def _longest(steps: List[PathStep]) -> List[PathStep]:
    """Return the longest walk to where any of the steps ended."""
    return max((walked(steps, step.change.after) for step in steps), key=len)
