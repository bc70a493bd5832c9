"""One setting switched on, with its state before and after."""
from __future__ import annotations

from types import MappingProxyType
from typing import Callable, List, Sequence, Tuple

from ...system.entries import read_entry, same_entry
from ...undo.changes import Applied, Change, alike, capture, difference
from ..kit.model import Context, Overlapping, Wanted, Woven
from .kinds import KINDS
from .ledger import Others
from .shared_files import merged

Done = Callable[[Applied], None]


def apply_all(items: Sequence[Wanted], ctx: Context, done: Done = lambda applied: None, *,
              others: Others = MappingProxyType({})) -> Tuple[Applied, ...]:
    """Switch settings on, in order; return what that changed, and tell it to ``done``.

    The state before is read before each one. It undoes nothing when one fails:
    the caller's journal does.

    Raises Refused when a setting turns out to undo one of ``others``, the settings
    of other plugins, or an earlier one of these: what ``Also=`` in a unit switches
    is not known before its package is there.
    """
    found: List[Applied] = []
    for item in items:
        before, changes = KINDS[item.kind].state(item, ctx), _apply(item, ctx)
        applied = Applied(kind=item.kind, key=item.key, value=item.value, before=before,
                          changes=changes, outcome=_outcome(item, changes, ctx))
        done(applied)
        _refuse_undoing(item, applied, {**others, ctx.plugin: (
            *others.get(ctx.plugin, ()), *found)}, ctx)
        found.append(applied)
    return tuple(found)


def refresh(old: Applied, item: Wanted, ctx: Context, done: Done = lambda applied: None, *,
            repair: bool = False) -> Applied:
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
    outcome = merged(old.outcome, _outcome(item, then, ctx)) if then else old.outcome
    applied = Applied(kind=old.kind, key=old.key, value=item.value,
                      before=before if repair and then else old.before,
                      changes=chained(first, then), outcome=outcome)
    done(applied)
    return applied


def _refuse_undoing(item: Wanted, applied: Applied, others: Others, ctx: Context) -> None:
    for name, its in others.items():
        for other in its:
            kind = KINDS.get(other.kind)
            if isinstance(kind, Overlapping) and any(
                    kind.undone(other, change) for change in applied.changes):
                raise kind.undoing(other, name, item, ctx)


def chained(first: Sequence[Change], then: Sequence[Change]) -> Tuple[Change, ...]:
    """Return two sets of changes, one after the other, as one.

    Where something came between the two, both stay: the path has two changes then.
    """
    found: List[Change] = list(first)
    for change in then:
        old = next((one for one in found
                    if one.path == change.path and alike(one.after, change.before)), None)
        if old is None:
            found.append(change)
        else:
            found[found.index(old)] = Change(change.path, old.before, change.after)
    return tuple(change for change in found if not same_entry(change.before, change.after))


def _outcome(item: Wanted, changes: Sequence[Change], ctx: Context) -> str:
    kind = KINDS[item.kind]
    return kind.outcome(item, changes, ctx) if isinstance(kind, Woven) else ""


def _apply(item: Wanted, ctx: Context) -> Tuple[Change, ...]:
    kind = KINDS[item.kind]
    watches = kind.watched(item, ctx)
    before = capture(ctx.root, watches)
    kind.apply(item, ctx)
    return difference(before, capture(ctx.root, watches))
