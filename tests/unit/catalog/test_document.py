"""The file of a catalog: read with limits, written the same each time."""
from __future__ import annotations

import json
from typing import Any, Dict

import pytest

from ovirt_node_plugin.catalog import document
from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.system import limits
from ovirt_node_plugin.system.rpm_version import VersionRange
from tests.support.growth import calls_by_size, is_linear

pytestmark = pytest.mark.unit

PRINT = "0123456789abcdef0123456789abcdef01234567"


def version(**other: object) -> Dict[str, Any]:
    return {"version": "1.0-1", "status": "supported", **other}


def plugin(name: str = "cim", **other: object) -> Dict[str, Any]:
    return {"name": name, "vendor": "ACME", "fingerprints": [PRINT], "versions": [version()],
            **other}


def text(*plugins: object, **other: object) -> bytes:
    return json.dumps({"format": 1, "title": "Ours", "serial": 3, "date": "2026-11-30T12:00:00Z",
                       "plugins": plugins, **other}).encode()


def test_what_is_written_is_read_again() -> None:
    data = text(plugin(versions=[
        version(status="withdrawn", note="It loses data.", node_from="4.5.0", node_until="4.5.9",
                digest="ab" * 32)]), plugin("agent", fingerprints=[]),
        expires="2027-01-01T00:00:00Z")
    catalog = document.parse(data, origin="x")
    assert catalog.plugins["cim"].versions[0].nodes == VersionRange("4.5.0", "4.5.9")
    written = document.write(catalog)
    assert document.parse(written, origin="x") == catalog
    assert written == document.write(document.parse(written, origin="x"))
    assert written.index(b'"agent"') < written.index(b'"cim"')


def test_names_of_a_later_release_are_ignored() -> None:
    data = text(plugin(versions=[version(new=1)], new=2), new=3)
    assert list(document.parse(data, origin="x").plugins) == ["cim"]


BAD = {
    "no JSON": (b"<catalog/>", "Expecting value"),
    "a list": (b"[]", "it is not an object with the format 1"),
    "another format": (text(format=2), "its format is 2, not 1"),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "no title": (text(title="\n"), "title is not one line"),
    "a negative serial": (text(serial=-1), "serial is not a whole number"),
    "a huge serial": (text(serial=1 << 70), "digits"),
    "no date": (text(date="today"), "date is no time such as"),
    "no expiry": (text(expires="2027-13-01T00:00:00Z"), "expires is no time such as"),
    "plugins that are none": (text("cim"), "plugins is not a list of objects"),
    "a name with a path": (text(plugin("../cim")), "'../cim' is not the name of a plugin"),
    "a name twice": (text(plugin(), plugin()), "plugins/1: cim is listed twice"),
    "no vendor": (text({"name": "cim", "versions": [version()]}), "vendor is missing"),
    "control characters": (text(plugin(vendor="\x1b[2J")), "vendor is not one line"),
    "a mark of direction": (text(plugin(vendor="A\u202eB")), "vendor is not one line"),
    "a long vendor": (text(plugin(vendor="x" * 1001)), "vendor is not one line of 1 to 1000"),
    "a short id": (text(plugin(fingerprints=["89abcdef"])), "is not a fingerprint"),
    "no version": (text(plugin(versions=[])), "it has 0 versions, not 1 to"),
    "a version twice": (text(plugin(versions=[version(), version()])), "a version is listed twice"),
    "a strange version": (text(plugin(versions=[version(version="1 2")])), "is not a version"),
    "a strange bound": (text(plugin(versions=[version(node_from="x y")])), "is not a version"),
    "another status": (text(plugin(versions=[version(status="great")])), "is none of supported"),
    "a number as note": (text(plugin(versions=[version(note=1)])), "note is not a text"),
    "a short digest": (text(plugin(versions=[version(digest="ab")])), "is not a SHA-256"),
    "many fingerprints": (text(plugin(fingerprints=[PRINT] * 101)), "more than 100 fingerprints"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_place(case: str) -> None:
    data, reason = BAD[case]
    with pytest.raises(Refused) as caught:
        document.parse(data, origin="the catalog x")
    assert caught.value.message.startswith("the catalog x is no catalog: ")
    assert reason in caught.value.message
    assert caught.value.message.isprintable()


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(Refused, match=f"larger than {limits.CATALOG_BYTES} bytes"):
        document.parse(b" " * (limits.CATALOG_BYTES + 1), origin="x")


def test_too_many_plugins_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "CATALOG_PLUGINS", 2)
    with pytest.raises(Refused, match="more than 2 plugins"):
        document.parse(text(plugin("a"), plugin("b"), plugin("c")), origin="x")


def test_the_work_grows_with_the_number_of_plugins_only() -> None:
    def read(number: int) -> object:
        return document.parse(text(*(plugin(f"p{each}") for each in range(number))), origin="x")
    assert is_linear(calls_by_size(read, (50, 100, 200)))
