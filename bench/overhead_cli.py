"""The program bench/overhead: measure dnf with and without the plugin, and print the ratios."""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ovirt_node_plugin.errors import NodePluginError

from .bench_root import OFFERED_REPO, PLUGIN, BenchRoot, cached_bench_root, fresh_root
from .measure import PLUGIN as PLUGIN_SIDE
from .measure import BenchError, Dnf, Pairs, Ratio, Sample, alternate

_INSTALL_GOAL, _REPOLIST_GOAL, _MEMORY_GOAL = 1.10, 1.05, 1.10
_MIB = 1024.0 * 1024
# A repolist takes a tenth of the time of an install and varies more, so it is run more often.
_REPOLIST_RUNS = 4


@dataclass(frozen=True)
class Row:
    """A line of the table; ``goal`` is the maximum ratio, None if there is no goal."""

    key: str
    title: str
    unit: str
    goal: Optional[float]
    ratio: Ratio

    @property
    def met(self) -> bool:
        """Whether the ratio is within the goal."""
        return self.goal is None or self.ratio.value <= self.goal


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _say(f"root of {options.packages} packages, repo of {options.offered}: the first build"
             " takes one or two minutes")
        bench_root = cached_bench_root(options.packages, options.offered)
        with tempfile.TemporaryDirectory(prefix="node-plugin-bench-") as name:
            rows = _measure(bench_root, Path(name), options)
    except NodePluginError as exc:
        _say(f"bench/overhead: {exc}")
        return 2
    _print_table(bench_root, rows)
    if options.json:
        print(json.dumps(_data(bench_root, options.runs, rows), sort_keys=True))
    return int(options.check and not all(row.met for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/overhead", description=(
        "Print the time and memory of dnf with the plugin, as ratios to plain dnf on the same"
        " root."))
    parser.add_argument("--packages", type=int, default=900, metavar="N",
                        help="packages installed in the root (%(default)s)")
    parser.add_argument("--offered", type=int, default=5000, metavar="N",
                        help="packages in the enabled repo (%(default)s)")
    parser.add_argument("--runs", type=int, default=7, metavar="N",
                        help="pairs of installs; repolist is run"
                             f" {_REPOLIST_RUNS} times as often (%(default)s)")
    parser.add_argument("--only", choices=("install", "repolist", "isolation"),
                        help="measure only this")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if a goal is missed")
    return parser


def _measure(bench_root: BenchRoot, work: Path, options: argparse.Namespace) -> List[Row]:
    """Measure everything in the folder ``work`` and return the lines of the table."""
    dnf = Dnf(work)
    root = _with_metadata(dnf, bench_root, work / "root")
    rows: List[Row] = []
    if options.only in (None, "install"):
        _say(f"{options.runs} pairs of installs")
        pairs = alternate(options.runs,
                          lambda side: _install(dnf, side, bench_root, root, work / "copy"))
        rows += _rows("install", "install", pairs, _INSTALL_GOAL)
    if options.only in (None, "isolation"):
        _say(f"{options.runs} pairs of installs, with isolation and without it")
        (work / "open").mkdir()
        sides = {PLUGIN_SIDE: dnf, "plain": Dnf(work / "open", isolated=False)}
        pairs = alternate(options.runs, lambda side: _install(
            sides[side], PLUGIN_SIDE, bench_root, root, work / "copy"))
        rows += _rows("isolation", "isolation, with: without", pairs, _INSTALL_GOAL)
    if options.only in (None, "repolist"):
        runs = options.runs * _REPOLIST_RUNS
        _say(f"{runs} pairs of repolist, twice")
        pairs = alternate(runs, lambda side: dnf.run(side, root, ["repolist"]))
        rows += _rows("repolist", "repolist", pairs, _REPOLIST_GOAL)
        dnf.run(PLUGIN_SIDE, root, _words(PLUGIN_SIDE, bench_root))
        pairs = alternate(runs, lambda side: dnf.run(side, root, ["repolist"]))
        rows += _rows("repolist_installed", "repolist, plugin installed", pairs, _REPOLIST_GOAL)
    return rows


def _with_metadata(dnf: Dnf, bench_root: BenchRoot, root: Path) -> Path:
    """Return a copy of the root in which DNF has read both repositories once."""
    fresh_root(bench_root.root, root)
    for side in (PLUGIN_SIDE, "plain"):
        # dnf fails if the answer to its question is no
        words = ["--assumeno" if word == "-y" else word for word in _words(side, bench_root)]
        try:
            dnf.run(side, root, words)
        except BenchError as exc:
            if "Operation aborted" not in str(exc):
                raise
    return root


def _install(dnf: Dnf, side: str, bench_root: BenchRoot, root: Path, copy: Path) -> Sample:
    """Install the plugin, or only its packages, into a fresh copy of ``root``."""
    sample = dnf.run(side, fresh_root(root, copy), _words(side, bench_root))
    recorded = (copy / "etc/ovirt.plugins.d" / PLUGIN).is_file()
    if recorded != (side == PLUGIN_SIDE) or not (copy / "opt/bench/bench-agent").is_dir():
        raise BenchError("an install succeeded but installed nothing",
                         hint="Run the tests first.")
    return sample


def _words(side: str, bench_root: BenchRoot) -> List[str]:
    """Return the arguments of an install; both sides have the same options and packages."""
    words = (["node-plugin", "install", PLUGIN] if side == PLUGIN_SIDE
             else ["install", *bench_root.installs])
    return [*words, "-y", f"--enablerepo={OFFERED_REPO}", f"--enablerepo={PLUGIN}"]


def _rows(key: str, title: str, pairs: Pairs, goal: float) -> List[Row]:
    return [
        Row(key, title, "s", goal, pairs.ratio(lambda sample: sample.wall_s)),
        Row(f"{key}_cpu", f"{title}: processor time", "s", None,
            pairs.ratio(lambda sample: sample.cpu_s)),
        Row(f"{key}_memory", f"{title}: peak memory", "MiB", _MEMORY_GOAL,
            pairs.ratio(lambda sample: sample.peak_bytes / _MIB))]


def _print_table(bench_root: BenchRoot, rows: Sequence[Row]) -> None:
    print(f"Root of {bench_root.packages} packages, enabled repo of {bench_root.offered}.")
    print(f"{'':42}{'plain':>10}{'plugin':>10}{'ratio':>8}  {'spread':<12}  goal")
    for row in rows:
        digits = 3 if row.unit == "s" else 1
        goal = "" if row.goal is None else f"<= {row.goal:.2f}  {'met' if row.met else 'MISSED'}"
        numbers = (f"{row.ratio.plain:>6.{digits}f} {row.unit:<3}"
                   f"{row.ratio.plugin:>6.{digits}f} {row.unit:<3}")
        print(f"{row.title:44}{numbers}{row.ratio.value:>6.3f}"
              f"  {row.ratio.low:.3f}-{row.ratio.high:.3f}   {goal}".rstrip())


def _data(bench_root: BenchRoot, runs: int, rows: Sequence[Row]) -> Dict[str, Any]:
    return {"format": 1, "packages": bench_root.packages, "offered": bench_root.offered,
            "runs": runs, "ratios": {row.key: {
                "plain": row.ratio.plain, "plugin": row.ratio.plugin, "unit": row.unit,
                "ratio": row.ratio.value, "low": row.ratio.low, "high": row.ratio.high,
                "pairs": len(row.ratio.pairs), "goal": row.goal, "met": row.met}
                for row in rows}}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
