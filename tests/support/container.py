"""A system tree booted in a container, and commands in it."""
from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence, Tuple

from ovirt_node_plugin.system.run import StrPath, run

from .rpms import FixtureError

_BOOT_S = 60
_RUNS = ("running", "degraded")
_POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "SIGNALS"


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
    with single_container(), open(root.parent / "console", "wb") as console:
        outer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console,
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
def single_container() -> Iterator[None]:
    """Let one container run at a time: with --keep-unit two would share a control group."""
    with open(Path(tempfile.gettempdir(), "ovirt-node-plugin-machine.lock"), "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


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
