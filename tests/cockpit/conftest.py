"""Fixtures of the tests of the page in Cockpit.

``cockpit_host`` is a host of the test's own without systemd, which costs nothing: for what is
only shown. ``running_host`` is booted once for the tests of a file: for what is changed.
``open_page`` opens the page of a host, as root or as an ordinary user.
"""
from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator

import pytest

from tests.support import cockpit
from tests.support.cockpit.server import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

OpenPage = Callable[..., cockpit.Page]
# tools/matrix collects all tests in chroots that have no browser, and runs none of these
collect_ignore_glob = [] if importlib.util.find_spec("playwright") else ["test_*.py"]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    with cockpit.browser() as started:
        yield started


@pytest.fixture
def cockpit_host(tmp_path: Path) -> Iterator[cockpit.Host]:
    """A host without systemd."""
    with cockpit.host(tmp_path / "host") as host:
        yield host


@pytest.fixture(scope="module")
def module_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cockpit.Host]:
    """A booted host for all tests of a file."""
    with cockpit.booted_host(tmp_path_factory.mktemp("cockpit")) as host:
        yield host


@pytest.fixture
def running_host(module_host: cockpit.Host) -> Iterator[cockpit.Host]:
    """The booted host, from which the plugins of a test are removed after it."""
    yield module_host
    module_host.reset()


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open the page of a host: ``open_page(host, "/plugin/NAME", user="operator")``.

    After the test, every page must have no problem on its console.
    """
    with contextlib.ExitStack() as stack:
        count = 0

        def opened(host: cockpit.Host, route: str = "/", *, user: str = "root",
                   locale: str = "en-US", settled: bool = True) -> cockpit.Page:
            nonlocal count
            count += 1
            address = stack.enter_context(served(host, tmp_path / f"ws{count}", user=user))
            page = stack.enter_context(cockpit.page(chromium, address, locale=locale))
            page.open(route, settled=settled)
            return page

        yield opened
