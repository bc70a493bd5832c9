"""Check settings before anything is written: by their kind, and against other plugins."""
from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from ...errors import NodePluginError, Reasons, Refused
from ...plugin.settings import Setting
from ...undo.changes import Applied
from ..kit.model import CheckedAlone, Context, Wanted
from .kinds import KINDS, in_order, is_derived
from .ledger import Ledger


def planned(items: Sequence[Wanted]) -> Tuple[Applied, ...]:
    """Return settings as if they were applied, to check other plugins of the run against."""
    return tuple(Applied(kind=item.kind, key=item.key, value=item.value, before="", changes=())
                 for item in items)


def check(items: Sequence[Wanted], ctx: Context, *, others: Mapping[str, Sequence[Applied]],
          own: Sequence[Applied] = ()) -> None:
    """Raise if ``items`` cannot be applied; only reads.

    ``others`` are the settings of other plugins, installed or planned; ``own`` are those that
    this plugin has already, in an upgrade.

    Raises Refused for what a kind refuses and for a contradiction with another plugin, which
    it names; CommandError if a program is missing; SeveralReasons for several of these, one for
    each setting of the descriptor.
    """
    installed, reasons = {applied.identity for applied in own}, Reasons()
    refused: List[Setting] = []
    for item in in_order(items):
        if any(item.item is other for other in refused) or (reasons and is_derived(item.kind)):
            continue  # it would be refused for the same reason
        with reasons.collected():
            try:
                _check(item, ctx, others, installed=item.identity in installed)
            except NodePluginError:
                refused += [item.item] if item.item is not None else []
                raise
    reasons.raise_any()


def check_alone(item: Wanted, ctx: Context) -> None:
    """Raise Refused if no root can have the setting; only what the plugin brings is read."""
    kind = KINDS[item.kind]
    if isinstance(kind, CheckedAlone):
        kind.check_alone(item, ctx)


def _check(item: Wanted, ctx: Context, others: Mapping[str, Sequence[Applied]], *,
           installed: bool) -> None:
    kind = KINDS[item.kind]
    for other, settings in others.items():
        for applied in settings:
            if applied.kind == item.kind and kind.clash(item, applied):
                raise _conflict(item, ctx.plugin, applied, other)
    check_alone(item, ctx)
    kind.check(item, ctx, installed=installed)


def held(ledger: Ledger, wanted: Mapping[str, Sequence[Wanted]]) -> Dict[str, str]:
    """Return the files that installed plugins made, for ``Context.held``.

    ``wanted`` are the settings of the new versions of plugins; what is not among them is
    undone before any of these is applied.
    """
    new = {plugin: {(*item.identity, item.value) for item in items}
           for plugin, items in wanted.items()}
    keepers: Dict[Tuple[str, str], str] = {}
    for holder, applied in ledger.settings():
        if holder.plugin not in wanted or (*applied.identity, applied.value) in new[holder.plugin]:
            keepers.setdefault(applied.identity, holder.plugin)
    files: Dict[str, str] = {}
    for plugin, state in ledger.states.items():
        for keeper, changes in (
                *((keepers.get(applied.identity, ""), applied.changes)
                  for applied in state.settings), (plugin, state.effects)):
            for change in changes:
                if change.before is None and change.after and change.after.kind != "dir":
                    files[change.path] = files.get(change.path) or keeper
    return files


def text_of(applied: Applied) -> str:
    """Return an applied setting as a line for people."""
    shown = f" ({applied.value})" if applied.value not in ("yes", "current") else ""
    return f"{applied.kind} {applied.key}{shown}"


def _conflict(item: Wanted, plugin: str, applied: Applied, other: str) -> Refused:
    return Refused(
        f"plugin {plugin} wants to {item.text}, but plugin {other} has {text_of(applied)}",
        hint=f"The two do not go together. Remove plugin {other} first, or ask their vendors.")
