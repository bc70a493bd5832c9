"""The overview of installed plugins, and what every view has around it."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Iterator

import pytest

from tests.cockpit.conftest import OpenPage
from tests.support import cockpit
from tests.support.cockpit import Host, Page
from tests.support.cockpit.hosts import LIBRARY
from tests.support.custom_plugins import UNSIGNED, make_plugin

pytestmark = [pytest.mark.root]

TOOL = "/opt/acme/storage/tool"
# A page that was loaded again does not have it.
MARK = "window.marked = true"
# Counts the runs of a command that are not finished, and the most of them at once.
COUNT_RUNS = """() => {
    const spawn = cockpit.spawn;
    window.runs = {now: 0, most: 0, all: 0};
    cockpit.spawn = (argv, options) => {
        const process = spawn(argv, options);
        if (argv.includes("list") && !argv.includes("--available")) {
            window.runs.all += 1;
            window.runs.now += 1;
            window.runs.most = Math.max(window.runs.most, window.runs.now);
            process.then(() => { window.runs.now -= 1; }, () => { window.runs.now -= 1; });
        }
        return process;
    };
}"""


def installed(host: Host, name: str = "storage", version: str = "1.0") -> Path:
    """Install a plugin with one file; return its bundle."""
    bundle = make_plugin(host.shared, name, version,
                         files={f"/opt/acme/{name}/tool": f"{name} {version}\n"})
    host.plugin("install", "-y", bundle, UNSIGNED)
    return bundle


@pytest.fixture(scope="module")
def two_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with the plugins storage and backup, which tests leave as they are."""
    with cockpit.host(tmp_path_factory.mktemp("two") / "host") as host:
        installed(host)
        installed(host, "backup", "2.5")
        yield host


def row(page: Page, name: str) -> str:
    """Return the text of a plugin's row, its cells separated by blanks."""
    return " ".join(page.tab.get_by_role("row").filter(
        has=page.tab.get_by_role("rowheader", name=name)).inner_text().split())


def test_the_overview_shows_who_made_a_plugin_and_how_it_is(two_plugins: Host,
                                                            open_page: OpenPage) -> None:
    page = open_page(two_plugins)
    text = row(page, "storage")
    for part in ("storage", "1.0", "Unsigned", "As installed", "20"):
        assert part in text
    assert "2 plugins" in page.text
    assert page.axe() == []
    page.tab.emulate_media(color_scheme="dark")
    assert page.axe() == []
    page.screenshot("overview")


def test_a_broken_plugin_is_above_the_others_with_the_reasons(two_plugins: Host,
                                                              open_page: OpenPage) -> None:
    tool = two_plugins.root / TOOL.lstrip("/")
    before = tool.stat()
    tool.write_text("another text")
    page = open_page(two_plugins)
    section = page.role("region", "Broken plugins")
    assert TOOL in section.inner_text()
    assert section.get_by_role("link", name="storage").is_visible()
    assert "Broken" in row(page, "storage") and "As installed" in row(page, "backup")
    assert "2 plugins · 1 broken" in page.text
    assert page.axe() == []
    page.screenshot("overview-broken")

    tool.write_text("storage 1.0\n")
    os.utime(tool, ns=(before.st_atime_ns, before.st_mtime_ns))
    page.role("button", "Check again").click()
    section.wait_for(state="hidden")


def test_what_others_change_shows_without_a_new_load(cockpit_host: Host,
                                                     open_page: OpenPage) -> None:
    page = open_page(cockpit_host)
    assert "No plugin is installed." in page.text
    page.tab.evaluate(MARK)
    page.tab.evaluate(COUNT_RUNS)
    installed(cockpit_host)
    page.role("rowheader", "storage").wait_for()
    # a stream of events, of which each may be the last
    for number in range(100):
        path = cockpit_host.root / f"etc/ovirt.plugins.d/.{number}"
        path.touch()
        path.unlink()
    cockpit_host.plugin("remove", "-y", "storage")
    page.wait_for_text("No plugin is installed.")
    page.settle()
    assert page.tab.evaluate("window.marked")
    runs = page.tab.evaluate("window.runs")
    assert runs["most"] == 1
    assert runs["all"] < 100


def test_the_keyboard_is_sufficient_to_find_and_open_a_plugin(two_plugins: Host,
                                                              open_page: OpenPage) -> None:
    page = open_page(two_plugins)
    search = page.role("searchbox", "Search plugins")
    for _ in range(10):
        page.tab.keyboard.press("Tab")
        if search.evaluate("element => element === document.activeElement"):
            break
    page.tab.keyboard.type("  STOR ")
    page.wait_for_text("1 of 2 plugins")
    assert not page.role("rowheader", "backup").is_visible()
    page.tab.keyboard.press("Escape")
    page.wait_for_text("2 plugins")
    page.tab.keyboard.type("nfs")
    page.wait_for_text("No plugin matches the search.")
    page.tab.keyboard.press("Escape")
    page.role("link", "storage").focus()
    page.tab.keyboard.press("Enter")
    page.role("heading", "storage").first.wait_for()
    assert page.tab.evaluate("document.activeElement.localName") == "h1"
    page.tab.go_back()
    page.role("heading", "Installed plugins").wait_for()
    assert page.tab.evaluate("document.activeElement.textContent") == "Installed plugins"


def test_a_new_version_in_the_library_is_marked(two_plugins: Host, open_page: OpenPage) -> None:
    two_plugins.add_to_library(make_plugin(two_plugins.shared, "storage", "2.0"), "storage")
    page = open_page(two_plugins)
    assert "2.0 available" in row(page, "storage")
    assert "1 upgrade available" in page.text
    shutil.rmtree(two_plugins.root / LIBRARY)


def test_the_texts_are_those_of_the_language(two_plugins: Host, open_page: OpenPage) -> None:
    page = open_page(two_plugins, locale="de")
    assert page.role("heading", "Installierte Plugins").is_visible()
    assert "Wie installiert" in row(page, "storage")
    assert page.tab.evaluate("document.documentElement.lang") == "de"
    assert page.tab.title() == "Node-Plugins"
    assert page.axe() == []
    page.screenshot("overview-german")


def test_the_style_is_that_chosen_in_cockpit(two_plugins: Host, open_page: OpenPage) -> None:
    page = open_page(two_plugins)

    def wait_for(look: str) -> None:
        page.tab.locator(look).wait_for(state="attached")

    light, dark = "html:not(.dark)", "html.dark"
    wait_for(light)
    page.tab.evaluate("""window.dispatchEvent(
        new CustomEvent("cockpit-style", {detail: {style: "dark"}}))""")
    wait_for(dark)
    page.tab.evaluate("localStorage.setItem('shell:style', 'light')")
    page.tab.emulate_media(color_scheme="dark")
    wait_for(light)
    page.tab.evaluate("localStorage.setItem('shell:style', 'auto')")
    page.tab.evaluate("window.dispatchEvent(new StorageEvent('storage', {key: 'shell:style'}))")
    wait_for(dark)


def test_a_lost_connection_is_told(two_plugins: Host, open_page: OpenPage) -> None:
    page = open_page(two_plugins)
    page.tab.evaluate("() => { cockpit.spawn(['sh', '-c', 'kill $PPID']).catch(() => {}); }")
    page.wait_for_text("The connection to the host was lost.")
    assert page.role("button", "Reload the page").is_visible()
    assert "storage" in row(page, "storage")
    page.problems.clear()  # the browser's about its socket
    page.screenshot("connection-lost")
