"""Which origins are the same vendor's, and what records of older versions tell."""
from __future__ import annotations

import itertools
from typing import List, Tuple

import pytest

from ovirt_node_plugin.registry.origin import Origin
from ovirt_node_plugin.registry.record import keys_of, location_of, source_repo

pytestmark = pytest.mark.unit

K1, K2 = "0123456789abcdef", "fedcba9876543210"
KEYS: Tuple[Tuple[str, ...], ...] = ((), (K1,), (K2,), (K1, K2))


def origins() -> Tuple[Origin, ...]:
    """Return all combinations of two vendors, four sets of keys and two locations."""
    return tuple(Origin(*each) for each in itertools.product(("A", "B"), KEYS, ("/a", "/b")))


@pytest.mark.parametrize("old", origins(), ids=Origin.text)
def test_keys_decide_and_without_keys_vendor_and_location(old: Origin) -> None:
    for new in origins():
        if old.keys:
            same = new.keys != () and all(key in old.keys for key in new.keys)
        else:
            same = new.vendor == old.vendor and new.location == old.location
        assert old.accepts(new) is same, (old, new)


@pytest.mark.parametrize("packages, keys", [
    ([], ()), ([(K1, True)], (K1,)), ([(K2, True), (K1, True), (K2, True)], (K1, K2)),
    ([(K1, False)], ()), ([("", True)], ()), ([(K1, True), ("", False)], ()),
    ([(K1, True), (K2, False)], ())])
def test_there_are_keys_only_if_every_package_is_signed_and_checked(
        packages: List[Tuple[str, bool]], keys: Tuple[str, ...]) -> None:
    assert keys_of(packages) == keys


@pytest.mark.parametrize("source, location, repo_id", [
    ("/media/usb/cim-1.0.tar", "/media/usb", ""), ("repo cim", "repo cim", "cim"),
    ("site.iso:/node-plugins/cim-1.0.tar", "site.iso:/node-plugins", ""), ("", "", "")])
def test_the_source_tells_the_location(source: str, location: str, repo_id: str) -> None:
    assert (location_of(source), source_repo(source)) == (location, repo_id)


def test_an_origin_is_shown_with_vendor_keys_and_location() -> None:
    assert Origin("ACME", (K1,), "/a").text() == f"ACME, signed by {K1}, from /a"
    assert Origin("", (), "https://x/y").text() == (
        "an unnamed vendor, without checked signatures, from https://x/y")
