"""Apply settings, and return each with its state before and its changes."""
from __future__ import annotations

from typing import Collection, List, Sequence, Tuple

from ...system.entries import read_entry
from ...undo.changes import (
    Applied,
    Change,
    Outcome,
    alike,
    capture,
    compact,
    difference,
    is_kept,
)
from ..kit.model import Context, Overlapping, PartWriter, Wanted
from .kinds import KINDS
from .ledger import Ledger


def apply_one(item: Wanted, ctx: Context, ledger: Ledger) -> Applied:
    """Apply one setting, and return it with its changes.

    The ledger has the settings of all plugins; it is not changed. If this fails, the caller's
    journal undoes it. Raises Refused if the setting undid one in the ledger: the units that
    ``Also=`` in a unit names are only known once its package is installed.
    """
    before, changes = KINDS[item.kind].state(item, ctx), _apply(item, ctx)
    for holder, other in ledger.settings():
        kind = KINDS.get(other.kind)
        if isinstance(kind, Overlapping) and any(kind.contradicts(other, change)
                                                 for change in changes):
            raise kind.contradiction(other, holder.plugin, item, ctx)
    return Applied(kind=item.kind, key=item.key, value=item.value, before=before,
                   changes=changes, outcome=_outcome(item, changes, ctx))


def apply_again(old: Applied, item: Wanted, ctx: Context, *, repair: bool = False,
                replaced: bool = False) -> Applied:
    """Apply a setting again after its source changed; ``before`` remains the first state.

    With ``repair``, the present state is damage that is not restored later. With ``replaced``,
    it is that of a new image: if it is not the one that the setting left, it becomes
    ``before``.
    """
    kind = KINDS[item.kind]
    before, later = kind.state(item, ctx), _apply(item, ctx)
    first = old.changes
    if replaced:
        repeated = {change.path for change in later}
        # The other changes were in the replaced image, unless they are in this one too
        first = tuple(change for change in first if change.path not in repeated and not alike(
            read_entry(ctx.root, change.path, content=False), change.before))
    elif repair:
        parts = {change.path for change in first if isinstance(kind, PartWriter)
                 and kind.part_remover(old, change.path) is not None}
        first = _followed(first, later, parts)
    outcome = {**old.outcome, **_outcome(item, later, ctx)} if later else old.outcome
    return Applied(kind=old.kind, key=old.key, value=item.value,
                   before=before if replaced and later else old.before,
                   changes=chained(first, later), outcome=outcome)


def _followed(first: Sequence[Change], later: Sequence[Change],
              parts: Collection[str]) -> Tuple[Change, ...]:
    """Return the changes ``first`` with the states in which ``later`` finds their paths.

    Of ``parts``, files of which the setting wrote only a part, others may have changed the rest:
    they are followed only back to the state before.
    """
    found = {change.path: change.before for change in later}
    last = {change.path: change for change in first}
    return tuple(
        Change(change.path, change.before, compact(found[change.path]))
        if change.path in found and change is last[change.path] and (
            change.path not in parts or alike(change.before, found[change.path]))
        else change for change in first)


def chained(first: Sequence[Change], then: Sequence[Change]) -> Tuple[Change, ...]:
    """Return two sets of changes, one after the other, as one.

    A path has two changes if something else changed it in between.
    """
    joined: List[Change] = list(first)
    for change in then:
        old = next((other for other in joined if other.path == change.path
                    and alike(other.after, change.before)), None)
        if old is None:
            joined.append(change)
        else:
            joined[joined.index(old)] = Change(change.path, old.before, change.after)
    return tuple(change for change in joined if is_kept(change))


def _outcome(item: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
    kind = KINDS[item.kind]
    return kind.outcome(item, changes, ctx) if isinstance(kind, PartWriter) else {}


def _apply(item: Wanted, ctx: Context) -> Tuple[Change, ...]:
    kind = KINDS[item.kind]
    watches = kind.watched(item, ctx)
    before = capture(ctx.root, watches)
    kind.apply(item, ctx)
    return difference(before, capture(ctx.root, watches))
