"""Every text of the host is shown as text: never executed, never wider than the window."""
from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.cockpit.conftest import OpenPage
from tests.support.cockpit import Host, Page
from tests.support.cockpit.hostile import EXECUTED, TEXTS, UNIT, answer_with, hostile_answers

pytestmark = [pytest.mark.root]

# Controls of the terminal and of the direction of text, but not line ends and tabs.
CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def expect_only_text(page: Page) -> None:
    """Assert that the hostile text made no element, did nothing and fits in the window."""
    assert page.tab.evaluate(f"() => window.{EXECUTED}") is None
    assert page.tab.locator("#page :is(img, script, iframe, [onerror], [onfocus], [style])"
                            ).count() == 0
    addresses = page.tab.locator("#page [href]").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))")
    assert [one[:40] for one in addresses if re.match("javascript:", one, re.IGNORECASE)] == []
    text = page.tab.evaluate("() => document.getElementById('page').textContent")
    assert CONTROLS.findall(str(text)) == []
    assert len(str(text)) > 10_000  # or the answer is not shown at all
    for width in (1280, 390):
        page.tab.set_viewport_size({"width": width, "height": 800})
        assert page.overflow() == []


@pytest.mark.parametrize("first", range(len(TEXTS)))
def test_hostile_text_in_every_field_of_every_answer_is_only_text(
        cockpit_host: Host, open_page: OpenPage, first: int) -> None:
    """The program dnf is a stand-in: the real one refuses such descriptors and records."""
    answers = hostile_answers(first)
    answer_with(cockpit_host.root, answers)
    page = open_page(cockpit_host)
    expect_only_text(page)
    assert page.role("row").count() > len(answers["list"]["plugins"])
    name = quote(answers["list"]["plugins"][0]["name"], safe="")
    for route in (f"/plugin/{name}", "/available", "/change", f"/change/{UNIT}",
                  "/plan/install?names=plugin"):
        page.open(route)
        expect_only_text(page)
    # a browser could hardly show all notes of a plan at once
    assert page.role("button", "Show 1,000 more").count() == 1
    page.screenshot(f"hostile-text-{first}")


