"""Units of the system that runs: started, stopped and looked at by systemctl(1)."""
from __future__ import annotations

import time
from typing import Dict, Mapping, Sequence, Tuple

from ...errors import Refused
from ...undo.changes import Applied
from ...undo.live_log import LEFT
from ..kit.model import Context

ACTIVE, INACTIVE = "active", "inactive"
# org.freedesktop.systemd1(5), ActiveState: what counts as running, or about to.
_RUNNING = ("active", "reloading", "activating", "refreshing")
_POLL_S = 0.2


def state(unit: str, ctx: Context) -> str:
    """Return ``active`` or ``inactive``."""
    said = ctx.run(["systemctl", "is-active", "--", unit], ok=(0, 1, 3, 4)).strip()
    return ACTIVE if said in _RUNNING else INACTIVE


def bring(unit: str, wanted: str, ctx: Context) -> None:
    """Start or stop a unit, and wait for the end of that."""
    ctx.run(["systemctl", "start" if wanted == ACTIVE else "stop", "--", unit])


def leave(unit: str, was: str, ctx: Context) -> Sequence[str]:
    """Bring a unit back into the state before, and forget that it failed."""
    if state(unit, ctx) != was:
        bring(unit, was, ctx)
    if was == INACTIVE:
        ctx.run(["systemctl", "reset-failed", "--", unit], ok=(0, 1))  # 1: it did not fail
    return ()


def instances(template: str, ctx: Context) -> Sequence[str]:
    """Return the instances of a template that systemd has loaded."""
    said = ctx.run(["systemctl", "list-units", "--plain", "--no-legend", "--full", "--",
                    template.replace("@.", "@*.")])
    return [line.split()[0] for line in said.splitlines() if line.strip()]


def watch(units: Sequence[str], ctx: Context, *, settle_s: float) -> None:
    """Raise Refused if one of the units, just started, fails within ``settle_s``.

    For a service of type ``simple``, systemctl does not wait until its program runs
    (systemd.service(5), "Type=").
    """
    until = time.monotonic() + settle_s
    while units:
        for unit, found in _properties(units, ctx).items():
            if found["ActiveState"] == "failed" or found["SubState"] == "auto-restart":
                raise Refused(
                    f"service {unit} was started and failed at once"
                    f" ({found['Result'] or found['ActiveState']})",
                    hint=f"journalctl --unit={unit} says more.")
        if time.monotonic() >= until:
            return
        time.sleep(_POLL_S)


def problems(applied: Applied, ctx: Context) -> Tuple[str, ...]:
    """Return a line for a service that failed, or that was started and runs no longer."""
    if applied.value != "enabled" or "@." in applied.key:
        return ()
    found = _properties([applied.key], ctx).get(applied.key)
    if found is None or found["ActiveState"] in _RUNNING:
        return ()
    if found["ActiveState"] == "failed":
        return (f"service {applied.key} has failed ({found['Result']})",)
    if f"{LEFT}={ACTIVE}" in applied.outcome.split():
        return (f"service {applied.key} is not running",)
    return ()


def _properties(units: Sequence[str], ctx: Context) -> Mapping[str, Mapping[str, str]]:
    names = ("Id", "ActiveState", "SubState", "Result")
    said = ctx.run(["systemctl", "show", f"--property={','.join(names)}", "--", *units])
    found: Dict[str, Mapping[str, str]] = {}
    # one block a unit, in the order asked for; an alias has another Id
    for unit, block in zip(units, said.strip().split("\n\n")):
        known = dict.fromkeys(names, "")
        known.update(line.partition("=")[::2] for line in block.splitlines())
        found[unit] = known
    return found
