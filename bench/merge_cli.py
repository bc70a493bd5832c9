"""The program bench/merge: measure a merge and the same steps with plain tools; print ratios."""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from ovirt_node_plugin.errors import NodePluginError
from ovirt_node_plugin.images.squashfs.squashfs import pack_options, read_superblock
from ovirt_node_plugin.system.run import run
from tests.support import Fixtures, fixtures

from .images import COMPRESSORS, KINDS, images
from .measure import PLAIN, BenchError, Dnf, Pairs, Ratio, Sample, measured

PROGRAM = Path(__file__).resolve().parent.parent / "bin/ovirt-node-plugin"
MERGE, UNCHECKED = "merge", "unchecked"
_GOAL, _PEAK_GOAL_BYTES = 1.15, 1 << 30
_PLUGIN, _INSTALLS = "agent", "opt/acme"
_COPIES = 3
_POLL_S = 0.2


@dataclass
class Row:
    """The measurements on one image.

    ``sides`` are the samples of PLAIN, MERGE and UNCHECKED; samples with the same index were
    taken one after the other. ``together_bytes`` is the peak memory of all processes of a
    merge together.
    """

    name: str
    size_bytes: int
    copies: List[Sample]
    sides: Dict[str, List[Sample]] = field(default_factory=dict)
    together_bytes: int = 0

    def ratio(self, side: str = MERGE,
              value: Callable[[Sample], float] = lambda sample: sample.wall_s) -> Ratio:
        """Return the ratio of a merge to the plain tools, by default of the wall clock time."""
        return Pairs(self.sides[PLAIN], self.sides[side]).ratio(value)

    @property
    def cpu(self) -> Ratio:
        """The ratio of the processor times."""
        return self.ratio(value=lambda sample: sample.cpu_s)

    @property
    def copy_s(self) -> float:
        """The median time of copying the image file, in seconds."""
        return statistics.median(sample.wall_s for sample in self.copies)

    @property
    def largest_bytes(self) -> int:
        """The peak memory of the largest process of any merge."""
        return max(sample.peak_bytes for side in (MERGE, UNCHECKED) for sample in self.sides[side])

    @property
    def met(self) -> bool:
        """Whether both goals are met."""
        return self.ratio().value <= _GOAL and self.together_bytes <= _PEAK_GOAL_BYTES


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the program; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        _say(f"images of {options.size_mb} MB: the first build takes some minutes")
        built = fixtures()
        paths = images(built, options.size_mb)
        rows = []
        for name in options.only or paths:
            with tempfile.TemporaryDirectory(prefix="node-plugin-bench-", dir="/var/tmp") as work:
                rows.append(_measure(name, paths[name], built, Path(work), options.runs))
            _say(_line(rows[-1]))
    except NodePluginError as exc:
        _say(f"bench/merge: {exc}")
        return 2
    _print(rows, options.size_mb)
    if options.json:
        print(json.dumps(_data(rows, options), sort_keys=True))
    return int(options.check and not all(row.met for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/merge", description=(
        "Print the time and memory of a merge, as ratios to unsquashfs, dnf install and"
        " mksquashfs, and to copying the image."))
    parser.add_argument("--size-mb", type=int, default=1000, metavar="N",
                        help="size of the real files in the image, in MB (%(default)s)")
    parser.add_argument("--runs", type=int, default=1, metavar="N",
                        help="runs of each side, in alternating order (%(default)s)")
    parser.add_argument("--only", action="append", metavar="IMAGE",
                        choices=[f"{kind}-{name}" for kind in KINDS for name in COMPRESSORS],
                        help="one of %(choices)s; may be repeated")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--check", action="store_true",
                        help="exit with status 1 if a goal is missed")
    return parser


def _measure(name: str, image: Path, built: Fixtures, work: Path, runs: int) -> Row:
    """Measure one image. In every run the image is in the page cache."""
    bundle = built.bundle(_PLUGIN)
    plain = _PlainTools(image, sorted(bundle.glob("repo/*.rpm")), work)
    merge = _Merge(image, bundle, work)
    copy = work / "copy"
    row = Row(name, image.stat().st_size, [
        measured(["cp", "--reflink=never", str(image), str(copy)]) for _ in range(_COPIES)])
    copy.unlink()
    merge.warm_up()
    commands: Dict[str, Callable[[], Sample]] = {
        PLAIN: plain, MERGE: merge, UNCHECKED: lambda: merge("--no-check")}
    row.sides = {side: [] for side in commands}
    for number in range(runs):
        for side in sorted(commands, key=list(commands).index, reverse=number % 2 == 1):
            with _watched() as watch:
                row.sides[side].append(commands[side]())
            if side != PLAIN:
                row.together_bytes = max(row.together_bytes, watch.peak_bytes)
    return row


class _PlainTools:
    """The same steps with plain tools: unpack, dnf install, and pack with the same options."""

    def __init__(self, image: Path, rpms: Sequence[Path], work: Path) -> None:
        self._image, self._rpms, self._work = image, rpms, work / "plain"
        self._work.mkdir()
        self._dnf = Dnf(self._work)

    def __call__(self) -> Sample:
        tree, output = self._work / "tree", self._work / "output"
        os.sync()  # as in ``measured``; not between the steps, where users do not sync either
        cpu_s, started = _children_s(), time.monotonic()
        run(["unsquashfs", "-no-progress", "-quiet", "-dest", tree, self._image])
        with _root_of(tree) as root:
            run(["env", f"HOME={self._work / 'home'}", *self._dnf.argv(
                PLAIN, root, ["install", "-y", "--nogpgcheck", "--disablerepo=*",
                              *map(str, self._rpms)])])
            if not (root / _INSTALLS).is_dir():
                raise BenchError("an install succeeded but installed nothing",
                                 hint="Run the tests first.")
        run(["mksquashfs", tree, output, "-no-progress",
             *pack_options(read_superblock(self._image))])
        # without memory: getrusage(2) has only the peak of all children so far
        sample = Sample(time.monotonic() - started, _children_s() - cpu_s, 0)
        shutil.rmtree(tree)
        output.unlink()
        return sample


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def _root_of(tree: Path) -> Iterator[Path]:
    """Yield the root in an unpacked squashfs."""
    inner = tree / "LiveOS/rootfs.img"
    if not inner.exists():
        yield tree
        return
    at = tree.with_name("mounted")
    at.mkdir(exist_ok=True)
    run(["mount", "-o", "loop", inner, at])
    try:
        yield at
    finally:
        run(["umount", at])


class _Merge:
    """A merge with the program of this checkout."""

    def __init__(self, image: Path, bundle: Path, work: Path) -> None:
        self._work = work / "merge"
        self._work.mkdir()
        Dnf(self._work)  # writes the configuration of dnf's plugin, and compiles the library
        self._argv = [
            str(PROGRAM), "merge", str(image), str(bundle), "--nogpgcheck",
            f"--setopt=pluginpath={PROGRAM.parent.parent / 'dnf-plugins'}",
            f"--setopt=pluginconfpath={self._work / 'conf'}", f"--work-dir={self._work}"]

    def warm_up(self) -> None:
        """Run a plan once, so that all files are in the page cache before anything is measured."""
        measured([*self._argv, "--dry-run"])

    def __call__(self, *more: str) -> Sample:
        output = self._work / "output"
        sample = measured([*self._argv, "-y", "-o", str(output), *more])
        output.unlink()
        return sample


class _MemoryWatch(threading.Thread):
    """Measures the total memory of all descendants of this process, at short intervals.

    Each process counts its share of a shared page: proc(5), ``smaps_rollup``, Pss.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stopped = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        """See threading.Thread."""
        while not self._stopped.wait(_POLL_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(_pss, _descendants(os.getpid()))))

    def stop(self) -> None:
        """Stop measuring and wait for the thread."""
        self._stopped.set()
        self.join()


def _descendants(number: int) -> List[int]:
    children: Dict[int, List[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process has ended
            # the name, in parentheses, may contain any character; after it: state, parent
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    descendants = list(children.get(number, ()))
    for descendant in descendants:
        descendants += children.get(descendant, ())
    return descendants


def _pss(number: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _watched() -> Iterator[_MemoryWatch]:
    watch = _MemoryWatch()
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def _print(rows: Sequence[Row], size_mb: int) -> None:
    print(f"{size_mb} MB of real files; merge of a plugin of one package.")
    print(f"{'image':<12}{'size':>9}{'plain':>9}{'merge':>9}{'ratio':>7}  {'spread':<11}"
          f"{'no check':>9}{'CPU':>7}{'of cp':>7}{'largest':>10}{'memory':>10}  goals")
    for row in rows:
        print(_line(row))


def _line(row: Row) -> str:
    ratio = row.ratio()
    return (f"{row.name:<12}{row.size_bytes / 1e6:>6.0f} MB{ratio.plain:>7.1f} s"
            f"{ratio.plugin:>7.1f} s{ratio.value:>7.3f}  {ratio.low:.3f}-{ratio.high:.3f}"
            f"{row.ratio(UNCHECKED).value:>9.3f}{row.cpu.value:>7.3f}"
            f"{ratio.plugin / row.copy_s:>7.0f}{row.largest_bytes / (1 << 20):>6.0f} MiB"
            f"{row.together_bytes / (1 << 20):>6.0f} MiB  <= {_GOAL}, 1 GiB"
            f"  {'met' if row.met else 'MISSED'}")


def _data(rows: Sequence[Row], options: argparse.Namespace) -> Dict[str, Any]:
    return {"format": 1, "size_mb": options.size_mb, "runs": options.runs, "goal": _GOAL,
            "peak_goal_bytes": _PEAK_GOAL_BYTES,
            "images": {row.name: _row_data(row) for row in rows}}


def _row_data(row: Row) -> Dict[str, Any]:
    ratio = row.ratio()
    return {"size_bytes": row.size_bytes, "plain_s": ratio.plain, "merge_s": ratio.plugin,
            "ratio": ratio.value, "low": ratio.low, "high": ratio.high,
            "ratio_without_check": row.ratio(UNCHECKED).value, "cpu_ratio": row.cpu.value,
            "copy_s": row.copy_s, "ratio_to_copy": ratio.plugin / row.copy_s,
            "largest_bytes": row.largest_bytes, "peak_bytes": row.together_bytes, "met": row.met}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
