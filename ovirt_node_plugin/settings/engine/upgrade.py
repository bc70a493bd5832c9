"""Settings of a plugin's next version: what stays, what goes, what is new."""
from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Dict, Optional, Sequence, Tuple

from ...undo.changes import EFFECTS, Applied
from ..kit.model import Context, Remembering, Wanted
from .apply import Done, apply_all, refresh
from .checking import check
from .kinds import KINDS, is_derived
from .ledger import Others


@dataclass(frozen=True)
class Upgrade:
    """How one version's settings become the next one's.

    ``kept`` are those that stay as they are or are refreshed; ``refreshed`` which of
    them are applied again, for what they are made of may have changed; ``gone`` are
    to be reverted; ``fresh`` to be applied; ``order`` is all of the new version;
    ``repair`` as it was asked for.
    """

    kept: Tuple[Applied, ...]
    refreshed: Tuple[Wanted, ...]
    gone: Tuple[Applied, ...]
    fresh: Tuple[Wanted, ...]
    order: Tuple[Wanted, ...]
    notes: Tuple[str, ...]
    repair: bool = False


def plan_upgrade(old: Sequence[Applied], new: Sequence[Wanted], others: Others,
                 ctx: Context, *, repair: bool = False) -> Upgrade:
    """Return what an upgrade does to the settings; only reads.

    A setting that stays but was changed by hand since is left as it is, with a
    note. With ``repair`` it is applied again, and what is there before that counts as
    the state before: the image was replaced and the record outlived it.
    ``ctx.files`` are those of the new version's packages.

    Raises as ``check`` for what is new or refreshed.
    """
    new = [_again(item, old, ctx) for item in new]
    wanted = {(item.kind, item.key, item.value): item for item in new}
    kept = tuple(one for one in old if (one.kind, one.key, one.value) in wanted)
    known = {(one.kind, one.key, one.value) for one in kept}
    fresh = tuple(item for key, item in wanted.items() if key not in known)
    notes, refreshed = [], []
    for one in kept:
        problems = () if is_derived(one.kind) else KINDS[one.kind].verify(one, ctx)
        if problems and not repair:
            notes.append(f"left as it was changed by hand: {'; '.join(problems)}")
        elif problems or KINDS[one.kind].follows_content:
            refreshed.append(wanted[one.kind, one.key, one.value])
    check([*fresh, *refreshed], ctx, others=others, mine=old)
    notes.extend(note for item in (*fresh, *refreshed) for note in item.notes)
    return Upgrade(kept=kept, refreshed=tuple(refreshed),
                   gone=tuple(one for one in old if one not in kept and one.kind != EFFECTS),
                   fresh=fresh, order=tuple(new), notes=tuple(notes), repair=repair)


def _again(item: Wanted, old: Sequence[Applied], ctx: Context) -> Wanted:
    kind = KINDS[item.kind]
    if isinstance(kind, Remembering):
        for one in old:
            if (one.kind, one.key) == (item.kind, item.key):
                return kind.again(item, one, ctx)
    return item


def apply_upgrade(upgrade: Upgrade, ctx: Context, *, kept: Optional[Sequence[Applied]] = None,
                  done: Done = lambda applied: None,
                  others: Others = MappingProxyType({}),
                  derived: Optional[bool] = None) -> Tuple[Applied, ...]:
    """Refresh and apply; return the settings of the new version, in its order.

    ``kept`` is ``upgrade.kept`` as it became when the gone ones were reverted; effects
    among them come last. To be called when ``gone`` is reverted and the packages are there;
    with ``derived``, only for the kinds that are, or are not: what was there when it was
    called the first time is to be ``kept`` then. Raises as ``apply_all``.
    """
    there = upgrade.kept if kept is None else kept
    now: Dict[Tuple[str, str], Applied] = {
        (one.kind, one.key): one for one in there if one.kind != EFFECTS}
    for item in upgrade.order:
        key = (item.kind, item.key)
        if derived not in (None, is_derived(item.kind)):
            continue
        if item in upgrade.refreshed:
            now[key] = refresh(now[key], item, ctx, done, repair=upgrade.repair)
        elif item in upgrade.fresh:
            now[key] = apply_all([item], ctx, done, others={
                **others, ctx.plugin: tuple(now.values())})[0]
    return (*(now[item.kind, item.key] for item in upgrade.order
              if (item.kind, item.key) in now),
            *(one for one in there if one.kind == EFFECTS))
