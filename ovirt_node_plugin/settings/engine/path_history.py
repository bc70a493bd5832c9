"""The changes that several plugins made to one path, and how those of one plugin are undone.

Undo data have no timestamps. But each change begins with the state in which the previous one
ended, and the last one ended with the present state. So the changes of a path are the edges of
a walk through its states, and their order is found by searching that walk.

Some settings change only a part of a file, such as a few lines. Restoring the whole file would
undo the later changes of other plugins too. Therefore the part alone is removed: from the
present content, and from each state that a later change would restore.
"""
from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...system.entries import Entry
from ...undo.changes import Change, compact, comparable
from ..kit.model import PartRemover


class Holder(NamedTuple):
    """What made a change: a setting of a plugin, by kind and key, or the plugin's scriptlets."""

    plugin: str
    setting: Optional[Tuple[str, str]] = None


class ChangePlace(NamedTuple):
    """Where the ledger keeps a change: its holder, and its number among the holder's changes."""

    holder: Holder
    number: int


@dataclass(frozen=True, eq=False)
class PathStep:
    """One change of the path.

    ``place`` is where the ledger keeps it, None for a change that is to be undone. The latter
    has a ``remover`` if it changed only a part of the file.
    """

    change: Change
    place: Optional[ChangePlace] = None
    remover: Optional[PartRemover] = None


@dataclass(frozen=True)
class PathRevert:
    """How to undo the steps without a place.

    ``rewritten`` are the remaining changes whose ``before`` becomes another one; ``restore``
    are the changes that restore the path (at most one); ``drifted`` are those that cannot be
    undone, because the path differs from what they left.
    """

    rewritten: Mapping[ChangePlace, Change]
    restore: Tuple[Change, ...]
    drifted: Tuple[Change, ...]


def revert_path(steps: Sequence[PathStep], now: Optional[Entry]) -> PathRevert:
    """Return how to undo the steps without a place in a path with the present state ``now``.

    ``now`` has its content if a step has a remover. Parts are removed if all steps to be undone
    have a remover and every part can be removed, otherwise whole states are restored.
    """
    walk = walked(steps, now)
    whole = _revert_states(steps, walk, now)
    undone = [step for step in steps if step.place is None]
    removers = [step.remover for step in undone if step.remover is not None]
    if len(removers) < len(undone):
        return whole
    if all(step in walk for step in undone):
        return _revert_parts(walk, now) or whole
    rest = _without(now, removers)
    if rest is None or not whole.drifted:
        return whole
    restore = () if comparable(rest) == comparable(now) else (
        dataclasses.replace(undone[0].change, before=rest, after=compact(now)),)
    return PathRevert(whole.rewritten, restore, ())


def walked(steps: Sequence[PathStep], now: Optional[Entry]) -> List[PathStep]:
    """Return the steps that lead to the state ``now``, first to last.

    Steps that do not fit, because something else changed the path in between, are left out.
    """
    # Hierholzer's algorithm for an Euler walk, backwards from the end. Of several steps that
    # fit, the later one in ``steps`` comes later.
    walk: List[PathStep] = []
    unused = _by_end(steps)
    stack: List[Tuple[Optional[Entry], Optional[PathStep]]] = [(comparable(now), None)]
    while stack:
        state, step = stack[-1]
        if unused.get(state):
            previous = unused[state].pop()
            stack.append((comparable(previous.change.before), previous))
        else:
            stack.pop()
            if step is not None:
                walk.append(step)
    ends = [comparable(step.change.after) for step in walk]
    starts = [comparable(step.change.before) for step in walk[1:]] + [comparable(now)]
    return walk if ends == starts else _walked_straight(steps, now)


def _walked_straight(steps: Sequence[PathStep], now: Optional[Entry]) -> List[PathStep]:
    """Return a walk that ends with ``now``, not the longest one."""
    walk: List[PathStep] = []
    unused = _by_end(steps)
    state = comparable(now)
    while unused.get(state):
        walk.insert(0, unused[state].pop())
        state = comparable(walk[0].change.before)
    return walk


def _by_end(steps: Sequence[PathStep]) -> Dict[Optional[Entry], List[PathStep]]:
    by_end: Dict[Optional[Entry], List[PathStep]] = {}
    for step in steps:
        by_end.setdefault(comparable(step.change.after), []).append(step)
    return by_end


def _revert_states(steps: Sequence[PathStep], walk: Sequence[PathStep],
                   now: Optional[Entry]) -> PathRevert:
    """Restore whole states.

    The step after one that is undone gets its ``before``, so that it will restore that state;
    if there is none, the path itself is restored.
    """
    rewritten: Dict[ChangePlace, Change] = {}
    undone: List[Change] = []
    for step in walk:
        if step.place is None:
            undone.append(step.change)
        elif undone:
            rewritten[step.place] = dataclasses.replace(step.change, before=undone[0].before)
            undone = []
    restore = [dataclasses.replace(undone[0], after=undone[-1].after)] if undone else []
    aside = [step for step in steps if step not in walk]
    drifted: List[Change] = []
    for change in [step.change for step in aside if step.place is None]:
        later = next(((step.place, step.change) for step in aside if step.place is not None
                      and comparable(step.change.before) == comparable(change.after)), None)
        if later is not None:
            rewritten[later[0]] = dataclasses.replace(change, after=later[1].after)
        elif comparable(now) != comparable(change.before):
            drifted.append(change)
    return PathRevert(rewritten, tuple(restore), tuple(drifted))


def _revert_parts(walk: Sequence[PathStep], now: Optional[Entry]) -> Optional[PathRevert]:
    """Remove the parts from each state of the walk; None if one cannot be removed."""
    ends: List[Optional[Entry]] = [*(step.change.before for step in walk[1:]), now]
    removers: List[PartRemover] = []
    rewritten: Dict[ChangePlace, Change] = {}
    state = walk[0].change.before
    for step, end in zip(walk, ends):
        if step.remover is not None:
            removers.append(step.remover)
            continue
        rest = _without(end, removers) if removers else end
        if rest is None and end is not None:
            return None
        if removers and step.place is not None:
            rewritten[step.place] = Change(step.change.path, state, compact(rest))
        state = rest
    restore = dataclasses.replace(walk[-1].change, before=state, after=compact(now))
    return PathRevert(rewritten, (restore,), ())


def _without(entry: Optional[Entry], removers: Sequence[PartRemover]) -> Optional[Entry]:
    """Return the state of a file without some parts, the last one removed first."""
    content = entry.content if entry is not None and entry.kind == "file" else None
    for remover in reversed(removers):
        content = remover(content) if content is not None else None
    if entry is None or content is None:
        return None
    return dataclasses.replace(entry, content=content,
                               digest=hashlib.sha256(content).hexdigest())
