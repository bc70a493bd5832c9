"""Settings made live: applied to the running system at once, and undone there.

Applying a setting writes files, which are for the next boot. This module brings the running
system into the same state, in the order of the kinds' stages, after the system has read its
configuration again.
"""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple, TypeVar

from ...errors import NodePluginError
from ...system.run import Runner
from ...target import is_booted
from ...undo import live_log
from ...undo.changes import Applied
from ...undo.live_log import LEFT, WAS, Deed
from ..kit.model import Context, Live, Settling, Switched, Wanted
from ..services import package_units
from . import rereading
from .kinds import KINDS

_AnySetting = TypeVar("_AnySetting", Applied, Wanted)

NOT_BOOTED = ("Nothing of it takes effect now: no systemd runs here, as in a chroot or a"
              " container.")
_SETTLE_S = 1.0


def plan_on(items: Sequence[Wanted], ctx: Context) -> Tuple[str, ...]:
    """Return what ``switch_on`` would do to the running system, in order."""
    return tuple(f"{kind.doing(item.key, goal)} now" for item, kind, goal in _by_stage(items, ctx)
                 if kind.running(item.key, ctx) != goal)


def plan_off(gone: Sequence[Applied], ctx: Context) -> Tuple[str, ...]:
    """Return what ``switch_off`` would do to the running system, in order."""
    return tuple(f"{kind.doing(applied.key, was)} now" for late in (False, True)
                 for applied, kind, was in _to_leave(gone, ctx, late=late)
                 if kind.running(applied.key, ctx) not in (was, None))


def switch_on(settings: Sequence[Applied], ctx: Context, *,
              settle_s: float = _SETTLE_S) -> Tuple[Applied, ...]:
    """Make settings live; return them with the states of the running system as outcome.

    To be called within the root's journal, when all files are written and were read again.

    Raises CommandError or Refused if a state cannot be reached; the journal then has what was
    done so far.
    """
    before: Dict[int, Tuple[Live, str]] = {}
    changed: Dict[str, Dict[str, str]] = {}
    for applied, kind, goal in _by_stage(settings, ctx):
        was = kind.running(applied.key, ctx)
        if was is None:
            continue
        if was != goal:
            live_log.write_deed(ctx.root, Deed(applied.kind, applied.key, was))
            kind.bring(applied.key, goal, ctx)
            changed.setdefault(applied.kind, {})[applied.key] = goal
        first = applied.outcome.get(WAS)
        before[id(applied)] = kind, was if first is None else first
    for name, goals in changed.items():
        settling = KINDS[name]
        if isinstance(settling, Settling):
            settling.settle(goals, ctx, settle_s=settle_s)
    return tuple(_with_states(applied, *before[id(applied)], ctx) if id(applied) in before
                 else applied for applied in settings)


def switch_off(gone: Sequence[Applied], ctx: Context, *, late: bool = False) -> Tuple[str, ...]:
    """Undo what settings did to the running system; return lines for people.

    To be called within the root's journal, twice: before the files are removed, and, ``late``,
    after they are removed and the configuration was read again, for what runs without them.
    Raises CommandError if it fails.
    """
    notes: List[str] = []
    for applied, kind, was in _to_leave(gone, ctx, late=late):
        now = kind.running(applied.key, ctx)
        if now not in (was, None):
            live_log.write_deed(ctx.root, Deed(applied.kind, applied.key, now or ""))
            notes.extend(kind.leave(applied.key, was, applied.outcome.get(LEFT) or "", ctx))
    return tuple(notes)


@dataclass(frozen=True)
class LiveUndo:
    """What a failed or interrupted change did to the running system, to be undone.

    ``before`` is to be called before the files are restored, ``after`` when they are. Both
    continue after a failure, and return a line for each.
    """

    ctx: Context
    log: live_log.Log

    def before(self) -> Tuple[str, ...]:
        """Stop the units that were started, and unload the modules that were loaded."""
        return tuple(self._leave(off=True))

    def after(self) -> Tuple[str, ...]:
        """Read configuration again, restore parameters, and start the units that were stopped."""
        if not self.ctx.live:
            return ()
        return (*self._read_again(), *self._leave(off=False))

    def _read_again(self) -> Iterator[str]:
        for reader in rereading.READERS:
            # scriptlets may have reloaded units without a setting
            if reader.name in self.log.again or reader is package_units.READER:
                try:
                    reader.read(self.ctx)
                except NodePluginError as exc:
                    yield f"{reader.doing} failed: {exc.message}"

    def _leave(self, *, off: bool) -> Iterator[str]:
        first: Dict[Tuple[str, str], str] = {}
        for deed in self.log.deeds:
            first.setdefault((deed.kind, deed.key), deed.was)
        for (name, key), was in reversed(list(first.items())):
            kind = KINDS.get(name)
            if self.ctx.live and isinstance(kind, Live) and off == _is_off(kind, was):
                try:
                    if kind.running(key, self.ctx) != was or (
                            off and isinstance(kind, Settling)):
                        yield from kind.leave(key, was, "", self.ctx)
                except NodePluginError as exc:
                    yield f"{kind.doing(key, was)} failed: {exc.message}"


def undo_of(root: Path, run: Runner) -> LiveUndo:
    """Return what the journal of ``root`` says was done to the running system.

    It is empty if the root is not running. Raises RecordError if it cannot be read.
    """
    ctx = Context(root, "", {}, run, live=is_booted(root))
    return LiveUndo(ctx, live_log.read_log(root) if ctx.live else live_log.NOTHING)


def _is_off(kind: Live, state: str) -> bool:
    return isinstance(kind, Switched) and state == kind.off


def _by_stage(settings: Sequence[_AnySetting], ctx: Context) -> List[Tuple[_AnySetting, Live, str]]:
    """Return the settings that have a live state, with kind and goal, in order of stages."""
    entries: List[Tuple[_AnySetting, Live, str]] = []
    for setting in settings if ctx.live else ():
        kind = KINDS.get(setting.kind)
        if isinstance(kind, Live) and kind.goal(setting.key, setting.value):
            entries.append((setting, kind, kind.goal(setting.key, setting.value)))
    return sorted(entries, key=lambda entry: entry[1].stage(entry[2]))


def _to_leave(gone: Sequence[Applied], ctx: Context, *,
              late: bool) -> Iterator[Tuple[Applied, Live, str]]:
    """Yield settings that changed the running system, with kind and state before, last first.

    ``late`` selects those whose state before is reached after the files are removed. If a
    setting was applied offline, the state before is known only for a ``Switched`` kind.
    """
    for applied, kind, goal in reversed(_by_stage(gone, ctx)):
        was = applied.outcome.get(WAS)
        switched = kind if isinstance(kind, Switched) else None
        if was is None and switched and goal == switched.on and applied.changes:
            was = switched.off
        if was is not None and was != goal and late == (
                switched is not None and was == switched.on):
            yield applied, kind, was


def _with_states(applied: Applied, kind: Live, was: str, ctx: Context) -> Applied:
    """Add the state before and the present one, which may differ from the goal."""
    present = kind.running(applied.key, ctx) or ""
    return dataclasses.replace(
        applied, outcome={**applied.outcome, WAS: was, LEFT: present})
