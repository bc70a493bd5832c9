"""The changes that several plugins made to one path, in the order in which they happened.

Undo data has no times. But each change begins with the state in which the one
before it ended, and the last one ended with what is there now: the changes of a
path are the edges of a walk through its states, and that walk is found.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ...system.entries import Entry
from ...undo.changes import Change, comparable


@dataclass(frozen=True)
class PathStep:
    """One change of the path, and whose: ``owner`` is a plugin, empty for the one at hand.

    ``place`` is where its owner keeps it: the number of the setting and of the
    change in it.
    """

    owner: str
    place: Tuple[int, int]
    change: Change


@dataclass(frozen=True)
class Rewrite:
    """Another plugin's step, and the states between which it leads from now on."""

    step: PathStep
    before: Optional[Entry]
    after: Optional[Entry]


@dataclass(frozen=True)
class Lifted:
    """What is left of a path's steps when those of the plugin at hand are taken out.

    ``rewritten`` has other plugins' steps with the states that they get;
    ``restore`` the changes by which the path itself is put back (at most one);
    ``drifted`` those that cannot be, because the path is not as they left it.
    """

    rewritten: Tuple[Rewrite, ...]
    restore: Tuple[Change, ...]
    drifted: Tuple[Change, ...]


def lift(steps: Sequence[PathStep], now: Optional[Entry]) -> Lifted:
    """Take the steps without an owner out of a path whose present state is ``now``.

    What lies on top of such a step gets its ``before``, so that it undoes both; a
    step with nothing on top is put back.
    """
    walk = walked(steps, now)
    rewritten: List[Rewrite] = []
    under: List[Change] = []
    for step in walk:
        if not step.owner:
            under.append(step.change)
        elif under:
            rewritten.append(Rewrite(step, under[0].before, step.change.after))
            under = []
    restore = [Change(under[0].path, under[0].before, under[-1].after)] if under else []
    rest = [step for step in steps if step not in walk]
    drifted: List[Change] = []
    for step in rest:
        if step.owner:
            continue
        above = next((other for other in rest if other.owner and comparable(other.change.before)
                      == comparable(step.change.after)), None)
        if above is not None:
            rewritten.append(Rewrite(above, step.change.before, above.change.after))
        elif comparable(now) != comparable(step.change.before):
            drifted.append(step.change)
    return Lifted(tuple(rewritten), tuple(restore), tuple(drifted))


def walked(steps: Sequence[PathStep], now: Optional[Entry]) -> List[PathStep]:
    """Return the steps that lead to ``now``, first to last.

    All of them where that is possible; those that do not fit, because something
    else changed the path in between, are left out.
    """
    # Backwards from the end, by Hierholzer's way to find an Euler walk. Of several
    # that fit, the later in ``steps`` comes later.
    found: List[PathStep] = []
    pool = _by_end(steps)
    stack: List[Tuple[Optional[Entry], Optional[PathStep]]] = [(comparable(now), None)]
    while stack:
        state, step = stack[-1]
        if pool.get(state):
            taken = pool[state].pop()
            stack.append((comparable(taken.change.before), taken))
        else:
            stack.pop()
            if step is not None:
                found.append(step)
    ends = [comparable(step.change.after) for step in found]
    starts = [comparable(step.change.before) for step in found[1:]] + [comparable(now)]
    return found if ends == starts else _straight(steps, now)


def _straight(steps: Sequence[PathStep], now: Optional[Entry]) -> List[PathStep]:
    """Return a walk that ends with ``now``, not the longest one."""
    found: List[PathStep] = []
    pool = _by_end(steps)
    state = comparable(now)
    while pool.get(state):
        step = pool[state].pop()
        found.insert(0, step)
        state = comparable(step.change.before)
    return found


def _by_end(steps: Sequence[PathStep]) -> Dict[Optional[Entry], List[PathStep]]:
    pool: Dict[Optional[Entry], List[PathStep]] = {}
    for step in steps:
        pool.setdefault(comparable(step.change.after), []).append(step)
    return pool
