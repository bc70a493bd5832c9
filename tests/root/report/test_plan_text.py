"""Plans, results, lists and checks as text for a terminal."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.operations.model.results import (
    INSTALL,
    KEEP,
    OFF,
    ON,
    REMOVE,
    UPGRADE,
    Check,
    FolderCount,
    Plan,
    PlannedSetting,
    PluginAction,
    PluginInfo,
    PluginState,
    Share,
    Signature,
    Space,
)
from ovirt_node_plugin.packages.repos import RepoState
from ovirt_node_plugin.packages.session import PackageChange
from ovirt_node_plugin.report import plan_text
from ovirt_node_plugin.target import NODE, Target

NODE_ROOT = Target(Path("/mnt/node"), NODE, "oVirt Node 4.5.5", "4.5.5", "usr/share/rpm")


def action(kind: str, **values: object) -> PluginAction:
    fields = {"version": "1.0", "old_version": "", "vendor": "Vendor", "summary": "",
              "source": "", **values}
    return PluginAction(kind, "foo", **fields)  # type: ignore[arg-type]


def setting(action: str, text: str = "enable service x.service") -> PlannedSetting:
    return PlannedSetting(action, "service", "x.service", "enabled", text)


def plan(*plugins: PluginAction, table: str = "") -> Plan:
    return Plan("install", NODE_ROOT, plugins, (), table)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")


def test_a_plan_shows_packages_and_then_settings() -> None:
    lines = plan_text.plan(plan(action(INSTALL, settings=(setting(ON),),
                                  notes=("mind the gap",)), table="TABLE\n"))
    assert lines == ["TABLE", "", "Plugins for oVirt Node 4.5.5 in /mnt/node:",
                     " Installing foo 1.0 (Vendor)", "   enable service x.service",
                     "   no package changes", "   note: mind the gap"]


def test_a_plan_of_an_upgrade_shows_both_versions_and_undone_settings() -> None:
    lines = plan_text.plan(plan(action(UPGRADE, version="2.0", old_version="1.0",
                                  settings=(setting(ON, "enable y"), setting(OFF, "undo x")))))
    assert lines[2:5] == [" Upgrading foo 1.0 -> 2.0 (Vendor)", "   undo x", "   enable y"]


def test_a_plan_shows_files_by_folder_and_shared_packages() -> None:
    counts = tuple(FolderCount(f"/usr/{name}", 8 - number) for number, name in
                   enumerate("abcdefgh"))
    lines = plan_text.plan(plan(action(INSTALL, files=counts, shares=(
        Share("package", "lib-1-1.noarch", ("bar", "baz")),))))
    assert ("   36 files: 8 in /usr/a, 7 in /usr/b, 6 in /usr/c, 5 in /usr/d, 4 in /usr/e,"
            " 3 in /usr/f, 3 elsewhere") in lines
    assert "   shares package lib-1-1.noarch with bar, baz" in lines


def test_a_plan_shows_signers_and_disk_space() -> None:
    change = PackageChange("install", "x", "x-1-1.noarch", "r", 1, 1, "", True)
    lines = plan_text.plan(Plan(
        "install", NODE_ROOT, (action(INSTALL),), (change,), "", (), (
            Signature("", "", ("y-1-1.noarch",), checked=False),
            Signature("0123456789abcdef", "ACME <a@example.com>", ("x-1-1.noarch",),
                      checked=False)),
        Space(3 << 20, 1 << 20, 5 << 30)))
    assert lines[-3:] == [
        "Not signed: y-1-1.noarch",
        "Signed by ACME <a@example.com> (0123456789abcdef), but not checked: x-1-1.noarch",
        "Disk space in /mnt/node: 2.0 MiB needed, 5.0 GiB free."]


def test_a_plan_without_changes_says_nothing_to_do() -> None:
    assert plan_text.plan(plan(action(KEEP))) == [
        "Plugin foo 1.0 is already installed.", "Nothing to do."]


def test_the_result_has_one_line_for_each_plugin() -> None:
    lines = plan_text.done(plan(action(INSTALL), action(KEEP),
                          action(REMOVE, version="", old_version="0.9")))
    assert lines == ["Installed plugin foo 1.0.", "Removed plugin foo 0.9."]


def test_a_list_fits_the_terminal_and_keeps_the_end_of_a_path() -> None:
    states = [PluginState("a", "1.0", "", "", "installed", "/a/very/long/path/to/the/bundle-1.0"),
              PluginState("plugin", "10.0", "", "", "installed", "/b")]
    assert plan_text.listing(states) == [
        "Installed Plugins",
        "a       1.0   .../path/to/the/bundle-1.0",
        "plugin  10.0  /b"]


def test_long_names_are_shortened_to_fit_the_terminal() -> None:
    lines = plan_text.repos([RepoState("a" * 60, "", "b" * 60, True, "named in this run"),
                        RepoState("base", "", "", False, "as configured")])
    assert max(map(len, lines)) <= 40
    assert lines[0].split() == ["repo", "id", "state", "plugin", "reason"]
    assert lines[1].startswith("aaa") and "..." in lines[1]


def test_a_list_ends_with_the_reasons_of_broken_plugins() -> None:
    state = PluginState("foo", "1.0", "", "", "broken", "/x", ("package x is gone",))
    assert plan_text.listing([state])[-1] == "foo is broken: package x is gone"


def test_info_wraps_text_and_omits_empty_fields() -> None:
    state = PluginState("foo", "1.0", "Vendor", "A summary", "available", "/x")
    description = "Some words that need more space than one line.\n\nEnd."
    info = PluginInfo(state, description, "", "", (), ("one", "two"), (), ())
    lines = plan_text.infos([info])
    assert lines == [
        "Name         : foo", "Version      : 1.0", "Vendor       : Vendor",
        "State        : available", "Source       : /x", "Summary      : A summary",
        "Packages     : one", "             : two",
        "Description  : Some words that need more", "             : space than one line.",
        "             :", "             : End."]


def test_checks_have_one_line_for_each_problem() -> None:
    assert plan_text.checks([Check("a", "1", ()), Check("b", "2", ("x", "y"))]) == [
        "a 1: ok", "b 2: x", "b 2: y"]
    assert plan_text.checks([]) == ["No plugins are installed."]
