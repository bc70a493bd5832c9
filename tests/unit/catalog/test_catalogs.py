"""What the catalogs of a site say of a plugin, and which catalogs are accepted."""
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Container, List, Sequence

import pytest

from ovirt_node_plugin.catalog import catalogs as module
from ovirt_node_plugin.catalog import document
from ovirt_node_plugin.catalog.catalogs import Catalogs, OpenedCatalog, accepted, digest_seen
from ovirt_node_plugin.catalog.digests import digest_of
from ovirt_node_plugin.catalog.model import (
    DEPRECATED,
    SUPPORTED,
    UNLISTED,
    WITHDRAWN,
    Catalog,
    CatalogPlugin,
    CatalogVersion,
)
from ovirt_node_plugin.catalog.places import AcceptedCatalog, CatalogPlace, places_of
from ovirt_node_plugin.config import Config
from ovirt_node_plugin.errors import NodePluginError, Refused, UsageError
from ovirt_node_plugin.operations import catalog_copies
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.system.run import Polled, StrPath
from ovirt_node_plugin.system.signatures import Signer

pytestmark = pytest.mark.unit

URL = "https://example.com/catalog.json"
SIGNER = "a" * 40
DESCRIPTOR = parse_descriptor(
    b'<node-plugin schema-version="1"><name>cim</name><version>1.0</version><vendor>ACME</vendor>'
    b"<summary>CIM</summary><packages><install name=\"a\"/></packages></node-plugin>", origin="x")


def run(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
        polled: Polled = None) -> str:
    raise AssertionError(argv)


@pytest.fixture(autouse=True)
def _signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accept every signature; tests/root/catalog has real ones."""
    monkeypatch.setattr(module, "verify_detached",
                        lambda signature, data, keys, *, run: Signer(SIGNER))


def catalog(*versions: CatalogVersion, serial: int = 1, title: str = "Ours",
            vendor: str = "ACME", expires: str = "") -> Catalog:
    plugins = {"cim": CatalogPlugin(name="cim", vendor=vendor, versions=versions,
                                    fingerprints=("0" * 40,))} if versions else {}
    return Catalog(title, serial, "2026-11-30T12:00:00Z", expires=expires, plugins=plugins)


def opened(*found: Catalog) -> Catalogs:
    return Catalogs(tuple(OpenedCatalog(CatalogPlace(f"/{each.title}", Path("/key")), catalog=each)
                          for each in found))


def status(catalogs: Catalogs, version: str = "1.0", vendor: str = "ACME") -> str:
    listing = catalogs.listing("cim", version, vendor)
    assert listing is not None
    return listing.status


def test_without_catalogs_nothing_is_said() -> None:
    assert Catalogs().listing("cim", "1.0", "ACME") is None
    assert Catalogs().listing_of(DESCRIPTOR) is None


def test_the_first_catalog_that_lists_a_version_decides() -> None:
    ours = catalog(CatalogVersion("1.0", SUPPORTED))
    theirs = catalog(CatalogVersion("1.0", WITHDRAWN), CatalogVersion("2.0", DEPRECATED),
                     title="Theirs")
    assert status(opened(ours, theirs)) == SUPPORTED
    assert status(opened(theirs, ours)) == WITHDRAWN
    assert status(opened(ours, theirs), "2.0") == DEPRECATED
    assert status(opened(ours, theirs), "3.0") == UNLISTED


def test_another_vendor_is_unlisted_but_what_is_withdrawn_stays_so() -> None:
    found = opened(catalog(CatalogVersion("1.0", SUPPORTED), CatalogVersion("2.0", WITHDRAWN)))
    listing = found.listing("cim", "1.0", "Evil")
    assert listing is not None
    assert (listing.status, listing.note) == (UNLISTED, "Ours lists cim of the vendor ACME")
    assert status(found, "2.0", "Evil") == WITHDRAWN


def test_a_bundle_with_another_descriptor_is_unlisted() -> None:
    same = CatalogVersion("1.0", SUPPORTED, digest=digest_of(DESCRIPTOR))
    listing = opened(catalog(same)).listing_of(DESCRIPTOR)
    assert listing is not None
    assert listing.status == SUPPORTED
    for other in (dataclasses.replace(DESCRIPTOR, files={"files/a": b"x"}),
                  dataclasses.replace(DESCRIPTOR, source_xml=DESCRIPTOR.source_xml + b"\n")):
        listing = opened(catalog(same)).listing_of(other)
        assert listing is not None
        assert listing.status == UNLISTED
        assert "another descriptor or other files" in listing.note


def test_an_expired_catalog_is_a_problem_and_still_says_what_is_withdrawn() -> None:
    found = opened(catalog(CatalogVersion("1.0", WITHDRAWN), expires="2020-01-01T00:00:00Z"))
    assert found.problems() == ["the catalog /Ours expired on 2020-01-01T00:00:00Z; run"
                                " ovirt-node-plugin catalog refresh"]
    assert status(found) == WITHDRAWN
    found.refuse_unusable()


@pytest.mark.parametrize(("locations", "keys", "reason"), [
    (["http://example.com/c"], ["/k"], "neither an absolute path nor a URL of https"),
    (["ftp://example.com/c"], ["/k"], "neither"), (["c.json"], ["/k"], "neither"),
    (["https:///c"], ["/k"], "neither"), (["file://other/c"], ["/k"], "neither"),
    (["/c", "/d"], ["/k"], "catalog names 2 places and catalog_key 1 files"),
    ([], ["/k"], "0 places"), (["/c"], ["k"], "catalog_key = k is not an absolute path"),
    (["/c"] * 11, ["/k"] * 11, "more than 10 places")])
def test_a_wrong_configuration_is_refused(locations: List[str], keys: List[str],
                                          reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        places_of(locations, keys)


def test_places_are_urls_and_files() -> None:
    remote, file, path = places_of([URL, "file:///a%20b", "/c"], ["/1", "/2", "/3"])
    assert (remote.is_remote, file.is_remote, path.is_remote) == (True, False, False)
    assert (file.path, path.path, path.key) == (Path("/a b"), Path("/c"), Path("/3"))


class Site:
    """A site with one catalog of a URL."""

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_bytes(b"key")
        self.folder = tmp_path / "copies"
        self.config = Config(catalog=(URL,), catalog_key=(str(tmp_path / "key"),),
                             catalog_copies=self.folder)
        self.published = document.write(catalog())
        self.asked: List[str] = []

    def download(self, url: str, max_bytes: int) -> bytes:
        self.asked.append(url)
        return b"signature" if url == f"{URL}.asc" else self.published

    def refresh(self, published: Catalog, *, allow_older: bool = False) -> OpenedCatalog:
        self.published = document.write(published)
        (found,) = catalog_copies.refresh(self.config, self.download, run=run,
                                          allow_older=allow_older)
        return found

    def read(self) -> OpenedCatalog:
        (found,) = module.read_catalogs(self.config, run=run).opened
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_catalog_that_was_never_fetched_is_a_problem(site: Site) -> None:
    found = site.read()
    assert found.problem_text == f"the catalog {URL} has not been fetched yet"
    with pytest.raises(Refused, match="has not been fetched yet"):
        Catalogs((found,)).refuse_unusable()
    assert not site.folder.exists()


def test_a_fetched_catalog_is_read_without_the_network(site: Site) -> None:
    refreshed = site.refresh(catalog(CatalogVersion("1.0", SUPPORTED), serial=5))
    assert (refreshed.problem, site.asked) == (None, [f"{URL}.asc", URL])
    found = site.read()
    assert found == refreshed
    assert (found.signer, found.fetched != "", len(site.asked)) == (SIGNER, True, 2)


def test_an_older_catalog_is_refused_and_the_copy_stays(site: Site) -> None:
    newest = catalog(CatalogVersion("1.0", WITHDRAWN), serial=5)
    site.refresh(newest)
    found = site.refresh(catalog(CatalogVersion("1.0", SUPPORTED), serial=4))
    assert "has the serial 4, and this machine has accepted 5: it is older" in found.problem_text
    assert site.read().catalog == newest


def test_another_catalog_with_the_same_serial_is_refused(site: Site) -> None:
    site.refresh(catalog(serial=5))
    assert site.refresh(catalog(serial=5)).problem is None
    found = site.refresh(catalog(CatalogVersion("1.0", SUPPORTED), serial=5))
    assert "another content" in found.problem_text


def test_an_older_catalog_can_be_accepted(site: Site) -> None:
    site.refresh(catalog(serial=5))
    assert site.refresh(catalog(serial=4), allow_older=True).problem is None
    assert site.read().catalog == catalog(serial=4)


def test_an_older_copy_is_refused(site: Site) -> None:
    """Somebody restored the copy from a backup, or only half of a refresh was written."""
    site.refresh(catalog(serial=4))
    (copy,) = site.folder.glob("*/catalog.json")
    old = copy.read_bytes()
    site.refresh(catalog(serial=5))
    copy.write_bytes(old)
    assert "it is older" in site.read().problem_text


def test_a_failed_download_leaves_the_copy(site: Site) -> None:
    site.refresh(catalog(serial=5))

    def failing(url: str, max_bytes: int) -> bytes:
        raise NodePluginError(f"{url} cannot be downloaded")
    (found,) = catalog_copies.refresh(site.config, failing, run=run)
    assert "cannot be downloaded" in found.problem_text
    assert site.read().problem is None


def test_what_is_no_catalog_is_not_kept(site: Site) -> None:
    site.published = b"<html>"
    (found,) = catalog_copies.refresh(site.config, site.download, run=run)
    assert f"the catalog {URL} is no catalog" in found.problem_text
    assert not site.folder.exists()


def test_a_damaged_memory_is_refused(site: Site) -> None:
    site.refresh(catalog())
    (seen,) = site.folder.glob("*/seen.json")
    seen.write_text("{")
    assert "seen.json cannot be read" in site.read().problem_text


def test_a_file_needs_its_signature_and_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(document.write(catalog()))
    config = Config(catalog=(str(path),), catalog_key=(str(tmp_path / "key"),),
                    catalog_copies=tmp_path / "copies")

    def problem() -> str:
        return module.read_catalogs(config, run=run).opened[0].problem_text
    assert f"there is no {path}.asc" in problem()
    Path(f"{path}.asc").write_bytes(b"signature")
    assert "the keys of the catalog" in problem()
    (tmp_path / "key").write_bytes(b"key")
    assert problem() == ""
    assert not (tmp_path / "copies").exists()


def test_the_serial_of_a_file_is_remembered_by_refresh(tmp_path: Path) -> None:
    path, key = tmp_path / "catalog.json", tmp_path / "key"
    for each in (path, Path(f"{path}.asc"), key):
        each.write_bytes(document.write(catalog(serial=7)))
    config = Config(catalog=(str(path),), catalog_key=(str(key),),
                    catalog_copies=tmp_path / "copies")

    def never(url: str, max_bytes: int) -> bytes:
        raise AssertionError(url)
    catalog_copies.refresh(config, never, run=run)
    path.write_bytes(document.write(catalog(serial=6)))
    assert "it is older" in module.read_catalogs(config, run=run).opened[0].problem_text


def test_the_serial_of_a_catalog_is_compared_with_what_was_seen() -> None:
    data = document.write(catalog(serial=2))
    place = CatalogPlace("/c", Path(__file__))
    assert accepted(place, data, b"", digest_seen(data, catalog(serial=2)), run=run)
    assert accepted(place, data, b"", AcceptedCatalog(1, ""), run=run)
    with pytest.raises(Refused, match="older"):
        accepted(place, data, b"", AcceptedCatalog(3, ""), run=run)


def test_refresh_without_a_catalog_is_an_error() -> None:
    with pytest.raises(UsageError, match="no catalog is configured"):
        catalog_copies.refresh(Config(), lambda url, most: b"", run=run)
