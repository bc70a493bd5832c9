"""Measure runs of dnf with and without the plugin, in alternating order."""
from __future__ import annotations

import compileall
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
    """A measured run failed or had no result."""


@dataclass(frozen=True)
class Sample:
    """The cost of a run: wall clock and processor time in seconds, peak memory in bytes.

    The processor time includes all programs that dnf started. The memory is that of the
    largest of these processes.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Pairs:
    """The samples of both sides; samples with the same index were taken one after the other."""

    plain: List[Sample] = field(default_factory=list)
    plugin: List[Sample] = field(default_factory=list)

    def ratio(self, value: Callable[[Sample], float]) -> "Ratio":
        """Return the ratio of the medians of ``value``, and the ratio of each pair."""
        plain = [value(sample) for sample in self.plain]
        plugin = [value(sample) for sample in self.plugin]
        pairs = sorted(with_plugin / without for with_plugin, without in zip(plugin, plain))
        return Ratio(statistics.median(plain), statistics.median(plugin), pairs)


@dataclass(frozen=True)
class Ratio:
    """The medians of both sides, in the unit of the value, and the sorted ratios of the pairs."""

    plain: float
    plugin: float
    pairs: List[float]

    @property
    def value(self) -> float:
        """The median with the plugin divided by the median without it."""
        return self.plugin / self.plain

    @property
    def low(self) -> float:
        """The lower quartile of the pairs' ratios."""
        return self.pairs[len(self.pairs) // 4]

    @property
    def high(self) -> float:
        """The upper quartile of the pairs' ratios."""
        return self.pairs[-1 - len(self.pairs) // 4]


class Dnf:
    """Starts dnf with or without the plugin, otherwise in the same way.

    Configuration files are written to ``folder``. ``program`` is started instead of dnf-3. The
    plugin is compiled first, as its package contains it.
    Without ``isolated`` the plugin's option isolation is off.
    """

    def __init__(self, folder: Path, *, program: Sequence[str] = ("dnf-3",),
                 isolated: bool = True) -> None:
        compile_library()
        self._folder = folder
        self._program = program
        for name in ("home", "none", "conf", "library"):
            (folder / name).mkdir()
        # Both sides get the path of the root's rpm database, which is rpm's default on EL.
        (folder / "home/.rpmmacros").write_text(f"%_dbpath {NODE_DATABASE}\n")
        (folder / "conf/node-plugin.conf").write_text(
            f"[main]\nlibrary = {folder / 'library'}\n"
            f"core_lists = {TOP / 'etc/ovirt-node-plugin/core.d'}\n"
            f"isolation = {'on' if isolated else 'off'}\n")

    def argv(self, side: str, root: Path, words: Sequence[str]) -> List[str]:
        """Return the argument list of a run on ``root``."""
        plugins = TOP / "dnf-plugins" if side == PLUGIN else self._folder / "none"
        return [*self._program, f"--installroot={root}", f"--setopt=pluginpath={plugins}",
                f"--setopt=pluginconfpath={self._folder / 'conf'}", *words]

    def run(self, side: str, root: Path, words: Sequence[str]) -> Sample:
        """Run dnf and return its cost. Raises BenchError if it fails."""
        return measured(self.argv(side, root, words), HOME=str(self._folder / "home"))


def compile_library() -> None:
    """Compile the library and the plugin of dnf to the places where Python looks for bytecode.

    Otherwise each run would compile them again where the environment says not to write bytecode.
    Raises BenchError if that fails.
    """
    for folder in (TOP / "ovirt_node_plugin", TOP / "dnf-plugins"):
        if not compileall.compile_dir(folder, quiet=1):
            raise BenchError(f"{folder} cannot be compiled", hint="See the errors above.")


def measured(argv: Sequence[str], **variables: str) -> Sample:
    """Run a program, with more ``variables`` in its environment, and return its cost.

    Raises BenchError if it fails.
    """
    os.sync()  # so that files copied earlier are not written to the disk during this run
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


def alternate(runs: int, sample: Callable[[str], Sample]) -> Pairs:
    """Take ``runs`` pairs of samples; the side that begins alternates.

    ``sample`` is called with the side, PLAIN or PLUGIN.
    """
    pairs = Pairs()
    for number in range(runs):
        for side in (PLAIN, PLUGIN) if number % 2 == 0 else (PLUGIN, PLAIN):
            (pairs.plain if side == PLAIN else pairs.plugin).append(sample(side))
    return pairs
