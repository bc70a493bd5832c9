"""Changes that the page starts: they go on without it, and it shows what came of them."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest

from tests.cockpit.conftest import OpenPage
from tests.cockpit.test_available import bundle
from tests.support.cockpit import Host, Page
from tests.support.cockpit.hosts import LIBRARY, REGISTRY
from tests.support.keys import SigningKey, make_key

pytestmark = [pytest.mark.root]

# A package whose scriptlet waits until the test lets it go on.
HELD, GO_ON = "/run/held", "/run/go-on"
WAITING = {"post": f"touch {HELD}; until [ -e {GO_ON} ]; do sleep 0.1; done"}
LIMIT_S = 300
SETTING = '<sysctl name="net.ipv4.ip_local_reserved_ports" value="4711"/>'
SERVICE = '<service name="one.service" state="enabled"/>'
UNIT = "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
COMPLETE = "The change is complete."


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory, module_host: Host) -> SigningKey:
    """The key of a vendor that the host trusts."""
    made = make_key(tmp_path_factory.mktemp("vendor") / "key")
    shared = module_host.shared / made.path.name
    shared.write_bytes(made.path.read_bytes())
    module_host("rpm", "--define=_dbpath /var/lib/rpm", "--import", shared)
    return made


@pytest.fixture
def held(running_host: Host) -> Iterator[None]:
    """Let no scriptlet wait after the test."""
    yield
    release(running_host)
    running_host("rm", "-f", HELD, GO_ON)


def release(host: Host) -> None:
    """Let waiting scriptlets go on. /run of the host is not visible from outside."""
    host("touch", GO_ON)


def is_installed(host: Host, name: str) -> bool:
    return (host.root / REGISTRY / name).is_file()


def start(page: Page, action: str) -> None:
    """Carry out the plan that the page shows."""
    button = page.role("button", action, exact=True)
    button.wait_for(timeout=LIMIT_S * 1000)
    button.dblclick()  # the second click must not start a second change


def wait_for(page: Page, text: str) -> None:
    """Wait for the end of a change."""
    page.tab.get_by_text(text).first.wait_for(timeout=LIMIT_S * 1000)


def planned(page: Page, operation: str, names: str, more: str = "") -> None:
    """Show a plan."""
    page.tab.goto(f"{page.address}#/plan/{operation}?names={names}{more}")
    page.settle()


def test_a_plugin_is_installed_repaired_and_removed(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    running_host.add_to_library(bundle(
        tmp_path, "one", key, settings=[SETTING, SERVICE],
        files={"/usr/bin/one": "1\n", "/usr/lib/systemd/system/one.service": UNIT}), "one")
    page = open_page(running_host, "/available")
    page.role("button", "Install one").click()
    start(page, "Install")
    wait_for(page, COMPLETE)
    assert "Installed plugin one 1.0." in page.text
    assert is_installed(running_host, "one")
    assert len(running_host.plugin("status", "--json").json["changes"]) == 1
    assert page.axe() == []
    page.screenshot("change-done")
    shows_the_present_state_of_a_service(running_host, page)

    (running_host.root / "usr/bin/one").write_text("2\n", encoding="utf-8")
    planned(page, "repair", "one")
    assert "/usr/bin/one" in page.text
    start(page, "Repair")
    wait_for(page, "Repaired plugin one 1.0.")
    assert (running_host.root / "usr/bin/one").read_text(encoding="utf-8") == "1\n"

    running_host("rm", "-r", f"/{LIBRARY}/one")
    running_host.add_to_library(bundle(tmp_path, "one", key, version="1.1"), "one")
    planned(page, "upgrade", "one")
    start(page, "Upgrade")
    wait_for(page, "Upgraded plugin one 1.1.")

    planned(page, "remove", "one")
    start(page, "Remove")
    wait_for(page, "Removed plugin one 1.1.")
    assert "What the removal of one took away" in page.text
    assert not is_installed(running_host, "one")


def shows_the_present_state_of_a_service(host: Host, page: Page) -> None:
    """The page of a plugin shows at once what happens to its service."""
    page.tab.goto(f"{page.address}#/plugin/one")
    row = page.role("region", "Settings").get_by_role("row").filter(has_text="one.service")
    row.get_by_text("active (running), enabled").wait_for()
    for action, state in (("stop", "inactive (dead), enabled"),
                          ("disable", "inactive (dead), disabled"),
                          ("enable", "inactive (dead), enabled"),
                          ("start", "active (running), enabled")):
        host("systemctl", action, "one.service")
        row.get_by_text(state, exact=True).wait_for()


def test_a_change_goes_on_when_the_tab_is_closed(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey, held: None
        ) -> None:
    running_host.add_to_library(bundle(tmp_path, "two", key, scriptlets=WAITING), "two")
    page = open_page(running_host, "/plan/install?names=two")
    start(page, "Install")
    page.role("button", "Stop the change").wait_for()
    page.role("progressbar").first.wait_for()
    page.screenshot("change-running")
    assert page.axe() == []
    page.tab.close()

    page = open_page(running_host)
    page.role("link", "Show the progress").click()
    page.role("button", "Stop the change").wait_for()
    release(running_host)
    wait_for(page, COMPLETE)
    assert is_installed(running_host, "two")


def test_a_change_that_is_stopped_is_undone(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey, held: None
        ) -> None:
    running_host.add_to_library(bundle(tmp_path, "three", key, scriptlets=WAITING), "three")
    page = open_page(running_host, "/plan/install?names=three")
    start(page, "Install")
    stop = page.role("button", "Stop the change")
    stop.click()
    page.role("dialog").get_by_role("button", name="Cancel").click()
    assert stop.is_enabled()
    stop.click()
    page.role("dialog").get_by_role("button", name="Stop the change").click()
    release(running_host)  # rpm ends after the scriptlet that runs
    wait_for(page, "The change was stopped and undone.")
    assert not is_installed(running_host, "three")
    page.screenshot("change-undone")


def test_a_change_that_fails_is_undone_and_its_reason_is_shown(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    running_host.add_to_library(
        bundle(tmp_path, "eight", key, scriptlets={"pre": "exit 1"}), "eight")
    page = open_page(running_host, "/plan/install?names=eight")
    start(page, "Install")
    wait_for(page, "The change failed and was undone.")
    assert "eight-1.0-1.noarch" in page.text
    assert not is_installed(running_host, "eight")
    page.screenshot("change-failed")


def test_a_second_change_waits_for_none_and_says_so(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey, held: None
        ) -> None:
    for name in ("four", "five"):
        running_host.add_to_library(
            bundle(tmp_path, name, key, scriptlets=WAITING if name == "four" else None), name)
    first, second = open_page(running_host, "/plan/install?names=four"), open_page(running_host)
    planned(second, "install", "five")
    start(first, "Install")
    wait_until_held(running_host)
    start(second, "Install")
    second.role("button", "Try again").wait_for()
    assert not is_installed(running_host, "five")
    release(running_host)
    wait_for(first, COMPLETE)


def test_a_plan_that_is_no_longer_true_is_refused_and_shown_anew(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    running_host.add_to_library(bundle(tmp_path, "six", key), "six")
    page = open_page(running_host, "/plan/install?names=six")
    page.wait_for_text("Install six 1.0")
    newer = bundle(tmp_path, "six", key, version="1.1")
    running_host("rm", "-r", f"/{LIBRARY}/six")
    running_host.add_to_library(newer, "six")
    start(page, "Install")
    page.role("button", "Show the new plan").click()
    page.wait_for_text("Install six 1.1")
    assert not is_installed(running_host, "six")


def test_changed_files_are_kept_only_if_the_user_says_so(
        running_host: Host, open_page: OpenPage, tmp_path: Path, key: SigningKey) -> None:
    running_host.add_to_library(bundle(tmp_path, "seven", key, settings=[SETTING]), "seven")
    running_host.plugin("install", "-y", "seven")
    changed = next((running_host.root / "etc/sysctl.d").glob("*ip_local_reserved_ports*"))
    changed.write_text("# by the administrator\n", encoding="utf-8")
    page = open_page(running_host, "/plan/remove?names=seven")
    page.role("button", "Plan the removal and keep these files").click()
    page.wait_for_text("Files that were changed since the installation are kept.")
    page.screenshot("plan-keep-modified")
    start(page, "Remove")
    wait_for(page, COMPLETE)
    assert changed.read_text(encoding="utf-8") == "# by the administrator\n"
    changed.unlink()


def wait_until_held(host: Host) -> None:
    """Wait until a scriptlet waits."""
    until = time.monotonic() + LIMIT_S
    while not host("sh", "-c", f"test ! -e {HELD} || echo held"):
        assert time.monotonic() < until, "no scriptlet waits"
        time.sleep(0.1)
