"""The order and the number of the names in a message about missing packages."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.policy.missing_packages import refusal, sorted_by_likeness
from ovirt_node_plugin.target import Target

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("wanted, first", [
    (["vrtsx"], ["VRTSvxfs", "VRTSperl"]),
    (["vrts"], ["VRTSperl", "VRTSvxfs"]),
    (["agent-lib"], ["agent-libs", "agent"]),
    (["agnet"], ["agent", "VRTSperl"]),
    (["none", "zlib2"], ["zlib", "VRTSperl"]),
    (["quite-another"], ["VRTSperl", "VRTSvxfs"]),
])
def test_names_that_are_like_the_wanted_ones_come_first(wanted: list[str],
                                                        first: list[str]) -> None:
    names = ["zlib", "agent", "agent-libs", "VRTSvxfs", "VRTSperl"]
    found = sorted_by_likeness(wanted, names)
    assert (found[:2], sorted(found)) == (first, sorted(names))


def test_many_and_long_names_are_compared_with_little_work() -> None:
    names = [f"{'a' * 200}{number}" for number in range(20_000)]
    assert len(sorted_by_likeness(["a" * 5000] * 500, names)) == 20_000


def test_names_of_a_repository_are_printable_and_limited() -> None:
    target = Target(Path("/mnt/el"), "host", "EL 9", "9", "usr/share/rpm")
    offers = {"acme": [f"acme{number:02}\u202e" for number in range(32)], "none": []}
    error = refusal("plugin acme 1", target, {"lost": "no package has this name"}, offers, hint="")
    assert error.message.splitlines()[:2] == [
        "plugin acme 1 cannot go into EL 9: no repository of this run offers a package of its"
        " <packages>.", "  lost: no package has this name."]
    assert "has acme00\\u202e, acme01\\u202e, " in error.message
    assert error.message.endswith(
        "acme19\\u202e and 12 more.\nThe repository none has no packages.")
