"""The page in one tab of the browser, and what tests ask about it."""
from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, Dict, Iterator, List

from tests.support.dnf_runner import TOP

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Locator
    from playwright.sync_api import Page as Tab

SCREENSHOTS = TOP / "build/screenshots"
# Generous limits: a test must not fail on a machine with much other work.
_LIMIT_MS = 120_000
# The bridge says so if other programs of this machine use all instances of inotify(7).
_NO_MONITOR = "Unable to find default local file monitor type"
_WIDE, _NARROW = (1280, 800), (390, 800)
_AXE = TOP / ".venv/npm/node_modules/axe-core/axe.min.js"
_RUN_AXE = """axe.run(document, {resultTypes: ["violations"]}).then(result =>
    result.violations.flatMap(one => one.nodes.map(
        node => `${one.id}: ${one.help}: ${node.target.join(" ")}: ${node.failureSummary}`)))"""
# What the page shows while it reads from the host.
_BUSY = "[aria-busy='true'], .spinner-box"
# Elements that are wider than the window, and not within an element that scrolls by itself.
_OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    const scrolls = element => element !== null && element !== document.documentElement
        && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
    return [...document.body.querySelectorAll("*")].filter(element =>
        element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement)
        && !scrolls(element))
        .map(element => `${element.tagName}.${element.className}: ${element.textContent}`
             .slice(0, 200));
}"""


class Page:
    """The page in a tab. ``problems`` are the errors of its console so far.

    Scripts and styles that the policy of the page forbids are among those errors.
    """

    def __init__(self, tab: Tab, address: str) -> None:
        self.tab = tab
        self.address = f"{address}/cockpit/@localhost/ovirt-node-plugin/index.html"
        self.problems: List[str] = []
        tab.on("console", self._note)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("response", lambda response: self.problems.append(
            f"{response.status} {response.url}") if response.status >= 400 else None)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and _NO_MONITOR not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def open(self, route: str = "/", *, settled: bool = True) -> None:
        """Load the page with a route such as ``/plugin/NAME``; wait until it has all answers."""
        self.tab.goto(f"{self.address}#{route}")
        self.tab.locator("h1").first.wait_for()
        if settled:
            self.settle()

    def settle(self) -> None:
        """Wait until the page waits for no answer of the host."""
        from playwright.sync_api import expect

        expect(self.tab.locator(_BUSY)).to_have_count(0, timeout=_LIMIT_MS)

    @property
    def text(self) -> str:
        """The text that is visible."""
        return self.tab.locator("body").inner_text()

    def role(self, role: Any, name: str = "", *, exact: bool = False) -> Locator:
        """Return the elements of a role, such as ``button``, whose label contains ``name``."""
        return self.tab.get_by_role(role, name=name or None, exact=exact)

    def wait_for_text(self, text: str) -> None:
        """Wait until a text is visible."""
        self.tab.get_by_text(text).first.wait_for()

    def axe(self) -> List[str]:
        """Return what axe-core finds: the rule, the element and how to correct it."""
        session = self.tab.context.new_cdp_session(self.tab)
        # the policy of the page does not apply to the debugger's own scripts
        session.send("Runtime.evaluate", {"expression": _axe_source()})
        answer = session.send("Runtime.evaluate", {
            "expression": _RUN_AXE, "awaitPromise": True, "returnByValue": True})
        session.detach()
        found: Dict[str, Any] = answer["result"]
        return list(found["value"])

    def overflow(self) -> List[str]:
        """Return the elements that are wider than the window and cannot be scrolled."""
        return list(self.tab.evaluate(_OVERFLOW))

    def screenshot(self, name: str) -> None:
        """Write NAME.png, NAME-dark.png and NAME-narrow.png as build artefacts.

        The layout must fit in each.
        """
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for suffix, (width, height), scheme in (
                ("", _WIDE, "light"), ("-dark", _WIDE, "dark"), ("-narrow", _NARROW, "light")):
            self.tab.set_viewport_size({"width": width, "height": height})
            self.tab.emulate_media(color_scheme="dark" if scheme == "dark" else "light",
                                   reduced_motion="reduce")
            self.tab.screenshot(path=SCREENSHOTS / f"{name}{suffix}.png", animations="disabled")
            assert self.overflow() == [], f"the page is wider than {width} pixels"
        self.tab.set_viewport_size({"width": _WIDE[0], "height": _WIDE[1]})
        self.tab.emulate_media(color_scheme="light")


@functools.lru_cache(maxsize=None)
def _axe_source() -> str:
    return _AXE.read_text(encoding="utf-8")


@contextlib.contextmanager
def page(browser: Browser, address: str, *, locale: str = "en-US") -> Iterator[Page]:
    """Yield a tab of its own for the page of the server at ``address``.

    The test fails at the end if there are problems on the console of the page.
    """
    context = browser.new_context(viewport={"width": _WIDE[0], "height": _WIDE[1]},
                                  locale=locale, timezone_id="UTC", color_scheme="light")
    context.set_default_timeout(_LIMIT_MS)
    try:
        opened = Page(context.new_page(), address)
        yield opened
    finally:
        context.close()
    assert opened.problems == [], opened.problems
