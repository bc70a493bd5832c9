"""Settings switched on, each with its state before and after."""
from __future__ import annotations

from typing import List, Sequence, Tuple

from ...system.entries import read_entry, same_entry
from ...undo.changes import Applied, Change, Outcome, alike, capture, difference
from ..kit.model import Context, Overlapping, Wanted, Woven
from .kinds import KINDS
from .ledger import Ledger


def apply_one(item: Wanted, ctx: Context, ledger: Ledger) -> Applied:
    """Switch one setting on; return what that changed.

    Raises Refused when it turns out to undo a setting in ``ledger``: which units ``Also=``
    switches is not known before the unit's package is there.
    """
    before, changes = KINDS[item.kind].state(item, ctx), _apply(item, ctx)
    for holder, other in ledger.settings():
        kind = KINDS.get(other.kind)
        if isinstance(kind, Overlapping) and any(kind.undone(other, change)
                                                 for change in changes):
            raise kind.undoing(other, holder.plugin, item, ctx)
    return Applied(kind=item.kind, key=item.key, value=item.value, before=before,
                   changes=changes, outcome=_outcome(item, changes, ctx))


def refresh(old: Applied, item: Wanted, ctx: Context, *, repair: bool = False) -> Applied:
    """Apply a setting again after its source changed; its state before stays the first one.

    With ``repair`` the state before is the present one, where that is not as it was left.
    """
    before, then = KINDS[item.kind].state(item, ctx), _apply(item, ctx)
    first = old.changes
    if repair:
        again = {change.path for change in then}
        # of the image that was replaced, unless it is still so
        first = tuple(change for change in first if change.path not in again and not alike(
            read_entry(ctx.root, change.path, content=False), change.before))
    outcome = {**old.outcome, **_outcome(item, then, ctx)} if then else old.outcome
    return Applied(kind=old.kind, key=old.key, value=item.value,
                   before=before if repair and then else old.before,
                   changes=chained(first, then), outcome=outcome)


def chained(first: Sequence[Change], then: Sequence[Change]) -> Tuple[Change, ...]:
    """Return two sets of changes, one after the other, as one.

    Where something came between the two, both stay: the path has two changes then.
    """
    joined: List[Change] = list(first)
    for change in then:
        old = next((other for other in joined if other.path == change.path
                    and alike(other.after, change.before)), None)
        if old is None:
            joined.append(change)
        else:
            joined[joined.index(old)] = Change(change.path, old.before, change.after)
    return tuple(change for change in joined if not same_entry(change.before, change.after))


def _outcome(item: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
    kind = KINDS[item.kind]
    return kind.outcome(item, changes, ctx) if isinstance(kind, Woven) else {}


def _apply(item: Wanted, ctx: Context) -> Tuple[Change, ...]:
    kind = KINDS[item.kind]
    watches = kind.watched(item, ctx)
    before = capture(ctx.root, watches)
    kind.apply(item, ctx)
    return difference(before, capture(ctx.root, watches))
