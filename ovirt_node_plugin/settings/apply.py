"""One setting switched on, with its state before and after."""
from __future__ import annotations

from typing import Callable, List, Sequence, Tuple

from ..changes import Applied, Change, alike, capture, difference
from ..files import same_entry
from .kinds import KINDS
from .model import Context, Wanted

Done = Callable[[Applied], None]


def apply_all(items: Sequence[Wanted], ctx: Context, done: Done = lambda applied: None,
              ) -> Tuple[Applied, ...]:
    """Switch settings on, in order; return what that changed, and tell it to ``done``.

    The state before is read before each one. It undoes nothing when one fails:
    the caller's journal does.
    """
    found = []
    for item in items:
        applied = Applied(item.kind, item.key, item.value, KINDS[item.kind].state(item, ctx),
                          _apply(item, ctx))
        found.append(applied)
        done(applied)
    return tuple(found)


def refresh(old: Applied, item: Wanted, ctx: Context, done: Done = lambda applied: None,
            ) -> Applied:
    """Apply a setting again after its source changed; its state before stays the first one."""
    changes = chained(old.changes, _apply(item, ctx))
    applied = Applied(old.kind, old.key, item.value, old.before, changes)
    done(applied)
    return applied


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


def _apply(item: Wanted, ctx: Context) -> Tuple[Change, ...]:
    kind = KINDS[item.kind]
    watches = kind.watched(item, ctx)
    before = capture(ctx.root, watches)
    kind.apply(item, ctx)
    return difference(before, capture(ctx.root, watches))
