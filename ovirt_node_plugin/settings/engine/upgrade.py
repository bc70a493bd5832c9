"""Settings of a plugin's next version: what stays, what goes, what is new."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Container, Dict, Mapping, Optional, Sequence, Tuple

from ...undo.changes import Applied
from ..kit.model import Context, Remembering, Wanted
from .apply import apply_one, refresh
from .checking import check, planned
from .kinds import KINDS, is_derived
from .ledger import Ledger
from .revert import Revert, plan_revert


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


def plan_upgrades(wanted: Mapping[str, Sequence[Wanted]], contexts: Sequence[Context],
                  ledger: Ledger, root: Path, *, repaired: Container[str] = (),
                  ) -> Tuple[Dict[str, Upgrade], Revert]:
    """Return how plugins come to their settings ``wanted`` in one run, and how the old ones go.

    All that goes is switched off before anything comes: what one plugin gives up another
    one may take. ``ledger`` is without it then; of the root this only reads. ``contexts``
    are in the order of ``wanted``. ``repaired``
    are the plugins to be planned with ``repair``.

    Raises as ``plan_upgrade`` and ``plan_revert``.
    """
    others = {plugin: state.settings for plugin, state in ledger.states.items()
              if plugin not in wanted}
    upgrades: Dict[str, Upgrade] = {}
    for (plugin, items), ctx in zip(wanted.items(), contexts):
        upgrades[plugin] = plan_upgrade(ledger.state(plugin).settings, items, others, ctx,
                                        repair=plugin in repaired)
        others[plugin] = planned(items)
    for plugin, upgrade in upgrades.items():
        ledger.drop(plugin, upgrade.gone)
    gone = [applied for upgrade in upgrades.values() for applied in upgrade.gone]
    return upgrades, plan_revert(gone, ledger, root)


def plan_upgrade(old: Sequence[Applied], new: Sequence[Wanted],
                 others: Mapping[str, Sequence[Applied]], ctx: Context, *,
                 repair: bool = False) -> Upgrade:
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
    return Upgrade(
        kept=kept, refreshed=tuple(refreshed),
        gone=tuple(one for one in old if one not in kept), fresh=fresh, order=tuple(new),
        notes=tuple(notes), repair=repair)


def _again(item: Wanted, old: Sequence[Applied], ctx: Context) -> Wanted:
    kind = KINDS[item.kind]
    if isinstance(kind, Remembering):
        for applied in old:
            if (applied.kind, applied.key) == (item.kind, item.key):
                return kind.again(item, applied, ctx)
    return item


def apply_upgrade(upgrade: Upgrade, ctx: Context, ledger: Ledger, *,
                  derived: Optional[bool] = None) -> Tuple[Applied, ...]:
    """Refresh and apply; return the settings of the new version, in its order.

    ``ledger`` has those that stay of the old version, and gets the new ones. To be called
    when what goes is reverted and the packages are there; with ``derived``, only for the
    kinds that are, or are not. Raises as ``apply_one``.
    """
    for item in upgrade.order:
        if derived not in (None, is_derived(item.kind)):
            continue
        settings = {(one.kind, one.key): one for one in ledger.state(ctx.plugin).settings}
        if item in upgrade.refreshed:
            settings[item.kind, item.key] = refresh(
                settings[item.kind, item.key], item, ctx, repair=upgrade.repair)
        elif item in upgrade.fresh:
            settings[item.kind, item.key] = apply_one(item, ctx, ledger)
        ledger.set_settings(ctx.plugin, settings.values())
    settings = {(one.kind, one.key): one for one in ledger.state(ctx.plugin).settings}
    ledger.set_settings(ctx.plugin, (settings[item.kind, item.key] for item in upgrade.order
                                     if (item.kind, item.key) in settings))
    return ledger.state(ctx.plugin).settings
