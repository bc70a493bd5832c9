"""The catalogs of a site: read, with signatures checked, and asked about plugins."""
from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..config import Config
from ..errors import NodePluginError, Refused
from ..plugin.descriptor import Descriptor
from ..system.limits import KEY_BYTES
from ..system.regular_files import read_regular
from ..system.run import Runner
from ..system.signatures import BadSignature, verify_detached
from .digests import digest_of
from .document import parse, seconds_of
from .model import UNLISTED, WITHDRAWN, Catalog, CatalogListing, CatalogPlugin, CatalogVersion
from .places import AcceptedCatalog, CatalogPlace, Copies, places_of

REFRESH = "ovirt-node-plugin catalog refresh"


@dataclass(frozen=True)
class OpenedCatalog:
    """A catalog of the site: its content, or the ``problem`` for which it cannot be used.

    ``signer`` is the fingerprint of the key that signed it. ``fetched`` is when its copy was
    fetched, ISO 8601 in UTC, empty for a file of this machine.
    """

    place: CatalogPlace
    catalog: Optional[Catalog] = None
    signer: str = ""
    fetched: str = ""
    problem: Optional[NodePluginError] = None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return bool(self.catalog is not None and self.catalog.expires
                    and time.time() > seconds_of(self.catalog.expires))

    @property
    def problem_text(self) -> str:
        """Why it cannot be used or is too old, empty if nothing is wrong."""
        if self.problem is not None:
            return self.problem.message
        if self.catalog is not None and self.is_expired:
            return (f"the catalog {self.place.location} expired on {self.catalog.expires}; run"
                    f" {REFRESH}")
        return ""


@dataclass(frozen=True)
class Catalogs:
    """The catalogs of a site; the first that lists a version decides."""

    opened: Tuple[OpenedCatalog, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.opened)

    def listing(self, name: str, version: str, vendor: str) -> Optional[CatalogListing]:
        """Return what is said of a version of a plugin, None if the site has no catalog."""
        if not self.opened:
            return None
        found = self._find(name, version)
        if found is None:
            return CatalogListing(UNLISTED, note="; ".join(
                each.problem.message for each in self.opened if each.problem is not None))
        catalog, plugin, said = found
        if plugin.vendor != vendor and said.status != WITHDRAWN:
            return CatalogListing(UNLISTED, note=f"{catalog.title} lists {name} of the vendor"
                                          f" {plugin.vendor}")
        return _listing(catalog, said)

    def listing_of(self, descriptor: Descriptor) -> Optional[CatalogListing]:
        """Return what is said of a bundle; one with another descriptor or files is UNLISTED."""
        listing = self.listing(descriptor.name, descriptor.version, descriptor.vendor)
        if listing is None or listing.status in (UNLISTED, WITHDRAWN):
            return listing
        found = self._find(descriptor.name, descriptor.version)
        assert found is not None
        catalog, _, said = found
        if said.digest and said.digest != digest_of(descriptor):
            return CatalogListing(UNLISTED, note=f"{catalog.title} lists it with another"
                                                 " descriptor or other files")
        return listing

    def withdraws(self, name: str, version: str) -> bool:
        """Return whether a version of a plugin is withdrawn, whoever its vendor is."""
        found = self._find(name, version)
        return found is not None and found[2].status == WITHDRAWN

    def keys_of(self, name: str, version: str) -> Tuple[str, ...]:
        """Return the fingerprints of the keys by which a listed version may be signed."""
        found = self._find(name, version)
        return () if found is None else found[1].fingerprints

    def refuse_unusable(self) -> None:
        """Raise Refused if a catalog cannot be used: it could say that a version is withdrawn."""
        for each in self.opened:
            if each.problem is not None:
                raise each.problem

    def problems(self) -> List[str]:
        """Return a line for each catalog that cannot be used, or is too old."""
        return [text for each in self.opened for text in [each.problem_text] if text]

    def _find(self, name: str, version: str
              ) -> Optional[Tuple[Catalog, CatalogPlugin, CatalogVersion]]:
        for each in self.opened:
            plugin = each.catalog.plugins.get(name) if each.catalog is not None else None
            said = plugin.version(version) if plugin is not None else None
            if each.catalog is not None and plugin is not None and said is not None:
                return each.catalog, plugin, said
        return None


NO_CATALOGS = Catalogs()


def read_catalogs(config: Config, *, run: Runner) -> Catalogs:
    """Return the catalogs that the configuration names; nothing is fetched.

    Raises UsageError for a configuration that is not valid.
    """
    copies = Copies(config.catalog_copies)
    return Catalogs(tuple(_opened(place, copies, run)
                          for place in places_of(config.catalog, config.catalog_key)))


def accepted(place: CatalogPlace, data: bytes, signature: bytes, seen: Optional[AcceptedCatalog], *,
             run: Runner) -> Tuple[Catalog, str]:
    """Return a catalog and the fingerprint of its signer, if it can be used.

    Raises Refused for a signature that is not valid, for what is no catalog, and for one that is
    older than what was ``seen``, or another one with the same serial.
    """
    signer = verified(data, signature, place, run=run)
    catalog = parse(data, origin=f"the catalog {place.location}")
    if seen is None:
        return catalog, signer
    hint = ("Ask who publishes it. To accept it nevertheless:"
            " ovirt-node-plugin catalog refresh --allow-older")
    if catalog.serial < seen.serial:
        raise Refused(f"the catalog {place.location} has the serial {catalog.serial}, and this"
                      f" machine has accepted {seen.serial}: it is older", hint=hint)
    if catalog.serial == seen.serial and hashlib.sha256(data).hexdigest() != seen.digest:
        raise Refused(f"the catalog {place.location} has the serial {catalog.serial} as the one"
                      " that this machine has accepted, and another content", hint=hint)
    return catalog, signer


def verified(data: bytes, signature: bytes, place: CatalogPlace, *, run: Runner) -> str:
    """Return the fingerprint of the key that signed ``data``, one of those of ``place``.

    Raises Refused for a signature that is not accepted, and if the keys cannot be read.
    """
    try:
        keys = read_regular(place.key, max_bytes=KEY_BYTES, follow=True)
    except OSError as exc:
        raise Refused(f"the keys of the catalog {place.location} cannot be read from"
                      f" {place.key}: {exc.strerror}",
                      hint="Correct catalog_key in /etc/dnf/plugins/node-plugin.conf.") from exc
    try:
        return verify_detached(signature, data, [keys], run=run).fingerprint
    except BadSignature as exc:
        raise Refused(f"the signature of the catalog {place.location} is not accepted:"
                      f" {exc.message}",
                      hint=f"Ask who publishes it. The keys that may sign it are in {place.key}."
                      ) from exc


def digest_seen(data: bytes, catalog: Catalog, *, fetched: str = "") -> AcceptedCatalog:
    """Return what to remember of a catalog that was accepted."""
    return AcceptedCatalog(serial=catalog.serial, digest=hashlib.sha256(data).hexdigest(),
                           fetched=fetched)


def _opened(place: CatalogPlace, copies: Copies, run: Runner) -> OpenedCatalog:
    seen: Optional[AcceptedCatalog] = None
    try:
        seen = copies.seen(place)
        data, signature = _read(place, copies)
        catalog, signer = accepted(place, data, signature, seen, run=run)
    except NodePluginError as exc:
        return OpenedCatalog(place, problem=exc, fetched=seen.fetched if seen else "")
    return OpenedCatalog(place, catalog=catalog, signer=signer,
                         fetched=seen.fetched if seen else "")


def _read(place: CatalogPlace, copies: Copies) -> Tuple[bytes, bytes]:
    try:
        return copies.read(place)
    except FileNotFoundError as exc:
        if place.is_remote:
            raise Refused(f"the catalog {place.location} has not been fetched yet",
                          hint=f"Fetch it: {REFRESH}") from exc
        raise Refused(f"the catalog {place.location} cannot be read: there is no {exc.filename}",
                      hint="A catalog needs its signature beside it, in a file of the same name"
                           " with .asc.") from exc
    except OSError as exc:
        raise Refused(f"the catalog {place.location} cannot be read: {exc.strerror}") from exc


def _listing(catalog: Catalog, said: CatalogVersion) -> CatalogListing:
    return CatalogListing(status=said.status, catalog=catalog.title, note=said.note,
                   node_from=said.nodes.least, node_until=said.nodes.most)
