"""``dnf node-plugin status``: how changes with --detach stand, and following one of them."""
from __future__ import annotations

import dataclasses
import sys
import time
from typing import Callable, Optional, Sequence

from ..errors import Status, UsageError
from ..operations import detached
from ..operations.detached import LOST, RUNNING, DetachedChange, StatusAnswer
from ..report import status_text
from ..report.progress import FollowedSteps, print_event
from ..system.json_data import Data
from ..system.run import Runner

_POLL_S = 0.2
_LAST = ("result", "error")


def chosen(names: Sequence[str], run: Runner) -> Sequence[DetachedChange]:
    """Return the changes that the command line names: one, or all."""
    return [detached.change(names[0], run)] if names else detached.changes(run)


def to_follow(names: Sequence[str], run: Runner) -> DetachedChange:
    """Return the change to follow: the one that is named, one that runs, or the last one.

    Raises UsageError if there is none.
    """
    changes = chosen(names, run)
    if not changes:
        raise UsageError("there is no change to follow",
                         hint="Changes with --detach since the last boot can be followed.")
    return next((change for change in changes if change.state == RUNNING), changes[0])


def followed(change: DetachedChange, run: Runner, *, as_json: bool) -> DetachedChange:
    """Print the progress of a change until it ends; return how it ended."""
    show: Callable[[Data], None] = _print if as_json else FollowedSteps(sys.stdout).show
    offset = 0
    while True:
        # asked before the lines are read: what has ended has printed all of them
        change = detached.change(change.unit, run)
        lines, offset = detached.new_lines(change.unit, offset)
        for line in lines:
            if line.get("event") not in _LAST:
                show(line)
        if change.state != RUNNING:
            return change
        time.sleep(_POLL_S)


def answer(changes: Sequence[DetachedChange]) -> Data:
    """Return the answer as data."""
    return dataclasses.asdict(StatusAnswer(tuple(changes)))


def lines(changes: Sequence[DetachedChange], *, one: bool) -> Sequence[str]:
    """Return the answer for people, with the messages of a change if it is only about ``one``."""
    if one:
        return [*changes[0].log, *status_text.outcome(changes[0])]
    return status_text.listing(changes, with_ended=detached.sees_ended())


def exit_status(change: DetachedChange) -> Status:
    """Return the exit status of ``--follow``: that of the change."""
    if change.state == LOST:
        return Status.BROKEN
    return _status(change.exit_status)


def _status(number: Optional[int]) -> Status:
    return Status(number) if number in list(map(int, Status)) else Status.DNF


def _print(line: Data) -> None:
    print_event(sys.stdout, str(line.get("event")), line)
