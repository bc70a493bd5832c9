"""Settings that take effect at once, where the root is the system that runs.

A setting is its files first: what they ask for is then true of the next boot. What is
done here brings the running system to the same, and back. It goes in a fixed order: what
the system reads is read again, modules are loaded, parameters set, files of tmpfiles made,
services stopped and started.
"""
from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union

from ...errors import NodePluginError
from ...system.run import Runner
from ...target import is_running_system
from ...undo import live_log
from ...undo.changes import Applied
from ...undo.live_log import LEFT, WAS, Deed
from ..kit.model import Context, Live, Wanted
from ..modules import kernel_modules
from ..placed import tmpfiles
from ..selinux import selinux
from ..services import running_units, services
from ..sysctl import sysctl
from . import rereading
from .kinds import KINDS
from .shared_files import merged

_One = TypeVar("_One", Applied, Wanted)

NOT_BOOTED = ("Nothing of it takes effect now: no systemd runs here, as in a chroot or a"
              " container.")
_ORDER = (kernel_modules.KIND.name, sysctl.KIND.name, tmpfiles.KIND,
          *(kind.name for kind in selinux.KINDS), services.KIND.name)
# Kinds of unit that run; a scriptlet or the administrator may have started one
_STARTED = (".service", ".socket", ".timer", ".path", ".mount")
_SETTLE_S = 1.0


def is_live(root: Path) -> bool:
    """Say if ``root`` is a running system on which settings can take effect.

    That is one that systemd booted, as sd_booted(3) finds out.
    """
    return is_running_system(root) and (root / "run/systemd/system").is_dir()


def plan_on(items: Sequence[Wanted], ctx: Context) -> Tuple[str, ...]:
    """Return what settings do to the running system when they are switched on, in order."""
    found: List[str] = []
    for item in _sorted(items):
        kind, goal = _live(item.kind), _goal(item)
        if ctx.live and kind is not None and goal and kind.running(item.key, ctx) != goal:
            found.append(f"{kind.doing(item.key, goal)} now")
    return tuple(found)


def plan_off(gone: Sequence[Applied], ctx: Context) -> Tuple[str, ...]:
    """Return what is done to the running system when settings are undone, in order."""
    return tuple(f"{kind.doing(one.key, was)} now" for late in (False, True)
                 for one, kind, was in _to_leave(gone, ctx, late=late)
                 if kind.running(one.key, ctx) not in (was, None))


def switch_on(applied: Sequence[Applied], ctx: Context, *,
              settle_s: float = _SETTLE_S) -> Tuple[Applied, ...]:
    """Let settings take effect now; return them with what the running system was before.

    To be called within the root's journal, when all files are there and were read again.

    Raises CommandError or Refused where the system cannot be brought to what is asked
    for; the journal then knows what was done so far.
    """
    new: Dict[int, Applied] = {}
    started: List[str] = []
    for one in _sorted(applied):
        kind, goal = _live(one.kind), _goal(one)
        was = kind.running(one.key, ctx) if ctx.live and kind is not None and goal else None
        if kind is None or was is None:
            continue
        if was != goal:
            live_log.write_deed(ctx.root, Deed(one.kind, one.key, was))
            kind.bring(one.key, goal, ctx)
            if one.kind == services.KIND.name and goal == running_units.ACTIVE:
                started.append(one.key)
        first = live_log.states(one.outcome).get(WAS, was)
        new[id(one)] = dataclasses.replace(
            one, outcome=merged(one.outcome, live_log.words(was=first, left=goal)))
    running_units.watch(started, ctx, settle_s=settle_s)
    return tuple(_as_left(new[id(one)], ctx) if id(one) in new else one for one in applied)


def switch_off(gone: Sequence[Applied], ctx: Context, *, late: bool = False) -> Tuple[str, ...]:
    """Undo what settings did to the running system; return lines for people.

    To be called within the root's journal: while the files are still there, and again,
    ``late``, when they are gone and were read again, for what runs without them. Raises
    CommandError where that fails.
    """
    notes: List[str] = []
    for one, kind, was in _to_leave(gone, ctx, late=late):
        now = kind.running(one.key, ctx)
        if now not in (was, None):
            live_log.write_deed(ctx.root, Deed(one.kind, one.key, now or ""))
            left = live_log.states(one.outcome).get(LEFT, "")
            notes.extend(kind.leave(one.key, was, left, ctx))
    return tuple(notes)


def expect_units(paths: Iterable[str], ctx: Context) -> None:
    """Keep in the journal which of ``paths`` are units that are not there yet."""
    for path, unit in _units(paths, ctx):
        if "@." not in unit and not (ctx.root / path).exists():
            live_log.write_deed(ctx.root, Deed(services.KIND.name, unit,
                                               running_units.INACTIVE))


def running_of(paths: Iterable[str], ctx: Context) -> Tuple[str, ...]:
    """Return the units among ``paths``, or instances of them, that run."""
    return tuple(name for _, unit in _units(paths, ctx)
                 for name in (running_units.instances(unit, ctx) if "@." in unit else [unit])
                 if running_units.state(name, ctx) == running_units.ACTIVE)


def stop_units(units: Iterable[str], ctx: Context) -> None:
    """Stop units of packages that are about to go, whoever started them."""
    for unit in units:
        live_log.write_deed(ctx.root, Deed(services.KIND.name, unit, running_units.ACTIVE))
        running_units.leave(unit, running_units.INACTIVE, ctx)


@dataclass(frozen=True)
class Backwards:
    """What a failed or interrupted change did to the running system, to be undone.

    ``before`` is to be called before the files are put back, ``after`` when they are:
    both do as much as they can, and return lines on what they could not.
    """

    ctx: Context
    log: live_log.Log

    def before(self) -> Tuple[str, ...]:
        """Stop what was started, and unload what was loaded."""
        return tuple(self._leave(ends=True))

    def after(self) -> Tuple[str, ...]:
        """Have everything read again, and bring back what was set and what was stopped."""
        if not self.ctx.live:
            return ()
        notes: List[str] = []
        # scriptlets had the units read whatever the settings are
        for name in rereading.ordered(self.log.again | {rereading.UNITS}):
            with _noted(notes, f"{rereading.DOING[name]} failed"):
                rereading.read(name, self.ctx)
        return (*notes, *self._leave(ends=False))

    def _leave(self, *, ends: bool) -> Iterator[str]:
        first: Dict[Tuple[str, str], str] = {}
        for deed in self.log.deeds:
            first.setdefault((deed.kind, deed.key), deed.was)
        for (name, key), was in reversed(list(first.items())):
            kind = _live(name)
            notes: List[str] = []
            if self.ctx.live and kind is not None and (was in _ENDS) == ends:
                with _noted(notes, f"{kind.doing(key, was)} failed"):
                    # one that failed to start does not run, but is remembered as failed
                    if kind.running(key, self.ctx) != was or was == running_units.INACTIVE:
                        notes.extend(kind.leave(key, was, "", self.ctx))
            yield from notes


def backwards(root: Path, run: Runner) -> Backwards:
    """Return what the journal of ``root`` says was done to the running system.

    Nothing if that is not running. Raises RecordError if it cannot be read.
    """
    ctx = Context(root, "", {}, run, live=is_live(root))
    return Backwards(ctx, live_log.read_log(root) if ctx.live else live_log.NOTHING)


# States that need the plugin's files to be reached, and those that need them gone
_ENDS, _LATE = (running_units.INACTIVE, "absent"), (running_units.ACTIVE, "loaded")


@contextlib.contextmanager
def _noted(notes: List[str], what: str) -> Iterator[None]:
    """Make a failure a line: undoing goes on with what is left."""
    try:
        yield
    except NodePluginError as exc:
        notes.append(f"{what}: {exc.message}")


def _units(paths: Iterable[str], ctx: Context) -> Iterator[Tuple[str, str]]:
    """Yield path and name of each unit that can run, of a system that does."""
    for path in sorted(path.lstrip("/") for path in paths) if ctx.live else ():
        folder, _, unit = path.rpartition("/")
        if folder in rereading.FOLDERS[rereading.UNITS] and unit.endswith(_STARTED):
            yield path, unit


def _live(name: str) -> Optional[Live]:
    kind = KINDS.get(name)
    return kind if isinstance(kind, Live) else None


def _goal(one: Union[Applied, Wanted]) -> str:
    kind = _live(one.kind)
    return kind.goal(one.key, one.value) if kind is not None else ""


def _sorted(items: Sequence[_One]) -> List[_One]:
    """Return settings in the order in which they take effect; services stop before any starts."""
    def rank(one: Union[Applied, Wanted]) -> Tuple[int, bool]:
        place = _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)
        return place, _goal(one) == running_units.ACTIVE
    return sorted(items, key=rank)


def _to_leave(gone: Sequence[Applied], ctx: Context, *,
              late: bool) -> Iterator[Tuple[Applied, Live, str]]:
    """Yield settings that changed the running system, last first: the kind, the state before.

    ``late`` are those whose state before is reached when the files are gone.
    """
    for one in reversed(_sorted(gone)):
        kind, goal = _live(one.kind), _goal(one)
        if ctx.live and kind is not None and goal:
            was = live_log.states(one.outcome).get(WAS)
            was = _booted_from(one, goal) if was is None else was
            if was != goal and (was in _LATE) == late:
                yield one, kind, was


def _booted_from(one: Applied, goal: str) -> str:
    """Return what would run without a setting that was applied offline, before the boot."""
    if one.kind == services.KIND.name and goal == running_units.ACTIVE and one.changes:
        return running_units.INACTIVE
    if one.kind == kernel_modules.KIND.name and one.changes:
        return "absent"
    return goal  # it cannot be told


def _as_left(one: Applied, ctx: Context) -> Applied:
    """Note the state that a setting came to, which may be another than it asked for."""
    kind = _live(one.kind)
    assert kind is not None
    now = kind.running(one.key, ctx)
    return dataclasses.replace(one, outcome=merged(one.outcome, live_log.words(left=now or "")))
