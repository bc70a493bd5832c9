"""Fixtures of all tests: built images and plugins, roots to change, and runners of programs."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional

import pytest

from tests import support
from tests.support import needs
from tests.support.dnf_runner import Dnf
from tests.support.program import Program


@pytest.fixture(scope="session")
def built() -> support.Fixtures:
    """The fixtures that tests/support builds, which no test changes."""
    return support.fixtures()


@pytest.fixture
def node(built: support.Fixtures, tmp_path: Path) -> Path:
    """An unpacked Node 4.5.5 image that the test may change."""
    return built.node_root(tmp_path / "node")


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
    """Skip tests that need a package which this distribution lacks.

    tools/check passes the names of those packages, which tools/setup prints, in the
    environment. Debian lacks none.
    """
    lacking = frozenset(os.environ.get("TESTS_WITHOUT", "").split())
    for item in items if lacking else ():
        for package in sorted(lacking & needs.packages(item)):
            item.add_marker(pytest.mark.skip(reason=f"{package} is not available here"))


def pytest_make_parametrize_id(val: object) -> Optional[str]:
    """Keep long documents out of the ids of tests."""
    if isinstance(val, (str, bytes)) and len(val) > 80:
        return f"{len(val)} {'bytes' if isinstance(val, bytes) else 'characters'}"
    return None
