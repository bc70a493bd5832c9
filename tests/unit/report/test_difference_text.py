"""Image differences as text: each kind of difference has its own line."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, List

import pytest

from ovirt_node_plugin.compare.boot import BootDifference
from ovirt_node_plugin.compare.images import (
    FormDifference,
    ImageDifferences,
    PluginDifference,
    SettingDifference,
)
from ovirt_node_plugin.compare.packages import PackageDifference, RootPackage
from ovirt_node_plugin.compare.trees import Difference
from ovirt_node_plugin.report import difference_data, difference_text

pytestmark = pytest.mark.unit

NOTHING = ImageDifferences(Path("/old"), Path("/new"), (), (), (), (), (), (), (), ())
HEAD = ["Old          : /old", "New          : /new"]


def difference_lines(**fields: Any) -> List[str]:
    """Return the lines of a comparison without the two title lines."""
    lines = difference_text.differences(dataclasses.replace(NOTHING, **fields))
    assert lines[:2] == HEAD
    return lines[2:]


def package(evr: str, arch: str = "noarch") -> RootPackage:
    return RootPackage("x", evr, arch, "")


def test_no_difference_is_stated_as_such() -> None:
    assert difference_lines() == ["Differences  : none"]
    assert difference_lines(form=None, files=None, around=None) == ["Differences  : none"]


def test_sizes_are_printed_so_that_they_differ() -> None:
    assert difference_lines(form=(FormDifference("size_bytes", 1 << 30, 3 << 29),
                                  FormDifference("payload_size_bytes", 1 << 30, (1 << 30) + 1),
                                  FormDifference("implanted_checksum", True, False),
                                  FormDifference("volume_id", None, "NODE"),
                                  FormDifference("boot_records", "a\nb", "c"))) == [
        "Form         : 5 changed", "", "Form:", "  ~ size 1.0 GiB -> 1.5 GiB",
        "  ~ payload size 1073741824 B -> 1073741825 B", "  ~ implanted checksum yes -> no",
        "  ~ volume id none -> NODE", "  ~ boot records"]


def test_changed_plugins_and_settings_show_both_values() -> None:
    assert difference_lines(
        plugins=(PluginDifference("a", "changed", "1", "1", ("vendor V -> W",)),
                 PluginDifference("b", "removed", "2", None)),
        settings=(SettingDifference("b", "removed", "service", "x.service", "enabled", None),
                  SettingDifference("c", "changed", "sysctl", "vm.y", "1", "2"))) == [
        "Plugins      : 1 removed, 1 changed", "Settings     : 1 removed, 1 changed", "",
        "Plugins:", "  ~ a 1, vendor V -> W", "  - b 2", "", "Settings of plugins:",
        "  - b: service x.service enabled", "  ~ c: sysctl vm.y 1 -> 2"]


def test_packages_are_shown_as_added_removed_or_changed() -> None:
    assert difference_lines(packages=(
        PackageDifference("changed", package("1-1"), package("1-1")),
        PackageDifference("changed", package("1-1"), package("1:0-1"), ("p", "q")),
        PackageDifference("changed", package("1-1"), package("1-1", "x86_64")),
        PackageDifference("added", None, package("2-1", "")))) == [
        "Packages     : 1 added, 3 changed", "", "Packages:", "  ~ x-1-1.noarch, rebuilt",
        "  ~ x.noarch 1-1 -> 1:0-1 (p, q)", "  ~ x-1-1.noarch -> x-1-1.x86_64", "  + x-2-1"]


def test_boot_entries_with_the_same_change_share_a_line() -> None:
    assert difference_lines(boot=(
        BootDifference("/a.cfg", "One", "changed", ("q=1",), ("r",)),
        BootDifference("/a.cfg", "Two", "changed", (), ()),
        BootDifference("/a.cfg", "Three", "changed", ("q=1",), ("r",)),
        BootDifference("/b.cfg", "", "removed", (), ("quiet", "rhgb")),
        BootDifference("/b.cfg", "One\x1b", "changed", ("q=1",), ("r",)))) == [
        "Boot         : 1 removed, 4 changed", "", "Boot entries:",
        "  ~ +q=1 -r", "      /a.cfg: One, Three", "      /b.cfg: One\\x1b",
        "  ~ the same arguments, in another order", "      /a.cfg: Two",
        "  - quiet rhgb", "      /b.cfg: no title"]


def test_changes_of_files_are_counted_by_kind() -> None:
    assert difference_lines(files=(
        Difference(".", "changed", ("mode 0755 -> 0700",)),
        Difference("etc/a", "changed", ("mode 0644 -> 0600", "size 1 -> 2", "xattr user.x a -> b")),
        Difference("etc/b", "changed", ("content", "xattr user.x a -> b", "xattr user.y a -> b")),
        Difference("etc/c", "added")), around=(Difference("/boot/x", "removed"),)) == [
        "Files        : 1 added, 3 changed (content 2, mode 2, user.x 2, user.y 1)",
        "Around       : 1 removed", "", "Files of the root:", "  + /etc/c",
        "  ~ /: mode 0755 -> 0700", "  ~ /etc/a: mode 0644 -> 0600, size 1 -> 2, xattr user.x"
        " a -> b", "  ~ /etc/b: content, xattr user.x a -> b, xattr user.y a -> b", "",
        "Files around the root:", "  - /boot/x"]


def test_many_files_are_grouped_by_folder() -> None:
    files = tuple(Difference(f"usr/bin/{n}", "changed", ("content",)) for n in range(99))
    single = Difference("etc/x", "changed", ("owner 0:0 -> 0:1",))
    assert difference_lines(files=(*files, single)) == [
        "Files        : 100 changed (content 99, owner 1)", "",
        "Files of the root, some grouped by folder (--json lists each):",
        "  ~ /etc/x: owner 0:0 -> 0:1", "  ~ /usr/bin/: 99 entries"]


def test_notes_come_last_and_count_as_differences() -> None:
    assert difference_lines(notes=("record \x07",)) == ["Note: record \\x07"]


def test_data_has_absolute_paths() -> None:
    data = difference_data.differences(dataclasses.replace(
        NOTHING, files=(Difference(".", "changed", ("mode 0755 -> 0700",)),
                        Difference("etc/\udcff", "added")), around=None))
    assert data["files"] == [
        {"path": "/", "kind": "changed", "details": ["mode 0755 -> 0700"]},
        {"path": "/etc/\udcff", "kind": "added", "details": []}]
    assert (data["around"], data["form"], data["same"]) == (None, [], False)
