"""A system tree booted in a container, and commands in it."""
from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from ovirt_node_plugin.system.run import StrPath, run

from .rpms import FixtureError

_BOOT_S = 300
_RUNS = ("running", "degraded")
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "SIGNALS"
_GROUPS = Path("/sys/fs/cgroup")
# Starts a program in control groups, whose files of processes come first, up to "--".
_IN_GROUPS = ('while [ "$1" != -- ]; do echo $$ >"$1"; shift; done; shift; exec "$@"')


@dataclass(frozen=True)
class Container:
    """A booted container: its tree and its first process."""

    root: Path
    leader: int

    @property
    def prefix(self) -> Tuple[str, ...]:
        """The command prefix that runs a command in the container."""
        return ("nsenter", f"--target={self.leader}", "--all", "--")

    def __call__(self, *argv: StrPath, ok: Sequence[int] = (0,)) -> str:
        """Run a command in the container; return its output without the last newline."""
        return run([*self.prefix, *argv], ok=ok).rstrip("\n")

    def state(self, unit: str) -> str:
        """Return a unit's state in one word."""
        return self("systemctl", "is-active", unit, ok=(0, 3, 4))


@contextlib.contextmanager
def booted(root: Path, *, shared: Sequence[Path]) -> Iterator[Container]:
    """Boot ``root`` with systemd in a private network; yield it when all units run.

    ``shared`` are folders of this machine, mounted at the same paths. ``console`` beside
    the tree contains systemd's output.
    """
    argv = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot",
            "--private-network", "--console=pipe", f"--machine=plugin-{os.getpid()}",
            f"--directory={root}", *(f"--bind={folder}" for folder in shared)]
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with own_groups() as prefix, open(root.parent / "console", "wb") as console:
        outer = subprocess.Popen([*prefix, *argv], stdin=subprocess.DEVNULL, stdout=console,
                                 stderr=subprocess.STDOUT, env=environment)
        leader = 0
        try:
            leader = _leader(outer)
            machine = Container(root, leader)
            _wait_until_up(machine, outer)
            yield machine
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader or outer.pid, _POWER_OFF if leader else signal.SIGTERM)
            try:
                outer.wait(timeout=_BOOT_S)
            except subprocess.TimeoutExpired:
                outer.kill()
                outer.wait()


@contextlib.contextmanager
def own_groups() -> Iterator[Tuple[str, ...]]:
    """Yield the prefix of a command line that runs systemd-nspawn in control groups of its own.

    With --keep-unit it makes the container's groups below those that it is in, where two
    containers at a time would share them. The groups are removed when it has ended.
    """
    name = f"plugin-{os.getpid()}-{time.monotonic_ns()}"  # nspawn uses the same path in each tree
    folders = [folder / name for folder in _groups()]
    for folder in folders:
        folder.mkdir()
    try:
        yield ("sh", "-c", _IN_GROUPS, "sh", *(f"{folder}/cgroup.procs" for folder in folders),
               "--")
    finally:
        for folder in folders:
            below = [path for path in folder.rglob("*") if path.is_dir()]
            for path in (*sorted(below, reverse=True), folder):
                _remove_group(path)


def _remove_group(folder: Path) -> None:
    """Remove a control group; the kernel refuses it while the last process ends."""
    until = time.monotonic() + _BOOT_S
    while True:
        try:
            return folder.rmdir()
        except OSError as exc:
            if exc.errno != errno.EBUSY or time.monotonic() > until:
                raise
        time.sleep(0.05)


def _groups() -> Iterator[Path]:
    """Yield the control groups of this process that systemd uses: cgroups(7)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "name=systemd":
            yield Path(f"{_GROUPS}/systemd{path}")
        elif not controllers:
            # beside groups of version 1, those of version 2 are in a folder
            hybrid = _GROUPS / "unified"
            yield Path(f"{hybrid if hybrid.is_dir() else _GROUPS}{path}")


def _leader(outer: "subprocess.Popen[bytes]") -> int:
    """Wait for the first process of the container and return it."""
    until = time.monotonic() + _BOOT_S
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    while time.monotonic() < until and outer.poll() is None:
        for word in children.read_text().split():
            with contextlib.suppress(FileNotFoundError):
                if Path(f"/proc/{word}/comm").read_text().strip() in ("systemd", "init"):
                    return int(word)
        time.sleep(0.05)
    raise FixtureError("the container has not started", hint="Look at its console.")


def _wait_until_up(machine: Container, outer: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _BOOT_S
    state = ""
    while time.monotonic() < until and outer.poll() is None:
        state = machine("systemctl", "is-system-running", ok=range(256))
        if state in _RUNS:
            return
        time.sleep(0.1)
    raise FixtureError(f"the container is {state or 'not up'}", hint="Look at its console.")
