"""The program bench/caps: measure the VDSM hook that adds plugins to the capabilities."""
from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.registry.record import InstalledPackage, Record
from ovirt_node_plugin.registry.xml import dump_record
from tests.support.vdsm_machine import HOOK, RPMDB, VdsmMachine, installed_nevras

from .bench_root import cached_bench_root
from .measure import BenchError

_RATIO_GOAL, _WALL_GOAL_S = 10.0, 0.1
# Runs in the machine as an ordinary user, and prints the seconds of alternating runs.
_TIMER = """
import json, os, subprocess, sys, time
hook, runs, path = sys.argv[1], int(sys.argv[2]), '/tmp/json'
env = dict(os.environ, _hook_json=path)
def timed(argv):
    with open(path, 'w') as stream:
        stream.write(json.dumps({'key %d' % n: 'text' for n in range(2000)}))
    started = time.perf_counter()
    subprocess.run(argv, env=env, check=True)
    return time.perf_counter() - started
pairs = [(timed(['/usr/bin/python3', '-c', 'pass']), timed([hook])) for _ in range(runs + 1)]
with open(path) as stream:
    print(json.dumps({'pairs': pairs[1:], 'report': json.load(stream)['nodePlugins']}))
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="node-plugin-bench-") as name:
            answer = _measure(Path(name), options)
    except NodePluginError as exc:
        print(f"bench/caps: {exc}", file=sys.stderr)
        return 2
    plain = statistics.median(pair[0] for pair in answer["pairs"])
    hook = statistics.median(pair[1] for pair in answer["pairs"])
    met = hook / plain <= _RATIO_GOAL and hook <= _WALL_GOAL_S
    print(f"{options.plugins} plugins of {options.packages} packages each, "
          f"rpm database of {options.installed}.\n"
          f"python3 -c pass {plain * 1000:6.1f} ms\n"
          f"the hook        {hook * 1000:6.1f} ms  ratio {hook / plain:.1f}  goal <= "
          f"{_RATIO_GOAL:.0f} and {_WALL_GOAL_S * 1000:.0f} ms  {'met' if met else 'MISSED'}")
    if options.json:
        print(json.dumps({"format": 1, "plain_s": plain, "hook_s": hook, "ratio": hook / plain,
                          "goal": _RATIO_GOAL, "goal_s": _WALL_GOAL_S, "met": met}))
    return int(options.check and not met)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/caps", description=(
        "Print the time of the VDSM hook, as a ratio to the start of Python."))
    for name, default, what in (("plugins", 200, "plugins in the registry"),
                                ("packages", 3, "packages of each plugin"),
                                ("installed", 900, "packages in the rpm database"),
                                ("offered", 5000, "packages in the repo, as in bench/overhead"),
                                ("runs", 20, "pairs of runs")):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N",
                            help=f"{what} (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if the goal is missed")
    return parser


def _measure(work: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Return the seconds of each pair of runs, on a machine built in ``work``."""
    machine = VdsmMachine(work / "machine")
    root = Path(cached_bench_root(options.installed, options.offered).root)
    shutil.copytree(root / RPMDB, machine.layer / RPMDB)
    nevras = installed_nevras(root)
    for number in range(options.plugins):
        packages = [nevras[(number * options.packages + index) % len(nevras)]
                    for index in range(options.packages)]
        machine.write_record(f"plugin-{number}", _record(f"plugin-{number}", packages))
    done = subprocess.run(
        machine.argv(["/usr/bin/python3", "-c", _TIMER, f"/{HOOK}", str(options.runs)]),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", check=False)
    if done.returncode:
        raise BenchError(f"the hook failed:\n{done.stderr.decode(errors='replace')}",
                         hint="Run the tests first.")
    answer: Dict[str, Any] = json.loads(done.stdout)
    report = answer["report"]
    if (len(report["plugins"]) != options.plugins or not report["packagesCompared"]
            or any(plugin["state"] != "installed" for plugin in report["plugins"])):
        raise BenchError("the hook succeeded but did not report every plugin",
                         hint="Run the tests first.")
    return answer


def _record(name: str, nevras: List[str]) -> bytes:
    return dump_record(Record(
        name=name, version="1.0", vendor="ACME", summary="A plugin of the benchmark",
        installed_at="2026-11-22T16:40:11Z", tool="bench", mode="offline", source="/srv/x",
        target_kind="node", target_version="4.5.5", repos=(name,), settings=(),
        packages=tuple(InstalledPackage(nevra, f"sha256:{'0' * 64}", "requested", name,
                                        "0123456789abcdef", True) for nevra in nevras)))
