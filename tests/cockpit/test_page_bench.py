"""The program bench/page runs and prints figures; the test does not depend on them."""
from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.dnf_runner import TOP

pytestmark = [pytest.mark.root]


def test_the_bench_of_the_page_prints_times_and_whether_the_goal_is_met() -> None:
    done = subprocess.run([str(TOP / "bench/page"), "--plugins=3", "--runs=1", "--json"],
                          capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    answer = json.loads(last)
    assert (answer["format"], answer["plugins"], answer["goal_s"]) == (1, 3, 1.0)
    assert all(answer[name][0] > 0 for name in ("usable_s", "search_s", "processor_s"))
    assert answer["met"] == (answer["usable_s"][0] <= 1.0)
    assert any(line.startswith("list --json ") and " ratio " in line for line in table)
