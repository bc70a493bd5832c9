"""The changes that several plugins made to one path, in the order in which they happened.

Undo data have no clock. But each change begins with the state in which the one before it
ended, and the last one ended with what is there now: the changes of a path are the edges
of a walk through its states, and that walk is found.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...system.entries import Entry
from ...undo.changes import Change, comparable
from ..kit.model import Taker


class Holder(NamedTuple):
    """Whose changes they are: of a plugin's setting, by its number, or of its scriptlets."""

    plugin: str
    number: Optional[int] = None


class ChangePlace(NamedTuple):
    """Where the ledger keeps a change: its holder, and its number among the holder's changes."""

    holder: Holder
    number: int


@dataclass(frozen=True, eq=False)
class PathStep:
    """One change of the path.

    ``place`` is where it is kept, None for a change that is taken out. Of such a one,
    ``taker`` takes its lines out of a file that has lines of others; None where the
    change is the whole file.
    """

    change: Change
    place: Optional[ChangePlace] = None
    taker: Optional[Taker] = None


@dataclass(frozen=True)
class Lifted:
    """A path's steps when those without a place are taken out.

    ``rewritten`` has changes of other plugins as they become; ``restore`` the changes by
    which the path itself is put back (at most one); ``drifted`` those that cannot be put
    back, because the path is not as they left it.
    """

    rewritten: Mapping[ChangePlace, Change]
    restore: Tuple[Change, ...]
    drifted: Tuple[Change, ...]


def lift(steps: Sequence[PathStep], now: Optional[Entry]) -> Lifted:
    """Take the steps without a place out of a path whose present state is ``now``.

    What lies on top of such a step gets its ``before``, so that it undoes both; a
    step with nothing on top is put back.
    """
    walk = walked(steps, now)
    rewritten: Dict[ChangePlace, Change] = {}
    under: List[Change] = []
    for step in walk:
        if step.place is None:
            under.append(step.change)
        elif under:
            rewritten[step.place] = Change(
                step.change.path, under[0].before, step.change.after)
            under = []
    restore = [Change(under[0].path, under[0].before, under[-1].after)] if under else []
    aside = [step for step in steps if step not in walk]
    drifted: List[Change] = []
    for change in [step.change for step in aside if step.place is None]:
        above = next(((step.place, step.change) for step in aside if step.place is not None
                      and comparable(step.change.before) == comparable(change.after)), None)
        if above is not None:
            rewritten[above[0]] = Change(change.path, change.before, above[1].after)
        elif comparable(now) != comparable(change.before):
            drifted.append(change)
    return Lifted(rewritten, tuple(restore), tuple(drifted))


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
