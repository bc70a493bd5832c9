"""Catalogs are changed version by version."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.catalog import document, editing
from ovirt_node_plugin.catalog.digests import digest_of
from ovirt_node_plugin.catalog.editing import NewVersion, Said
from ovirt_node_plugin.catalog.model import SUPPORTED, WITHDRAWN, Catalog
from ovirt_node_plugin.errors import UsageError
from ovirt_node_plugin.plugin.descriptor import Descriptor, parse_descriptor
from ovirt_node_plugin.system.rpm_version import VersionRange

pytestmark = pytest.mark.unit

EMPTY = Catalog("Ours", 0, "2026-11-30T12:00:00Z")
KEY, OTHER = "0" * 40, "1" * 40


def descriptor(version: str, *, vendor: str = "ACME", more: str = "") -> Descriptor:
    return parse_descriptor(
        f'<node-plugin schema-version="1"><name>cim</name><version>{version}</version>'
        f"<vendor>{vendor}</vendor><summary>CIM</summary>{more}"
        '<packages><install name="a"/></packages></node-plugin>'.encode(), origin="x")


def listed(*versions: str) -> Catalog:
    return editing.added(EMPTY, [NewVersion(descriptor(each), (KEY,)) for each in versions], Said())


def test_versions_are_added_the_newest_first() -> None:
    plugin = listed("1.9", "1.10").plugins["cim"]
    assert [each.version for each in plugin.versions] == ["1.10", "1.9"]
    assert {each.status for each in plugin.versions} == {SUPPORTED}
    assert plugin.versions[0].digest == digest_of(descriptor("1.10"))
    assert plugin.fingerprints == (KEY,)


def test_a_version_that_is_added_again_keeps_what_was_said_of_it() -> None:
    catalog = editing.changed(listed("1.0"), ["cim"], Said(note="Slow.", node_from="4.5"))
    new = NewVersion(descriptor("1.0", more="<description>new</description>"), (OTHER,))
    plugin = editing.added(catalog, [new], Said(status="tested")).plugins["cim"]
    (version,) = plugin.versions
    assert (version.status, version.note, version.nodes) == ("tested", "Slow.", VersionRange("4.5"))
    assert version.digest != catalog.plugins["cim"].versions[0].digest
    assert plugin.fingerprints == (KEY, OTHER)


def test_the_plugin_of_another_vendor_is_not_added() -> None:
    with pytest.raises(UsageError, match="lists cim of the vendor ACME, and this one is by Evil"):
        editing.added(listed("1.0"), [NewVersion(descriptor("2.0", vendor="Evil"), ())], Said())


def test_one_version_is_withdrawn() -> None:
    catalog = editing.changed(listed("1.0", "2.0"), ["cim=1.0"],
                              Said(status=WITHDRAWN, note="It loses data."))
    assert [(each.version, each.status) for each in catalog.plugins["cim"].versions] == [
        ("2.0", SUPPORTED), ("1.0", WITHDRAWN)]


def test_a_note_is_removed_by_an_empty_one() -> None:
    catalog = editing.changed(listed("1.0"), ["cim"], Said(note="x"))
    assert editing.changed(catalog, ["cim"], Said(note="")) == listed("1.0")


def test_versions_and_plugins_are_dropped() -> None:
    catalog = listed("1.0", "2.0")
    assert [each.version for each in editing.dropped(catalog, ["cim=1.0"]).plugins["cim"].versions
            ] == ["2.0"]
    assert editing.dropped(catalog, ["cim"]).plugins == {}


@pytest.mark.parametrize("word", ["nothing", "cim=3.0", ""])
def test_what_is_not_listed_cannot_be_changed(word: str) -> None:
    with pytest.raises(UsageError, match="does not list"):
        editing.changed(listed("1.0"), [word], Said(note="x"))


def test_an_empty_range_of_node_versions_is_refused() -> None:
    with pytest.raises(UsageError, match="no version of oVirt Node is >= 4.6 and <= 4.5"):
        editing.changed(listed("1.0"), ["cim"], Said(node_from="4.6", node_until="4.5"))


def test_what_could_not_be_read_again_is_not_written() -> None:
    catalog = editing.changed(listed("1.0"), ["cim"], Said(note="two\nlines"))
    with pytest.raises(UsageError, match="plugins/0: note is not one line"):
        document.check(document.write(catalog))
