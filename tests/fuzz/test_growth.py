"""The work of every reader grows at most linearly with its input, and its memory is limited.

The work is counted in calls. tools/fuzz measures the time with the largest inputs.
"""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from tests.fuzz.growth import Measurement
from tests.fuzz.readers import READERS
from tests.support.dnf_runner import TOP, environment
from tests.support.growth import calls_by_size, is_linear

_MOST_MIB = 256
# They stop at a limit of bytes without an error, or have none: a part of them is not read. Of the
# last two, errors are collected.
WITHOUT_LIMIT = {"record-repos", "os-release", "os-release-value", "pem", "x509", "loader-entry",
                 "kernel-arguments", "initramfs", "selinux", "removals", "superblock", "archive",
                 "journal", "references", "system-repo-file", "mark", "modules", "module",
                 "checksum-list", "implanted-checksum", "verity", "lint-file", "repo-files"}


def read(name: str, size: int, folder: Path) -> str:
    """Read input of a size; return the error, empty if there is none."""
    reader = READERS[name]
    try:
        reader.read(reader.grown(size), folder)
    except reader.errors as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("name", READERS)
def test_the_calls_of_a_reader_grow_linearly(name: str, tmp_path: Path) -> None:
    inputs = {size: READERS[name].grown(size) for size in (1, 100, 200, 400, 800)}
    errors = READERS[name].errors

    def read_input(size: int) -> None:
        try:
            READERS[name].read(inputs[size], tmp_path)
        except errors:
            pass

    costs = calls_by_size(read_input, (100, 200, 400, 800))
    assert is_linear(costs), costs


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_memory_is_limited_up_to_the_largest_input(name: str) -> None:
    answer = subprocess.run([sys.executable, "-m", "tests.fuzz.growth", name], cwd=TOP, check=True,
                            env=environment(), capture_output=True, text=True)
    measured: List[Measurement] = json.loads(answer.stdout)
    assert max(int(one["peak_mib"]) for one in measured) < _MOST_MIB, measured


@pytest.mark.parametrize("name", sorted({*READERS} - WITHOUT_LIMIT))
def test_the_largest_input_is_refused(name: str, tmp_path: Path) -> None:
    error = read(name, READERS[name].largest, tmp_path)
    assert any(words in error for words in ("at most", "larger than", "more than")), error
