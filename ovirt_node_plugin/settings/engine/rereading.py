"""What a running system reads once, and has to read again when it changes."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, FrozenSet, Iterable, Mapping, Sequence

from ...errors import CommandError
from ...system.paths import is_inside_any, real_places
from ...undo import live_log
from ..kit.model import Context
from ..selinux import selinux_store
from ..services import package_units, running_units


@dataclass(frozen=True)
class Reader:
    """A part of the running system that reads ``folders``, relative to the root, once.

    ``doing`` says for people what ``read`` does, which raises CommandError if it fails.
    """

    folders: Sequence[str]
    doing: str
    read: Callable[[Context], None]


def to_read_again(paths: Iterable[str], root: Path) -> FrozenSet[str]:
    """Return the names of the readers that have to read again when ``paths`` change.

    They are absolute, or relative to ``root``, with or without links in them.
    """
    plain = {path.lstrip("/") for path in paths}
    return frozenset(name for name, reader in READERS.items()
                     for places in [real_places(root, reader.folders)]
                     if any(is_inside_any(path, places) for path in plain))


def read_again(names: Iterable[str], ctx: Context) -> None:
    """Reload what was written in the running system; ``names`` are those of ``READERS``."""
    wanted = frozenset(names) if ctx.live else frozenset()
    if wanted:
        live_log.write_again(ctx.root, wanted)
        for name, reader in READERS.items():
            if name in wanted:
                reader.read(ctx)


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


UNITS = "units"
READERS: Mapping[str, Reader] = {
    UNITS: Reader(package_units.FOLDERS, "reload systemd's units", _reload_units),
    "udev": Reader(("etc/udev", "usr/lib/udev", "lib/udev"), "reload udev's rules", _reload_udev),
    "firewall": Reader(("etc/firewalld", "usr/lib/firewalld"), "reload the firewall",
                       _reload_firewall),
    "multipath": Reader(("etc/multipath", "etc/multipath.conf"), "reconfigure multipathd",
                        _reconfigure_multipath),
    "policy": Reader((selinux_store.STORES,), "load the SELinux policy", _load_policy)}
"""The readers in the order in which they read, by the names that the journal has."""
