"""One plugin's lines taken out of a file in which others have lines too.

Putting back what was there before would take the lines of those who came later, and
leaving it to them would keep lines of a plugin that is gone. So its own are taken out
of the file as it is now, and out of every state of it that a later change remembers.
"""
from __future__ import annotations

import dataclasses
import hashlib
from typing import Dict, List, Optional, Sequence

from ...system.entries import Entry
from ...undo.changes import Change, compact, comparable
from ..kit.model import Taker
from .path_history import ChangePlace, Lifted, PathStep, lift, walked


def unweave(steps: Sequence[PathStep], now: Optional[Entry]) -> Lifted:
    """Take the steps without a place out of a path whose present state is ``now``.

    As ``lift``, but what lies on top of them loses their lines at once. ``now`` has
    its content. Where no other step is on top, or a part cannot be taken out, it is
    just as ``lift``.
    """
    lifted = lift(steps, now)
    mine = [step for step in steps if step.place is None]
    takers = [step.taker for step in mine if step.taker is not None]
    if len(takers) < len(mine):
        return lifted
    walk = walked(steps, now)
    if all(step in walk for step in mine):
        if all(step.place is None for step in walk[min(map(walk.index, mine)):]):
            return lifted
        return _taken_from(walk, now) or lifted
    left = _without(now, takers)
    if left is None or not lifted.drifted:
        return lifted
    restore = () if comparable(left) == comparable(now) else (
        dataclasses.replace(mine[0].change, before=left, after=compact(now)),)
    return Lifted(lifted.rewritten, restore, ())


def _taken_from(walk: Sequence[PathStep], now: Optional[Entry]) -> Optional[Lifted]:
    """Return the walk without the plugin's own steps; None if a state cannot be told."""
    states: List[Optional[Entry]] = [*(step.change.before for step in walk[1:]), now]
    taken: List[Taker] = []
    rewritten: Dict[ChangePlace, Change] = {}
    state = walk[0].change.before
    for step, after in zip(walk, states):
        if step.taker is not None:
            taken.append(step.taker)
            continue
        there = _without(after, taken) if taken else after
        if there is None and after is not None:
            return None
        if taken and step.place is not None:
            rewritten[step.place] = Change(step.change.path, state, compact(there))
        state = there
    restore = dataclasses.replace(walk[-1].change, before=state, after=compact(now))
    return Lifted(rewritten, (restore,), ())


def _without(entry: Optional[Entry], takers: Sequence[Taker]) -> Optional[Entry]:
    """Return the state of a file without some parts, the last one taken out first."""
    if entry is None or entry.kind != "file":
        return None
    content = entry.content
    for taker in reversed(takers):
        content = taker(content) if content is not None else None
    if content is None:
        return None
    return dataclasses.replace(entry, content=content,
                               digest=hashlib.sha256(content).hexdigest())
