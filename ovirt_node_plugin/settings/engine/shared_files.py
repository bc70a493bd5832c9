"""One plugin's lines taken out of a file in which others have lines too.

Putting back what was there before would take the lines of those who came later, and
leaving it to them would keep lines of a plugin that is gone. So its own are taken out
of the file as it is now, and out of every state of it that a later change remembers.
"""
from __future__ import annotations

import dataclasses
import hashlib
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ...system.entries import Entry
from ...undo.changes import compact, comparable
from ..kit.model import Taker
from .path_history import Lifted, PathStep, Rewrite, lift, walked

Takers = Mapping[Tuple[int, int], Optional[Taker]]
"""The taker of each step of the plugin at hand, by its place; None if it has none."""


def unweave(steps: Sequence[PathStep], now: Optional[Entry], takers: Takers) -> Lifted:
    """Take the steps without an owner out of a path whose present state is ``now``.

    As ``lift``, but what lies on top of them loses their lines at once. ``now`` has
    its content. Where no other step is on top, or a part cannot be taken out, it is
    just as ``lift``.
    """
    mine = [step for step in steps if not step.owner]
    if any(takers.get(step.place) is None for step in mine):
        return lift(steps, now)
    walk = walked(steps, now)
    if all(step in walk for step in mine):
        first = walk.index(mine[0]) if len(mine) == 1 else min(map(walk.index, mine))
        if not any(step.owner for step in walk[first:]):
            return lift(steps, now)
        return _taken_from(walk, now, takers) or lift(steps, now)
    lifted = lift(steps, now)
    left = _without(now, [takers[step.place] for step in mine])
    if left is None or not lifted.drifted:
        return lifted
    restore = () if comparable(left) == comparable(now) else (
        dataclasses.replace(mine[0].change, before=left, after=compact(now)),)
    return Lifted(lifted.rewritten, restore, ())


def _taken_from(walk: Sequence[PathStep], now: Optional[Entry], takers: Takers) -> Optional[Lifted]:
    """Return the walk without the plugin's own steps; None if a state cannot be told."""
    states: List[Optional[Entry]] = [*(step.change.before for step in walk[1:]), now]
    taken: List[Optional[Taker]] = []
    rewritten: List[Rewrite] = []
    state = walk[0].change.before
    for step, after in zip(walk, states):
        if not step.owner:
            taken.append(takers[step.place])
            continue
        there = _without(after, taken) if taken else after
        if there is None and after is not None:
            return None
        if taken:
            rewritten.append(Rewrite(step, state, compact(there)))
        state = there
    last = walk[-1].change
    restore = dataclasses.replace(last, before=state, after=compact(now))
    return Lifted(tuple(rewritten), (restore,), ())


def _without(entry: Optional[Entry], takers: Sequence[Optional[Taker]]) -> Optional[Entry]:
    """Return the state of a file without some parts, the last one taken out first."""
    if entry is None or entry.kind != "file" or entry.content is None:
        return None
    content: Optional[bytes] = entry.content
    for taker in reversed(takers):
        content = taker(content) if taker is not None and content is not None else None
    if content is None:
        return None
    return dataclasses.replace(entry, content=content,
                               digest=hashlib.sha256(content).hexdigest())


def merged(old: str, new: str) -> str:
    """Return the words of two outcomes; of two ``NAME=…`` the later one counts."""
    words: Dict[str, str] = {}
    for word in f"{old} {new}".split():
        words[word.partition("=")[0]] = word
    return " ".join(words.values())
