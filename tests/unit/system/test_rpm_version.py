"""Versions compared as rpm does."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.system.rpm_version import compare

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("older", "newer"), [
    ("1.0", "1.1"), ("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0^git1"),
    ("9.9", "1:1.0"), ("1:2.0", "2:1.0"), ("1.0-1", "1.0-2"), ("1.0-1.el9", "1.0-1.el9_1"),
    ("4.5.5", "4.5.6"), ("4.5.5", "4.5.5.1"), ("1.0a", "1.0.1"),
])
def test_an_older_version_is_below_a_newer_one(older: str, newer: str) -> None:
    assert compare(older, newer) == -1
    assert compare(newer, older) == 1


@pytest.mark.parametrize(("one", "other"), [
    ("1.0", "1.0"), ("0:1.0", "1.0"), ("1.0", "1.0-3.el9"), ("1.0-3", "1.0"),
    ("1.00", "1.0"), ("1.0", "1_0"),
])
def test_versions_that_rpm_takes_for_one_are_the_same(one: str, other: str) -> None:
    assert compare(one, other) == 0
