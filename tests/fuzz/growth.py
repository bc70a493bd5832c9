"""Measure one reader with input of growing size, in a process of its own.

    /usr/bin/python3 -m tests.fuzz.growth READER [--check-time]

Prints a JSON list with an object for each size, the last one READER's largest. With
--check-time, the exit status is 1 if the time grows faster than the size.
"""
from __future__ import annotations

import contextlib
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Union

from tests.fuzz.readers import READERS, Reader

# Twice the size may take this many times as long. Times below a second say nothing.
_MOST_TIMES, _LEAST_S = 3, 1.0

Measurement = Dict[str, Union[int, float, str]]


def measure(reader: Reader, size: int, folder: Path) -> Measurement:
    """Read input with ``size`` items; return the time, the peak of memory, and the error."""
    data, error = reader.grown(size), ""
    _forget_peak()
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        reader.read(data, folder)
    except reader.errors as exc:
        error = str(exc)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {"size": size, "bytes": len(data), "peak_mib": _peak_mib(), "error": error,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def _forget_peak() -> None:
    """Set the peak of memory to what is used now; see proc(5), clear_refs.

    Where /proc is read-only, as in some containers, the peak includes making the input.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def grows_too_fast(measurements: List[Measurement]) -> bool:
    """Return whether the processor time grows faster than the size, which doubles each time."""
    return any(float(after["cpu_s"]) > max(_LEAST_S, _MOST_TIMES * float(before["cpu_s"]))
               for before, after in zip(measurements, measurements[1:]))


def main(name: str, *, check_time: bool) -> int:
    """Measure the reader ``name``; return the exit status."""
    reader = READERS[name]
    measurements: List[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        for share in (8, 4, 2, 1):
            measurements.append(measure(reader, reader.largest // share, Path(folder)))
    json.dump(measurements, sys.stdout, indent=1)
    return int(check_time and grows_too_fast(measurements))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], check_time=sys.argv[2:] == ["--check-time"]))
