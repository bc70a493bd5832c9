"""Services: units enabled, disabled or masked by systemctl(1), also in an offline root."""
from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import Service, Setting
from ...system.differences import PropertyDifference
from ...system.entries import Entry, read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, Watch
from ..kit.model import Context, SettingProblem, Stage, Wanted, leads_inside
from . import running_units, scriptlet_units, unit_links
from .unit_links import SEARCH, find_unit
from .unit_links import UNITS as _UNITS

_VERBS: Mapping[str, str] = {"enabled": "enable", "disabled": "disable", "masked": "mask"}
_SYSV = ("etc/init.d", "etc/rc.d/init.d")
# The state of a unit without an [Install] section, which cannot be enabled
_STATIC = "static"
# The states in systemctl(1) is-enabled that are accepted for each wanted state.
_ACCEPTED: Mapping[str, Tuple[str, ...]] = {
    "enabled": ("enabled", "indirect", "alias", "generated", "linked"),
    "disabled": ("disabled", _STATIC, "indirect", "masked"),
    "masked": ("masked",),
}


@dataclass(frozen=True)
class UnitServices:
    """The kind ``service``: key is the unit, value ``enabled``, ``disabled`` or ``masked``."""

    name: str = "service"
    shared: bool = True
    follows_content: bool = False
    on: str = running_units.ACTIVE
    off: str = running_units.INACTIVE

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, Service):
            return ()
        text = f"{_VERBS[item.state]} service {item.name}"
        notes = (scriptlet_units.NOTE.format(unit=item.name),) if item.from_scriptlet else ()
        return (Wanted(kind=self.name, key=item.name, value=item.state, text=text, item=item,
                       notes=notes),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Refuse an unknown unit, and links that lead out of the root."""
        _refuse_links(ctx.root)
        unit, expected = wanted.key, bool(scriptlet_units.expected([wanted]))
        if expected:
            if not installed:
                scriptlet_units.check(wanted, ctx)
        elif find_unit(unit, ctx) is None:
            raise _no_unit(wanted, ctx)
        entry = read_entry(ctx.root, f"{_UNITS}/{unit}", content=True)
        if wanted.value == "enabled" and _is_mask(entry):
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but it is masked in the root",
                hint=f"Unmask it first: systemctl --root={ctx.root} unmask {unit}")
        in_package = ctx.brings(f"{_UNITS}/{unit}") is not None
        if wanted.value == "masked" and (in_package or not (entry is None or _is_mask(entry))):
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but /{_UNITS}/{unit} is there,"
                " where the mask would have to be",
                hint="Only units in /usr/lib/systemd/system can be masked.")
        if not expected:
            _refuse_static(wanted, self.state(wanted, ctx), ctx)

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return wanted.key == other.key and wanted.value != other.value

    def state(self, wanted: Wanted, ctx: Context) -> str:
        return _state(wanted.key, ctx)

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return (Watch(_UNITS, "*", deep=True),)

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        _refuse_links(ctx.root)  # the plugin's packages may have added one
        before = unit_links.links(ctx.root)
        ctx.run(["systemctl", f"--root={ctx.root}", _VERBS[wanted.value], "--", wanted.key])
        unit_links.refuse_others(wanted, before, ctx)
        if wanted.value == "enabled":
            _refuse_static(wanted, _state(wanted.key, ctx), ctx)

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        state = _state(applied.key, ctx)
        if state not in _ACCEPTED.get(applied.value, ()):
            return (SettingProblem(
                f"service {applied.key} is {state}, not {applied.value}",
                differences=(PropertyDifference("state", applied.value, state),)),)
        return running_units.problems(applied, ctx) if ctx.live else ()

    def goal(self, key: str, value: str) -> str:
        if "@." in key:  # a template itself cannot run
            return ""
        return running_units.ACTIVE if value == "enabled" else running_units.INACTIVE

    def stage(self, goal: str) -> Stage:
        return Stage.START if goal == self.on else Stage.STOP

    def running(self, key: str, ctx: Context) -> Optional[str]:
        return running_units.state(key, ctx)

    def doing(self, key: str, state: str) -> str:
        return f"{'start' if state == running_units.ACTIVE else 'stop'} service {key}"

    def bring(self, key: str, state: str, ctx: Context) -> None:
        running_units.bring(key, state, ctx)

    def leave(self, key: str, was: str, after: str, ctx: Context) -> Sequence[str]:
        return running_units.leave(key, was, ctx)

    def settle(self, goals: Mapping[str, str], ctx: Context, *, settle_s: float) -> None:
        started = [unit for unit, goal in goals.items() if goal == self.on]
        running_units.watch(started, ctx, settle_s=settle_s)

    def also_wants(self, applied: Applied, change: Change) -> bool:
        """Return whether ``change`` is of a link that ``applied`` also wants.

        ``Also=`` in another unit makes or removes such links (systemd.unit(5)).
        """
        return _concerns(applied, change) and not self.contradicts(applied, change)

    def contradicts(self, applied: Applied, change: Change) -> bool:
        return _concerns(applied, change) and (
            (change.after is None) != (applied.value == "disabled"))

    def contradiction(self, applied: Applied, plugin: str, by: Wanted, ctx: Context) -> Refused:
        return Refused(
            f"plugin {ctx.plugin} wants to {by.text}, but that switches {applied.key} along"
            f" with it, which plugin {plugin} has {applied.value}",
            hint=f"It is named by Also= in the unit {by.key}. Its vendor has to decide which of"
                 " the two is meant.")


KIND = UnitServices()


def _no_unit(wanted: Wanted, ctx: Context) -> Refused:
    script = next((f"/{path}" for folder in _SYSV for path in [
        f"{folder}/{wanted.key.rpartition('.')[0]}"] if ctx.brings(path) is not None), "")
    if script:
        return Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but its packages have only the SysV"
            f" script {script}, of which systemd makes a unit at boot at the earliest",
            hint="Its vendor has to add a unit that calls the script, see systemd.service(5);"
                 " systemd-sysv-generator(8) is going to be removed.")
    return Refused(
        f"plugin {ctx.plugin} wants to {wanted.text}, but there is no such unit in the"
        " root or in the plugin's packages",
        hint="Its vendor has to correct the name, or add the package that brings it. If a"
             ' scriptlet puts the unit into place, add from="scriptlet".')


def _refuse_static(wanted: Wanted, state: str, ctx: Context) -> None:
    """Refuse to enable a static unit, which systemctl ignores; known once it is installed."""
    if state == _STATIC and wanted.value == "enabled":
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but it has no [Install] section, so"
            " that nothing would start it at boot",
            hint="Its vendor has to add one, or to leave the setting out if another unit"
                 " starts it.")


def _concerns(applied: Applied, change: Change) -> bool:
    return (change.path.startswith(_UNITS + "/")
            and applied.key in (_name(change.path), _target(change.before),
                                _target(change.after)))


def _state(unit: str, ctx: Context) -> str:
    # systemctl(1) fails for all states that are not a form of enabled; for an unknown unit,
    # newer versions print not-found, older ones nothing
    output = ctx.run(["systemctl", f"--root={ctx.root}", "is-enabled", "--", unit],
                     ok=(0, 1, 3, 4))
    return output.strip() or "not-found"


def _refuse_links(root: Path) -> None:
    """Refuse links that lead systemctl, which is not in a chroot, out of the root."""
    folders = list(SEARCH)
    units = resolve_inside(root, _UNITS)
    if units.is_dir():
        folders += [f"{_UNITS}/{name}" for name in sorted(os.listdir(units))
                    if stat.S_ISLNK(os.lstat(units / name).st_mode)
                    and name.endswith((".wants", ".requires", ".upholds", ".d"))]
    for folder in folders:
        if units == root or not leads_inside(root, folder):
            raise Refused(
                f"/{folder} in {root} leads elsewhere by a symbolic link; systemctl would"
                " follow it out of the root", hint="Replace that link by a real folder.")
    if not units.is_dir() and os.path.lexists(resolve_inside(root, _UNITS, follow_last=False)):
        raise Refused(f"/{_UNITS} in {root} is not a folder; systemctl would have to write there",
                      hint="Replace it by a folder.")


def _is_mask(entry: Optional[Entry]) -> bool:
    return _target_path(entry) == "/dev/null"


def _target(entry: Optional[Entry]) -> str:
    return _name(_target_path(entry))


def _target_path(entry: Optional[Entry]) -> str:
    if entry is None or entry.kind != "link" or entry.content is None:
        return ""
    return os.fsdecode(entry.content)


def _name(path: str) -> str:
    return path.rpartition("/")[2]
