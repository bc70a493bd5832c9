"""Version comparison by the rules of rpm."""
from __future__ import annotations

from typing import Tuple

import pytest

from ovirt_node_plugin.system.rpm_version import VersionRange, compare

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("older", "newer"), [
    ("1.0", "1.1"), ("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0^git1"),
    ("9.9", "1:1.0"), ("1:2.0", "2:1.0"), ("1.0-1", "1.0-2"), ("1.0-1.el9", "1.0-1.el9_1"),
    ("4.5.5", "4.5.6"), ("4.5.5", "4.5.5.1"), ("1.0a", "1.0.1"),
])
def test_an_older_version_sorts_before_a_newer_one(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1


@pytest.mark.parametrize(("first", "second"), [
    ("1.0", "1.0"), ("0:1.0", "1.0"), ("1.0", "1.0-3.el9"), ("1.0-3", "1.0"),
    ("1.00", "1.0"), ("1.0", "1_0"),
])
def test_versions_that_rpm_considers_equal_are_equal(first: str, second: str) -> None:
    assert compare(first, second) == 0


@pytest.mark.parametrize(("versions", "within", "without"), [
    (VersionRange(), ("0", "99"), ()),
    (VersionRange("4.5"), ("4.5", "4.5-3.el9", "1:1"), ("4.4.9", "4.5~rc1")),
    (VersionRange("", "4.6"), ("4", "4.6", "4.6-1"), ("4.6.1", "1:1")),
    (VersionRange("4.5", "4.6"), ("4.5", "4.5.9", "4.6"), ("4.4", "4.7")),
])
def test_a_range_of_versions_includes_both_bounds(versions: VersionRange, within: Tuple[str, ...],
                                                  without: Tuple[str, ...]) -> None:
    assert [version for version in (*within, *without) if version in versions] == list(within)


def test_a_range_of_versions_is_above_older_and_below_newer_versions() -> None:
    versions = VersionRange("2", "3")
    assert [(versions.is_above(version),
             versions.is_below(version)) for version in ("1", "2", "4")] == [
        (True, False), (False, False), (False, True)]
    assert not VersionRange().is_above("1") and not VersionRange().is_below("1")


@pytest.mark.parametrize(("versions", "text"), [
    (VersionRange(), ""), (VersionRange("1"), ">= 1"), (VersionRange("", "2"), "<= 2"),
    (VersionRange("1", "2"), ">= 1 and <= 2"),
])
def test_a_range_of_versions_is_written_by_its_bounds(versions: VersionRange, text: str) -> None:
    assert (str(versions), bool(versions)) == (text, bool(text))


def test_a_range_with_reversed_bounds_is_empty() -> None:
    assert VersionRange("2", "1").is_empty
    assert not any(bounds.is_empty for bounds in (
        VersionRange("1", "1"), VersionRange("1"), VersionRange("", "1"), VersionRange()))
