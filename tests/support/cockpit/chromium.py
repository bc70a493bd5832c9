"""Chromium without a window, driven by playwright."""
from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Iterator

from tests.support.rpms import FixtureError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser")  # Debian, EPEL
# root has no sandbox; the others prevent requests that are not those of the page
_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Yield a browser. It takes some seconds to start, so tests share it."""
    # only here: it is in .venv/, and not in the chroots of tools/matrix, which collect all tests
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        raise FixtureError("there is no program chromium", hint="Run ./tools/setup check.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        try:
            yield started
        finally:
            started.close()
