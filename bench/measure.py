"""Runs of dnf with and without the plugin, in turn, and what they took."""
from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List, Sequence

from ovirt_node_plugin.errors import NodePluginError
from tests.support.dnf_runner import TOP, environment
from tests.support.node_build import NODE_DATABASE

PLAIN, PLUGIN = "plain", "plugin"


class BenchError(NodePluginError):
    """A run that was to be measured did not do what it should."""


@dataclass(frozen=True)
class Sample:
    """What one run took: wall clock and processor time in seconds, peak memory in bytes.

    The processor time is that of dnf and of all programs that it started; the
    memory is that of the largest of these processes.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Pairs:
    """The samples of both sides; those of the same index were taken in turn."""

    plain: List[Sample] = field(default_factory=list)
    plugin: List[Sample] = field(default_factory=list)

    def ratio(self, value: Callable[[Sample], float]) -> "Ratio":
        """Return the ratio of the medians of ``value`` and the spread of the pairs' ratios."""
        plain = [value(sample) for sample in self.plain]
        plugin = [value(sample) for sample in self.plugin]
        pairs = sorted(ours / theirs for ours, theirs in zip(plugin, plain))
        return Ratio(statistics.median(plain), statistics.median(plugin), pairs)


@dataclass(frozen=True)
class Ratio:
    """Medians of both sides, in the unit of the value, and each pair's ratio, sorted."""

    plain: float
    plugin: float
    pairs: List[float]

    @property
    def value(self) -> float:
        """The plugin's median divided by the plain one."""
        return self.plugin / self.plain

    @property
    def low(self) -> float:
        """The ratio that a quarter of the pairs stay below."""
        return self.pairs[len(self.pairs) // 4]

    @property
    def high(self) -> float:
        """The ratio that a quarter of the pairs exceed."""
        return self.pairs[-1 - len(self.pairs) // 4]


class Dnf:
    """Starts dnf with the plugin or without it, all else equal; files go to ``folder``.

    ``program`` is what is started in the place of dnf-3.
    """

    def __init__(self, folder: Path, *, program: Sequence[str] = ("dnf-3",)) -> None:
        self._folder = folder
        self._program = program
        for name in ("home", "none", "conf", "library"):
            (folder / name).mkdir()
        # Both sides are told where the root's rpm database is, as on EL, where rpm looks
        # there by itself.
        (folder / "home/.rpmmacros").write_text(f"%_dbpath {NODE_DATABASE}\n")
        (folder / "conf/node-plugin.conf").write_text(
            f"[main]\nlibrary = {folder / 'library'}\n"
            f"core_lists = {TOP / 'etc/ovirt-node-plugin/core.d'}\n")

    def argv(self, side: str, root: Path, words: Sequence[str]) -> List[str]:
        """Return the argument list of a run on ``root``."""
        plugins = TOP / "dnf-plugins" if side == PLUGIN else self._folder / "none"
        return [*self._program, f"--installroot={root}", f"--setopt=pluginpath={plugins}",
                f"--setopt=pluginconfpath={self._folder / 'conf'}", *words]

    def run(self, side: str, root: Path, words: Sequence[str]) -> Sample:
        """Run dnf and return what it took. Raises BenchError if it fails."""
        return measured(self.argv(side, root, words), HOME=str(self._folder / "home"))


def measured(argv: Sequence[str], **variables: str) -> Sample:
    """Run a program, with more ``variables`` in its environment; return what it took.

    Raises BenchError if it fails.
    """
    os.sync()  # what was copied before is not to be written out in this run's time
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(argv, env={**environment(), **variables}, stdout=output,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise BenchError(
                f"{' '.join(argv)} ended with status {process.returncode}:\n"
                + output.read().decode(errors="replace"), hint="Run the tests first.")
    # getrusage(2): ru_maxrss is in KiB on Linux.
    return Sample(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(runs: int, one: Callable[[str], Sample]) -> Pairs:
    """Take ``runs`` pairs of samples; which side begins alternates."""
    pairs = Pairs()
    for number in range(runs):
        for side in (PLAIN, PLUGIN) if number % 2 == 0 else (PLUGIN, PLAIN):
            (pairs.plain if side == PLAIN else pairs.plugin).append(one(side))
    return pairs
