"""Settings of a plugin's next version: those that stay, those to undo, those to apply."""
from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Container, Dict, Mapping, Optional, Sequence, Tuple

from ...errors import Reasons
from ...system.entries import Entry, read_entry
from ...undo.changes import Applied, Change, alike
from ..accounts import accounts
from ..kit.model import Context, Remembering, Wanted
from .apply import apply_again, apply_one, chained
from .checking import check, planned
from .kinds import KINDS, Phase, is_derived, phase_of
from .ledger import Ledger
from .revert import Revert, plan_revert

_NOTHING: Mapping[Tuple[str, str], Sequence[Change]] = MappingProxyType({})


@dataclass(frozen=True)
class Upgrade:
    """How the settings of one version become those of the next.

    ``kept`` are the applied settings that stay; ``refreshed`` are those of them to apply
    again, as their source may have changed; ``gone`` are to be undone, ``fresh`` to be
    applied; ``order`` has all settings of the new version. ``replaced`` is as in
    ``plan_upgrade``.
    """

    kept: Tuple[Applied, ...]
    refreshed: Tuple[Wanted, ...]
    gone: Tuple[Applied, ...]
    fresh: Tuple[Wanted, ...]
    order: Tuple[Wanted, ...]
    notes: Tuple[str, ...]
    repair: bool = False
    replaced: bool = False


def plan_upgrades(wanted: Mapping[str, Sequence[Wanted]], contexts: Sequence[Context],
                  ledger: Ledger, root: Path, *, repaired: Container[str] = (),
                  replaced: Container[str] = (), reasons: Optional[Reasons] = None,
                  ) -> Tuple[Dict[str, Upgrade], Revert]:
    """Return how the settings ``wanted`` of plugins are reached, and how the old ones go.

    Everything is undone before anything is applied, so that a plugin can take what another
    one gives up. ``contexts`` are in the order of ``wanted``; ``repaired`` are the plugins to
    plan with ``repair``, ``replaced`` those of a replaced image. The root is only read;
    ``ledger`` is changed: it loses the settings to be undone. ``reasons`` is as in
    ``plan_upgrade``.

    Raises as ``plan_upgrade`` and ``plan_revert``.
    """
    others = {plugin: state.settings for plugin, state in ledger.states.items()
              if plugin not in wanted}
    upgrades: Dict[str, Upgrade] = {}
    for (plugin, items), ctx in zip(wanted.items(), contexts):
        upgrades[plugin] = plan_upgrade(ledger.state(plugin).settings, items, others, ctx,
                                        repair=plugin in repaired,
                                        replaced=plugin in replaced, reasons=reasons)
        others[plugin] = planned(items)
    for plugin, upgrade in upgrades.items():
        ledger.set_settings(plugin, upgrade.kept)
    gone = [applied for upgrade in upgrades.values() for applied in upgrade.gone]
    return upgrades, plan_revert(gone, ledger, root)


def plan_upgrade(old: Sequence[Applied], new: Sequence[Wanted],
                 others: Mapping[str, Sequence[Applied]], ctx: Context, *,
                 repair: bool = False, replaced: bool = False,
                 reasons: Optional[Reasons] = None) -> Upgrade:
    """Return what an upgrade does to the settings; only reads.

    A setting that stays but was changed by hand is left as it is, with a note. With
    ``repair`` it is applied again. With ``replaced`` besides, the present state is recorded as
    the one before: the image was replaced, and the record outlived it. ``ctx.files`` are those
    of the packages of the new version.

    Raises as ``check`` for settings to apply, or adds that to ``reasons``, if given.
    """
    new = [_with_outcome(item, old, ctx) for item in new]
    wanted = {(*item.identity, item.value): item for item in new}
    kept = {(*applied.identity, applied.value): applied for applied in old
            if (*applied.identity, applied.value) in wanted}
    fresh = tuple(item for key, item in wanted.items() if key not in kept)
    notes, refreshed = [], []
    for key, applied in kept.items():
        kind = KINDS[applied.kind]
        problems = () if is_derived(applied.kind) else kind.verify(applied, ctx)
        if problems and not repair:
            notes.append(f"left as it was changed by hand: {'; '.join(map(str, problems))}")
        elif problems or kind.follows_content:
            refreshed.append(wanted[key])
    with contextlib.nullcontext() if reasons is None else reasons.collected():
        check([*fresh, *refreshed], ctx, others=others, own=old)
    notes.extend(note for item in (*fresh, *refreshed) for note in item.notes)
    return Upgrade(
        kept=tuple(kept.values()), refreshed=tuple(refreshed),
        gone=tuple(applied for applied in old if applied not in kept.values()), fresh=fresh,
        order=tuple(new), notes=tuple(notes), repair=repair, replaced=replaced)


def apply_upgrade(upgrade: Upgrade, ctx: Context, ledger: Ledger, *,
                  phase: Optional[Phase] = None, step: Optional[accounts.Step] = None,
                  earlier: Mapping[Tuple[str, str], Sequence[Change]] = _NOTHING) -> None:
    """Apply the settings of the new version: all, or those of one ``phase`` or ``step`` of it.

    To be called when the old settings are undone and, but for ACCOUNTS, the packages are
    installed. ``ledger`` has the settings that stay, and gets the new ones, in the order of the
    new version. ``earlier`` are changes that were made just before and belong to a setting, by
    its kind and key. Raises as ``apply_one``.
    """
    for item in upgrade.order:
        if (phase not in (None, phase_of(item.kind))
                or step is not None and step != accounts.step_of(item)):
            continue
        if item in upgrade.refreshed:
            old = next(applied for applied in ledger.state(ctx.plugin).settings
                       if applied.identity == item.identity)
            old = _with_earlier(old, earlier.get(item.identity, ()))
            ledger.put(ctx.plugin, apply_again(
                old, item, ctx, repair=upgrade.repair, replaced=upgrade.replaced))
        elif item in upgrade.fresh:
            applied = apply_one(item, ctx, ledger)
            ledger.put(ctx.plugin, replace(applied, changes=chained(
                earlier.get(item.identity, ()), applied.changes)))
    order = [item.identity for item in upgrade.order]
    ledger.set_settings(ctx.plugin, sorted(ledger.state(ctx.plugin).settings,
                                           key=lambda applied: order.index(applied.identity)))


def make_accounts(upgrades: Sequence[Tuple[Upgrade, Context]], ledger: Ledger,
                  ) -> Dict[str, Optional[Entry]]:
    """Create the users and groups of plugins, before their packages are installed.

    Those with a number come first: the system could choose that number for another one.
    Returns the new state of each path that this changed, with content. Raises as ``apply_one``.
    """
    for step in accounts.Step:
        for upgrade, ctx in upgrades:
            apply_upgrade(upgrade, ctx, ledger, phase=Phase.ACCOUNTS, step=step)
    applied = {(ctx.plugin, *item.identity) for upgrade, ctx in upgrades
               for item in (*upgrade.fresh, *upgrade.refreshed)}
    root = upgrades[0][1].root
    return {change.path: read_entry(root, change.path) for holder, setting in ledger.settings()
            if phase_of(setting.kind) is Phase.ACCOUNTS
            and (holder.plugin, *setting.identity) in applied for change in setting.changes}


def _with_earlier(old: Applied, earlier: Sequence[Change]) -> Applied:
    """Return ``old`` with changes that were made since, except those back to what it left."""
    left = {change.path: change.after for change in old.changes}
    return replace(old, changes=chained(old.changes, [
        change for change in earlier
        if change.path not in left or not alike(change.after, left[change.path])]))


def _with_outcome(item: Wanted, old: Sequence[Applied], ctx: Context) -> Wanted:
    """Return ``item`` with the values that the system chose for it in the old version.

    A plugin without an old version may have one in another root.
    """
    kind = KINDS[item.kind]
    applied = next((applied for applied in (*old, *ctx.earlier)
                    if applied.identity == item.identity), None)
    if applied is None or not isinstance(kind, Remembering):
        return item
    return kind.with_outcome(item, applied, ctx)
