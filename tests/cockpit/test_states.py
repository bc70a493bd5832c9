"""States of hosts: each is shown as it is, with words that help, and fits in the window."""
from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cockpit.conftest import OpenPage
from tests.support.cockpit import Host, Page
from tests.support.cockpit.hosts import NODE, REGISTRY, read_only
from tests.support.cockpit.records import write_plugin, write_plugins
from tests.support.cockpit.tree import DNF_PLUGIN

pytestmark = [pytest.mark.root]

# Holds the lock that dnf takes to read its databases, until its input ends.
HOLD_LOCK = """
import sys
import dnf
with dnf.lock.build_metadata_lock(dnf.Base().conf.cachedir, True):
    print("held", flush=True)
    sys.stdin.read()
"""


def shown(page: Page, name: str) -> str:
    """Take a screenshot of the page; return its text. It must be accessible."""
    page.settle()
    page.screenshot(name)
    assert page.axe() == []
    return page.text


def test_a_host_without_the_command_names_the_package_to_install(
        cockpit_host: Host, open_page: OpenPage) -> None:
    (cockpit_host.root / DNF_PLUGIN).unlink()
    text = shown(open_page(cockpit_host), "command-missing")
    assert "python3-dnf-plugin-node-plugin" in text


def test_a_host_without_dnf_is_told(cockpit_host: Host, open_page: OpenPage) -> None:
    (cockpit_host.root / "usr/bin/dnf").unlink()
    text = shown(open_page(cockpit_host), "dnf-missing")
    assert "dnf" in text and "No plugin is installed." not in text


def test_a_damaged_record_is_shown_beside_the_others(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first", "second", "third"])
    (cockpit_host.root / REGISTRY / "second").write_text("<plugin-record", encoding="utf-8")
    page = open_page(cockpit_host)
    page.wait_for_text("Broken plugins")
    text = shown(page, "record-damaged")
    assert f"/{REGISTRY}/second" in text
    assert page.role("row", "third").is_visible()


def test_a_root_that_is_read_only_is_shown(cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first"])
    page = open_page(read_only(cockpit_host, but=("var", "tmp")))
    page.role("row", "first").wait_for()
    shown(page, "read-only")


def test_a_host_on_which_dnf_cannot_write_its_log_is_shown_with_its_words(
        cockpit_host: Host, open_page: OpenPage) -> None:
    page = open_page(read_only(cockpit_host, but=("root", "run", "tmp")))
    page.wait_for_text("Read-only file system: '/var/log/dnf.log'")
    shown(page, "read-only-log")


def test_a_booted_node_is_shown_with_the_way_to_change_it_offline(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first"])
    (cockpit_host.root / "run/systemd/system").mkdir(parents=True)
    cockpit_host.set_release(NODE)
    page = open_page(cockpit_host)
    text = shown(page, "booted-node")
    assert page.role("row", "first").is_visible()
    assert "--installroot" in text


def test_a_deployed_image_is_shown_with_the_lines_for_its_containerfile(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first"])
    for folder in ("run/systemd/system", "usr/lib/bootc"):
        (cockpit_host.root / folder).mkdir(parents=True)
    (cockpit_host.root / "run/ostree-booted").touch()
    page = open_page(cockpit_host)
    text = shown(page, "image-mode")
    assert page.role("row", "first").is_visible()
    assert "Containerfile" in text and text.count("RUN dnf") == 1
    page.role("link", "first").click()
    page.role("heading", "first").first.wait_for()
    page.settle()
    for name in ("Repair", "Remove", "Upgrade"):
        assert page.role("button", name).count() == 0


def test_the_words_of_dnf_are_shown_while_another_process_holds_its_lock(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first"])
    with subprocess.Popen(cockpit_host.argv("python3", "-c", HOLD_LOCK), stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        holder.stdout.readline()
        page = open_page(cockpit_host, settled=False)
        page.wait_for_text(f"Waiting for process with pid {holder.pid} to finish.")
        page.screenshot("dnf-locked")
        assert page.axe() == []
        holder.stdin.close()
    page.role("row", "first").wait_for()
    assert "lock of dnf" not in page.text


def test_a_user_without_administrative_access_reads_only(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, ["first"])
    page = open_page(cockpit_host, user="operator")
    text = shown(page, "without-access")
    assert page.role("row", "first").is_visible()
    assert "dministrative access" in text
    page.role("link", "Changes").click()
    page.wait_for_text("Changes that have ended are shown with administrative access only.")


def test_five_hundred_plugins_are_shown(cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugins(cockpit_host.root, [f"plugin-{number:03d}" for number in range(500)])
    page = open_page(cockpit_host, settled=False)
    page.role("row", "plugin-499").wait_for()
    page.role("searchbox").first.fill("plugin-33")
    assert page.role("row", "plugin-33").count() == 10
    assert page.role("row", "plugin-499").count() == 0
    page.screenshot("many-plugins")


def test_a_plugin_of_twenty_thousand_files_makes_few_elements(
        cockpit_host: Host, open_page: OpenPage) -> None:
    write_plugin(cockpit_host.root, "large", files=[
        f"/opt/large/{folder}/{number}.py" for folder in range(20) for number in range(1000)])
    page = open_page(cockpit_host, "/plugin/large")
    page.role("treeitem", "opt/large").first.wait_for()
    page.wait_for_text("20,000 files")
    page.role("searchbox", "Search files").fill("7/999")
    page.wait_for_text("2 files found")
    page.role("button", "/opt/large/17/999.py").wait_for()
    page.role("searchbox", "Search files").fill(".py")
    page.wait_for_text("20,000 files found")
    assert page.tab.locator("*").count() < 3000
    page.screenshot("large-plugin")


def test_a_record_that_appears_and_goes_is_shown_at_once(
        cockpit_host: Host, open_page: OpenPage) -> None:
    page = open_page(cockpit_host)
    assert "No plugin is installed." in page.text
    write_plugin(cockpit_host.root, "fresh")
    page.role("row", "fresh").wait_for()
    shutil.rmtree(cockpit_host.root / REGISTRY)
    page.wait_for_text("No plugin is installed.")


def test_a_name_of_no_plugin_is_told(cockpit_host: Host, open_page: OpenPage) -> None:
    text = shown(open_page(cockpit_host, "/plugin/nothing"), "no-such-plugin")
    assert "nothing" in text


