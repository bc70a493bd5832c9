"""Start, stop and query units of the running system by systemctl(1)."""
from __future__ import annotations

import time
from typing import Dict, Mapping, Sequence, Tuple

from ...errors import Refused
from ...system.differences import PropertyDifference
from ...undo.changes import Applied
from ...undo.live_log import LEFT
from ..kit.model import Context, SettingProblem

ACTIVE, INACTIVE = "active", "inactive"
# Values of ActiveState in org.freedesktop.systemd1(5) for a running or starting unit.
_RUNNING = ("active", "reloading", "activating", "refreshing")
_POLL_S = 0.2


def state(unit: str, ctx: Context) -> str:
    """Return ``active`` or ``inactive``."""
    output = ctx.run(["systemctl", "is-active", "--", unit], ok=(0, 1, 3, 4)).strip()
    return ACTIVE if output in _RUNNING else INACTIVE


def bring(unit: str, wanted: str, ctx: Context) -> None:
    """Start or stop a unit, and wait for it."""
    ctx.run(["systemctl", "start" if wanted == ACTIVE else "stop", "--", unit])


def leave(unit: str, was: str, ctx: Context) -> Sequence[str]:
    """Restore the state of a unit from before, and clear a failure."""
    if state(unit, ctx) != was:
        bring(unit, was, ctx)
    if was == INACTIVE:
        ctx.run(["systemctl", "reset-failed", "--", unit], ok=(0, 1))  # 1: it did not fail
    return ()


def instances(template: str, ctx: Context) -> Sequence[str]:
    """Return the instances of a template that systemd has loaded."""
    output = ctx.run(["systemctl", "list-units", "--plain", "--no-legend", "--full", "--",
                      template.replace("@.", "@*.")])
    return [line.split()[0] for line in output.splitlines() if line.strip()]


def watch(units: Sequence[str], ctx: Context, *, settle_s: float) -> None:
    """Raise Refused if one of the units, just started, fails within ``settle_s``.

    For a service of type ``simple``, systemctl does not wait until its program runs
    (systemd.service(5), "Type=").
    """
    until = time.monotonic() + settle_s
    while units:
        for unit, properties in _properties(units, ctx).items():
            if (properties["ActiveState"] == "failed"
                    or properties["SubState"] == "auto-restart"):
                raise Refused(
                    f"service {unit} was started and failed at once"
                    f" ({properties['Result'] or properties['ActiveState']})",
                    hint=f"journalctl --unit={unit} says more.")
        if time.monotonic() >= until:
            return
        time.sleep(_POLL_S)


def problems(applied: Applied, ctx: Context) -> Tuple[SettingProblem, ...]:
    """Return the problem of a service that failed, or was started and does not run any more."""
    if applied.value != "enabled" or "@." in applied.key:
        return ()
    properties = _properties([applied.key], ctx).get(applied.key)
    if properties is None or properties["ActiveState"] in _RUNNING:
        return ()
    live = (PropertyDifference("live", ACTIVE, properties["ActiveState"]),)
    if properties["ActiveState"] == "failed":
        return (SettingProblem(f"service {applied.key} has failed ({properties['Result']})",
                               differences=live),)
    if applied.outcome.get(LEFT) == ACTIVE and not properties["Job"]:  # at boot: one to start it
        return (SettingProblem(f"service {applied.key} is not running", differences=live),)
    return ()


def _properties(units: Sequence[str], ctx: Context) -> Mapping[str, Mapping[str, str]]:
    names = ("Id", "ActiveState", "SubState", "Result", "Job")
    output = ctx.run(["systemctl", "show", f"--property={','.join(names)}", "--", *units])
    by_unit: Dict[str, Mapping[str, str]] = {}
    # one block a unit, in the order asked for; an alias has another Id
    for unit, block in zip(units, output.strip().split("\n\n")):
        properties = dict.fromkeys(names, "")
        properties.update(line.partition("=")[::2] for line in block.splitlines())
        by_unit[unit] = properties
    return by_unit
