"""Refusals before anything is written: what a kind cannot do, and contradictions."""
from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Set, Tuple

from ...errors import Refused
from ...undo.changes import Applied, Change
from ..kit.model import Context, Wanted
from .kinds import KINDS
from .ledger import Ledger


def planned(items: Sequence[Wanted]) -> Tuple[Applied, ...]:
    """Return settings as if applied, to check other plugins of the same run against."""
    return tuple(Applied(kind=item.kind, key=item.key, value=item.value, before="", changes=())
                 for item in items)


def check(items: Sequence[Wanted], ctx: Context, *, others: Mapping[str, Sequence[Applied]],
          mine: Sequence[Applied] = ()) -> None:
    """Raise if ``items`` cannot be applied; only reads.

    ``others`` are the settings of other plugins, installed or planned; ``mine``
    those that this plugin has already, for an upgrade.

    Raises Refused for what a kind refuses and for a contradiction with another
    plugin, which it names; CommandError if a program is missing.
    """
    owned = {(applied.kind, applied.key) for applied in mine}
    for item in items:
        for other, settings in others.items():
            for applied in settings:
                if applied.kind == item.kind and KINDS[item.kind].clash(item, applied):
                    raise _conflict(item, ctx.plugin, applied, other)
        KINDS[item.kind].check(item, ctx, mine=(item.kind, item.key) in owned)


def held(ledger: Ledger, wanted: Mapping[str, Sequence[Wanted]]) -> Dict[str, str]:
    """Return the files that installed plugins put there, for ``Context.held``.

    ``wanted`` are the settings of the versions that some of the plugins are about to
    have: what is not among them goes before any of these comes.
    """
    makers: Dict[str, Set[Tuple[str, ...]]] = {}
    stay: Dict[Tuple[str, ...], str] = {}
    for plugin, state in ledger.states.items():
        new = {(item.kind, item.key, item.value) for item in wanted.get(plugin, ())}
        made: List[Tuple[Tuple[str, ...], Sequence[Change], bool]] = [
            ((applied.kind, applied.key), applied.changes, plugin not in wanted
             or (applied.kind, applied.key, applied.value) in new) for applied in state.settings]
        for maker, changes, stays in [*made, ((plugin,), state.effects, True)]:
            if stays:
                stay.setdefault(maker, plugin)
            for change in changes:
                if change.before is None and change.after and change.after.kind != "dir":
                    makers.setdefault(change.path, set()).add(maker)
    return {path: next((stay[maker] for maker in sorted(found) if maker in stay), "")
            for path, found in makers.items()}


def text_of(applied: Applied) -> str:
    """Return an applied setting as one line for people."""
    shown = f" ({applied.value})" if applied.value not in ("yes", "current") else ""
    return f"{applied.kind} {applied.key}{shown}"


def _conflict(item: Wanted, plugin: str, applied: Applied, other: str) -> Refused:
    return Refused(
        f"plugin {plugin} wants to {item.text}, but plugin {other} has {text_of(applied)}",
        hint=f"The two do not go together. Remove plugin {other} first, or ask their vendors.")
