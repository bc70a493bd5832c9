"""Fixtures of all tests: built images and plugins, roots to change, and runners of programs."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, Optional

import pytest

from ovirt_node_plugin.system.trees import mounts_below
from tests import support
from tests.support import needs, order
from tests.support.default_signals import handle_ignored
from tests.support.dnf_runner import Dnf
from tests.support.full_node import full_node
from tests.support.program import Program

handle_ignored()
_folders: Dict[str, Path] = {}  # by the id of the test that has it


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder of the test's own, which is removed afterwards unless the test failed.

    pytest keeps the folders of three runs, which are some gigabytes each.
    """
    _folders[request.node.nodeid] = tmp_path
    return tmp_path


@pytest.fixture(scope="session")
def built() -> support.Fixtures:
    """The fixtures that tests/support builds, which no test changes."""
    return support.fixtures()


@pytest.fixture
def node(built: support.Fixtures, tmp_path: Path) -> Path:
    """An unpacked Node 4.5.5 image that the test may change."""
    return built.node_root(tmp_path / "node")


@pytest.fixture
def full_root(tmp_path: Path) -> Iterator[Path]:
    """The full Node, to be changed."""
    with full_node().root(tmp_path / "full") as root:
        yield root


@pytest.fixture
def host(built: support.Fixtures, tmp_path: Path) -> Path:
    """The root of a host that the test may change."""
    return built.host_root(tmp_path / "host")


@pytest.fixture
def dnf(tmp_path: Path) -> Dnf:
    """The real dnf with this checkout's plugin."""
    return Dnf(tmp_path / "dnf")


@pytest.fixture
def program(tmp_path: Path, dnf: Dnf) -> Program:
    """The program of this checkout with a work folder of its own."""
    work = tmp_path / "work"
    work.mkdir()
    return Program(work, dnf)


def pytest_configure(config: pytest.Config) -> None:
    """Stop before the first test if Python lacks a library that the tests need."""
    for name in needs.libraries(config.args):
        needs.library(name)


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Put the longest files first, and skip tests that need a package which is missing here.

    tools/check passes the names of those packages, which tools/setup prints, in the
    environment. Debian lacks none.
    """
    items.sort(key=order.rank)  # which keeps the order of those of one rank
    lacking = frozenset(os.environ.get("TESTS_WITHOUT", "").split())
    for item in items if lacking else ():
        for package in sorted(lacking & needs.packages(item)):
            item.add_marker(pytest.mark.skip(reason=f"{package} is not available here"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the folder of a test that failed."""
    if report.failed:
        _folders.pop(report.nodeid, None)


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Remove the folder of a test that passed."""
    folder = _folders.pop(nodeid, None)
    if folder is not None and not mounts_below(folder):
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=True)


def pytest_make_parametrize_id(val: object) -> Optional[str]:
    """Keep long documents out of the ids of tests."""
    if isinstance(val, (str, bytes)) and len(val) > 80:
        return f"{len(val)} {'bytes' if isinstance(val, bytes) else 'characters'}"
    return None
