"""What a running system has read once, and has to read again when it changes."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, FrozenSet, Iterable, List, Mapping, Sequence

from ...errors import CommandError
from ...system.paths import is_inside_any, real_places
from ...undo import live_log
from ..kit.model import Context
from ..selinux import selinux_store
from ..services import running_units

UNITS, _UDEV, _FIREWALL, _MULTIPATH = "units", "udev", "firewall", "multipath"
_POLICY = "policy"
# What the running system has read before; relative to the root, both names of /lib.
FOLDERS: Mapping[str, Sequence[str]] = {
    UNITS: ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"),
    _UDEV: ("etc/udev", "usr/lib/udev", "lib/udev"),
    _FIREWALL: ("etc/firewalld", "usr/lib/firewalld"),
    _MULTIPATH: ("etc/multipath", "etc/multipath.conf"),
    _POLICY: (selinux_store.STORES,),
}
DOING = {UNITS: "reload systemd's units", _UDEV: "reload udev's rules",
          _FIREWALL: "reload the firewall", _MULTIPATH: "reconfigure multipathd",
          _POLICY: "load the SELinux policy"}


def to_read_again(paths: Iterable[str], root: Path) -> FrozenSet[str]:
    """Return the names of what has to be read again when ``paths`` change.

    They are absolute, or relative to ``root``, with or without links in them.
    """
    plain = {path.lstrip("/") for path in paths}
    return frozenset(name for name, folders in FOLDERS.items()
                     for places in [real_places(root, folders)]
                     if any(is_inside_any(path, places) for path in plain))


def read_again(names: Iterable[str], ctx: Context) -> None:
    """Have the running system read what was written; ``names`` as ``to_read_again`` has them."""
    wanted = frozenset(names) if ctx.live else frozenset()
    if wanted:
        live_log.write_again(ctx.root, wanted)
        for name in ordered(wanted):
            read(name, ctx)


def ordered(names: Iterable[str]) -> List[str]:
    """Return names of what is read again in the order for it."""
    wanted = set(names)
    return [name for name in FOLDERS if name in wanted]


def read(name: str, ctx: Context) -> None:
    """Have one thing read again; raises CommandError if that fails."""
    _READERS[name](ctx)


def _reload_firewall(ctx: Context) -> None:
    try:
        ctx.run(["firewall-cmd", "--state"])
    except CommandError:
        return  # it does not run: it will read its configuration when it does
    ctx.run(["firewall-cmd", "--reload"])


def _load_policy(ctx: Context) -> None:
    # selinuxenabled(8) says so by its status: without SELinux nothing can be loaded
    try:
        ctx.run(["selinuxenabled"])
    except CommandError:
        return
    ctx.run(["load_policy"])


def _reload_udev(ctx: Context) -> None:
    if (ctx.root / "run/udev/control").exists():
        ctx.run(["udevadm", "control", "--reload"])


def _reconfigure_multipath(ctx: Context) -> None:
    if running_units.state("multipathd.service", ctx) == running_units.ACTIVE:
        ctx.run(["systemctl", "reload", "--", "multipathd.service"])


def _reload_units(ctx: Context) -> None:
    ctx.run(["systemctl", "daemon-reload"])


_READERS: Mapping[str, Callable[[Context], None]] = {
    UNITS: _reload_units, _UDEV: _reload_udev, _FIREWALL: _reload_firewall,
    _MULTIPATH: _reconfigure_multipath, _POLICY: _load_policy}
