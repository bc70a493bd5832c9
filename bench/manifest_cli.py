"""The program bench/manifest: install, read the clocks, compare with the goal, print."""
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

from .measure import PLUGIN as PLUGIN_SIDE
from .measure import Dnf
from .timed import MANIFEST, TRANSACTION
from .world import PLUGIN, World, fresh_root, rpm_of, world

_GOAL = 0.10
# Enabled in no run here: what is offered costs neither the transaction nor the manifest.
_OFFERED = 50


@dataclass(frozen=True)
class Cost:
    """Of one install: seconds of its transaction and of its manifest."""

    transaction_s: float
    manifest_s: float

    @property
    def ratio(self) -> float:
        """The manifest as a part of the transaction."""
        return self.manifest_s / self.transaction_s


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _say(f"root of {options.packages} packages: building it takes a minute or two the"
             " first time")
        place = world(options.packages, _OFFERED)
        with tempfile.TemporaryDirectory(prefix="node-plugin-bench-") as name:
            costs, brought = _measure(place, Path(name), options.runs)
    except NodePluginError as exc:
        _say(f"bench/manifest: {exc}")
        return 2
    files = len(run([*rpm_of(place.root), "--query", "--all", "--list"]).splitlines())
    ratio = statistics.median(cost.ratio for cost in costs)
    _print(place, files, brought, costs, ratio)
    if options.json:
        print(json.dumps({
            "format": 1, "packages": place.packages, "files": files, "brought": brought,
            "ratio": ratio, "goal": _GOAL, "met": ratio <= _GOAL,
            "runs": [{"transaction_s": cost.transaction_s, "manifest_s": cost.manifest_s}
                     for cost in costs]}, sort_keys=True))
    return int(options.check and ratio > _GOAL)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/manifest", description=(
        "Print what the manifest of an install takes, as a part of the transaction."))
    parser.add_argument("--packages", type=int, default=1620, metavar="N",
                        help="packages installed in the root (%(default)s, with 60,000 files)")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="installs (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if the goal is missed")
    return parser


def _measure(place: World, work: Path, runs: int) -> "tuple[List[Cost], int]":
    """Return the cost of so many installs, and how many files each brings."""
    clocks = work / "clocks.json"
    dnf = Dnf(work, program=[sys.executable, "-m", "bench.timed", str(clocks)])
    costs: List[Cost] = []
    brought = 0
    for _ in range(runs):
        root = fresh_root(place.root, work / "root")
        dnf.run(PLUGIN_SIDE, root, ["node-plugin", "install", PLUGIN, "-y",
                                    f"--enablerepo={PLUGIN}"])
        spent = json.loads(clocks.read_text())
        costs.append(Cost(spent[TRANSACTION], spent[MANIFEST]))
        inventory = store.read_inventory(root, PLUGIN)
        brought = len(inventory.files()) if inventory is not None else 0
    return costs, brought


def _print(place: World, files: int, brought: int, costs: Sequence[Cost], ratio: float) -> None:
    print(f"Root of {place.packages} packages with {files} files; the plugin brings {brought}.")
    print(f"{'transaction':>12}{'manifest':>12}{'ratio':>8}  {'spread':<12}  goal")
    ratios = sorted(cost.ratio for cost in costs)
    print(f"{statistics.median(cost.transaction_s for cost in costs):>10.3f} s"
          f"{statistics.median(cost.manifest_s for cost in costs):>10.3f} s{ratio:>8.3f}"
          f"  {ratios[len(ratios) // 4]:.3f}-{ratios[-1 - len(ratios) // 4]:.3f}  "
          f" <= {_GOAL:.2f}  {'met' if ratio <= _GOAL else 'MISSED'}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
