"""Units of packages that are installed or removed in the running system."""
from __future__ import annotations

from typing import Iterable, Iterator, Tuple

from ...undo import live_log
from ..kit.model import Context, Reader
from . import running_units
from .services import KIND

FOLDERS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
# Types of unit that run; a scriptlet or the administrator may have started one
_STARTED = (".service", ".socket", ".timer", ".path", ".mount", ".automount", ".slice")


def expect(paths: Iterable[str], ctx: Context) -> None:
    """Record in the journal which of ``paths`` are units that do not exist yet.

    Scriptlets may start them. To be called within the root's journal.
    """
    for path, unit in _units(paths, ctx):
        if "@." not in unit and not (ctx.root / path).exists():
            live_log.write_deed(ctx.root, live_log.Deed(KIND.name, unit, KIND.off))


def running(paths: Iterable[str], ctx: Context) -> Tuple[str, ...]:
    """Return the units among ``paths``, or instances of them, that run."""
    return tuple(name for _, unit in _units(paths, ctx)
                 for name in (running_units.instances(unit, ctx) if "@." in unit else [unit])
                 if running_units.state(name, ctx) == KIND.on)


def stop(paths: Iterable[str], ctx: Context) -> None:
    """Stop the units among ``paths``, which are about to be removed."""
    for unit in running(paths, ctx):
        live_log.write_deed(ctx.root, live_log.Deed(KIND.name, unit, KIND.on))
        running_units.leave(unit, KIND.off, ctx)


def _reload_units(ctx: Context) -> None:
    ctx.run(["systemctl", "daemon-reload"])


READER = Reader("units", FOLDERS, "reload systemd's units", _reload_units)


def _units(paths: Iterable[str], ctx: Context) -> Iterator[Tuple[str, str]]:
    """Yield path and name of each unit that can run; none unless the root is running."""
    for path in sorted(path.lstrip("/") for path in paths) if ctx.live else ():
        folder, _, unit = path.rpartition("/")
        if folder in FOLDERS and unit.endswith(_STARTED):
            yield path, unit
