"""How changes with --detach stand, as lines for people."""
from __future__ import annotations

from typing import List, Sequence

from ..operations.detached import DONE, FAILED, LOST, RUNNING, DetachedChange

_LOST = "ended without an answer: it was killed, and was not undone"
_NEXT = ("The next dnf node-plugin command of the superuser undoes what it did, for example:"
         " dnf node-plugin verify")


def listing(changes: Sequence[DetachedChange], *, with_ended: bool) -> List[str]:
    """Return one line for each change; ``with_ended`` is whether they are more than the running."""
    if not changes:
        return ["No changes with --detach since the last boot."] if with_ended else [
            "No change with --detach is running. Only root sees those that have ended."]
    return [f"{change.unit}: {_summary(change)}" for change in changes]


def outcome(change: DetachedChange) -> List[str]:
    """Return how one change stands, and why, without its messages."""
    return [f"{change.unit}: {_summary(change)}", *_reason(change)]


def _summary(change: DetachedChange) -> str:
    what = " ".join(filter(None, (change.operation, " ".join(change.names)))) or "a change"
    since = f" (since {change.started_at})" if change.started_at else ""
    if change.state == RUNNING:
        step = f": {change.step.get('text')}" if change.step is not None else ""
        return f"{what} is running{since}{step}"
    if change.state == LOST:
        return f"{what} {_LOST}"
    ended = f"at {change.ended_at}"
    return f"{what} was done {ended}" if change.state == DONE else (
        f"{what} failed {ended} with exit status {change.exit_status}")


def _reason(change: DetachedChange) -> List[str]:
    """Return the error of a change that failed, or what undoes one that is lost."""
    if change.state == LOST:
        return [_NEXT]
    error = change.answer.get("error") if change.answer is not None else None
    if change.state != FAILED or not isinstance(error, dict):
        return []
    text = "\n".join(filter(None, (f"Error: {error.get('message')}", str(error.get("hint")))))
    return text.split("\n")
