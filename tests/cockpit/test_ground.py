"""What the other tests of the page stand on: hosts, users and the browser."""
from __future__ import annotations

import pytest

from tests.cockpit.conftest import OpenPage
from tests.support.cockpit import Host, Page

pytestmark = [pytest.mark.root]

# As the page runs it: what a program prints, or the problem by Cockpit's word.
SPAWN = """([words, superuser]) => new Promise(resolve => cockpit.spawn(words, {superuser}).then(
    output => resolve(output.trim()), failure => resolve(failure.problem)))"""


def spawned(page: Page, *words: str, superuser: str = "try") -> str:
    return str(page.tab.evaluate(SPAWN, [list(words), superuser]))


def test_the_page_is_shown_to_root_without_problems(cockpit_host: Host, open_page: OpenPage
                                                    ) -> None:
    page = open_page(cockpit_host)
    assert page.role("heading", "Installed plugins").is_visible()
    assert "No plugin is installed." in page.text
    assert page.axe() == []
    assert spawned(page, "id", "-u", superuser="require") == "0"
    assert spawned(page, "systemctl", "is-system-running") != "running"
    page.screenshot("empty-host")


def test_an_ordinary_user_gets_no_administrative_access(cockpit_host: Host, open_page: OpenPage
                                                        ) -> None:
    page = open_page(cockpit_host, user="operator")
    assert spawned(page, "id", "-u") == "1000"
    assert spawned(page, "id", "-u", superuser="require") == "access-denied"
    assert "No plugin is installed." in page.text


def test_the_page_of_a_booted_host_runs_commands_there(running_host: Host, open_page: OpenPage
                                                       ) -> None:
    page = open_page(running_host)
    assert spawned(page, "systemctl", "is-system-running") in ("running", "degraded")
    assert spawned(page, "dnf", "node-plugin", "list") == "No plugins."


def test_scripts_and_styles_in_the_text_of_the_page_are_problems(cockpit_host: Host,
                                                                 open_page: OpenPage) -> None:
    page = open_page(cockpit_host)
    page.tab.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.executed = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<p style='color: red'>styled</p>");
    }""")
    assert page.tab.evaluate("() => window.executed") is None
    assert len(page.problems) == 2
    assert all("Content Security Policy" in problem for problem in page.problems)
    page.problems.clear()
