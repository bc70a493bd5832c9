"""Fixtures of all tests: the built images and plugins, roots to change, dnf to change them."""
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
    """Everything that tests/support builds; never written to."""
    return support.fixtures()


@pytest.fixture
def node(built: support.Fixtures, tmp_path: Path) -> Path:
    """A Node 4.5.5 image, unpacked, to be changed."""
    return built.node_root(tmp_path / "node")


@pytest.fixture
def host(built: support.Fixtures, tmp_path: Path) -> Path:
    """A host, to be changed."""
    return built.host_root(tmp_path / "host")


@pytest.fixture
def dnf(tmp_path: Path) -> Dnf:
    """The real dnf with this checkout's plugin."""
    return Dnf(tmp_path / "dnf")


@pytest.fixture
def program(tmp_path: Path, dnf: Dnf) -> Program:
    """The program of this checkout, with a work folder of its own."""
    work = tmp_path / "work"
    work.mkdir()
    return Program(work, dnf)


def pytest_configure(config: pytest.Config) -> None:
    """Stop before the first test if Python here does not have a library that tests need."""
    for name in needs.libraries(config.args):
        needs.library(name)


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """Leave out the tests that need a package which this system does not have.

    tools/check has the names of those packages from tools/setup and hands them over in the
    environment. There are none on Debian.
    """
    lacking = frozenset(os.environ.get("TESTS_WITHOUT", "").split())
    for item in items if lacking else ():
        for package in sorted(lacking & needs.packages(item)):
            item.add_marker(pytest.mark.skip(reason=f"{package} is not to be had here"))


def pytest_make_parametrize_id(val: object) -> Optional[str]:
    """Keep whole documents out of the names of tests."""
    if isinstance(val, (str, bytes)) and len(val) > 80:
        return f"{len(val)} {'bytes' if isinstance(val, bytes) else 'characters'}"
    return None
