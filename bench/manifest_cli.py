"""The program bench/manifest: time the manifest of an install, and print its ratio."""
from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.registry import store
from ovirt_node_plugin.system.run import run

from .bench_root import PLUGIN, BenchRoot, cached_bench_root, fresh_root, rpm_of
from .measure import PLUGIN as PLUGIN_SIDE
from .measure import Dnf
from .timed_dnf import MANIFEST, TRANSACTION

_GOAL = 0.10
# The large repository is not enabled here: its size affects neither transaction nor manifest.
_OFFERED = 50


@dataclass(frozen=True)
class Cost:
    """The seconds of the transaction and of the manifest of one install."""

    transaction_s: float
    manifest_s: float

    @property
    def ratio(self) -> float:
        """The time of the manifest divided by that of the transaction."""
        return self.manifest_s / self.transaction_s


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _say(f"root of {options.packages} packages: the first build takes one or two minutes")
        bench_root = cached_bench_root(options.packages, _OFFERED)
        with tempfile.TemporaryDirectory(prefix="node-plugin-bench-") as name:
            costs, installed = _measure(bench_root, Path(name), options.runs)
    except NodePluginError as exc:
        _say(f"bench/manifest: {exc}")
        return 2
    files = len(run([*rpm_of(bench_root.root), "--query", "--all", "--list"]).splitlines())
    ratio = statistics.median(cost.ratio for cost in costs)
    _print(bench_root, files, installed, costs, ratio)
    if options.json:
        print(json.dumps({
            "format": 1, "packages": bench_root.packages, "files": files, "brought": installed,
            "ratio": ratio, "goal": _GOAL, "met": ratio <= _GOAL,
            "runs": [{"transaction_s": cost.transaction_s, "manifest_s": cost.manifest_s}
                     for cost in costs]}, sort_keys=True))
    return int(options.check and ratio > _GOAL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/manifest", description=(
        "Print the time of the manifest of an install, as a ratio to the transaction."))
    parser.add_argument("--packages", type=int, default=1620, metavar="N",
                        help="packages installed in the root (%(default)s, with 60,000 files)")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="installs (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if the goal is missed")
    return parser


def _measure(bench_root: BenchRoot, work: Path, runs: int) -> "tuple[List[Cost], int]":
    """Return the cost of ``runs`` installs, and the number of files that each installs."""
    times = work / "times.json"
    dnf = Dnf(work, program=[sys.executable, "-m", "bench.timed_dnf", str(times)])
    costs: List[Cost] = []
    installed = 0
    for _ in range(runs):
        root = fresh_root(bench_root.root, work / "root")
        dnf.run(PLUGIN_SIDE, root, ["node-plugin", "install", PLUGIN, "-y",
                                    f"--enablerepo={PLUGIN}"])
        spent = json.loads(times.read_text())
        costs.append(Cost(spent[TRANSACTION], spent[MANIFEST]))
        inventory = store.read_inventory(root, PLUGIN)
        installed = len(inventory.files()) if inventory is not None else 0
    return costs, installed


def _print(bench_root: BenchRoot, files: int, installed: int, costs: Sequence[Cost],
           ratio: float) -> None:
    print(f"Root of {bench_root.packages} packages with {files} files; the plugin installs"
          f" {installed}.")
    print(f"{'transaction':>12}{'manifest':>12}{'ratio':>8}  {'spread':<12}  goal")
    ratios = sorted(cost.ratio for cost in costs)
    print(f"{statistics.median(cost.transaction_s for cost in costs):>10.3f} s"
          f"{statistics.median(cost.manifest_s for cost in costs):>10.3f} s{ratio:>8.3f}"
          f"  {ratios[len(ratios) // 4]:.3f}-{ratios[-1 - len(ratios) // 4]:.3f}  "
          f" <= {_GOAL:.2f}  {'met' if ratio <= _GOAL else 'MISSED'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
