"""Where the catalogs of a site are, and the copies of those that were fetched.

A copy has its signature beside it, which is checked each time. ``seen.json`` has the highest
serial that was accepted: an older catalog is refused, as somebody could hide with one that a
version was withdrawn.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from ..errors import UsageError
from ..system.entries import write_atomic
from ..system.json_data import number_of, of_format, parse_json, text_of
from ..system.limits import CATALOG_BYTES, CATALOGS, SIGNATURE_BYTES, TEXT_BYTES
from ..system.regular_files import read_regular

SIGNATURE_SUFFIX = ".asc"
_CATALOG, _SEEN, _FORMAT = "catalog.json", "seen.json", 1
_OPTIONS = "Correct catalog and catalog_key in /etc/dnf/plugins/node-plugin.conf."


@dataclass(frozen=True)
class CatalogPlace:
    """One catalog of a site: a path or an https URL, and the file of the keys that sign it."""

    location: str
    key: Path

    @property
    def is_remote(self) -> bool:
        """Whether it has to be fetched."""
        return self.location.startswith("https:")

    @property
    def path(self) -> Path:
        """The file of a catalog that is on this machine."""
        if self.location.startswith("file:"):
            return Path(unquote(urlsplit(self.location).path))
        return Path(self.location)


@dataclass(frozen=True)
class AcceptedCatalog:
    """The highest serial that was accepted of a catalog, and when it was fetched.

    ``digest`` is the SHA-256 of that catalog. ``fetched`` is ISO 8601 in UTC, empty for a file.
    """

    serial: int
    digest: str
    fetched: str = ""


def places_of(locations: Sequence[str], keys: Sequence[str]) -> Tuple[CatalogPlace, ...]:
    """Return the catalogs that the configuration names, each with the key at the same position.

    Raises UsageError for another location than a path or a URL of https, and for another number
    of keys than of catalogs.
    """
    for location in locations:
        url = urlsplit(location)
        if location.startswith("/") or (url.scheme == "file" and url.path.startswith("/")
                                        and url.netloc in ("", "localhost")):
            continue
        if url.scheme != "https" or not url.netloc:
            raise UsageError(f"catalog = {location} is neither an absolute path nor a URL of"
                             " https:// or file:///", hint=_OPTIONS)
    if len(locations) != len(keys):
        raise UsageError(f"catalog names {len(locations)} places and catalog_key"
                         f" {len(keys)} files; each catalog has its own file of keys, in the same"
                         " order", hint=_OPTIONS)
    if len(locations) > CATALOGS:
        raise UsageError(f"catalog names more than {CATALOGS} places", hint=_OPTIONS)
    for key in keys:
        if not key.startswith("/"):
            raise UsageError(f"catalog_key = {key} is not an absolute path", hint=_OPTIONS)
    return tuple(CatalogPlace(location, Path(key)) for location, key in zip(locations, keys))


@dataclass(frozen=True)
class Copies:
    """The folder in which fetched catalogs are kept, one folder for each place."""

    folder: Path

    def read(self, place: CatalogPlace) -> Tuple[bytes, bytes]:
        """Return the catalog of ``place`` and its signature: the file, or the copy.

        Raises OSError for what is missing or too large.
        """
        path = self._of(place) / _CATALOG if place.is_remote else place.path
        return (read_regular(path, max_bytes=CATALOG_BYTES, follow=True),
                read_regular(f"{path}{SIGNATURE_SUFFIX}", max_bytes=SIGNATURE_BYTES, follow=True))

    def seen(self, place: CatalogPlace) -> Optional[AcceptedCatalog]:
        """Return what was accepted of ``place`` before, None if nothing is known."""
        try:
            data = of_format(_FORMAT, parse_json(read_regular(
                self._of(place) / _SEEN, max_bytes=TEXT_BYTES, follow=True)))
            return AcceptedCatalog(serial=number_of(data, "serial"), digest=text_of(data, "digest"),
                        fetched=text_of(data, "fetched", ""))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, ValueError) as exc:
            raise UsageError(
                f"{self._of(place) / _SEEN} cannot be read: {exc}",
                hint="Remove that folder, then run: ovirt-node-plugin catalog refresh") from exc

    def store(self, place: CatalogPlace, seen: AcceptedCatalog, data: bytes,
              signature: bytes) -> None:
        """Remember what was accepted of a catalog, and keep the copy of a remote one.

        The serial is written first: if the copy then cannot be written, an older one is refused.
        """
        folder = self._of(place)
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        document = {"format": _FORMAT, "location": place.location, "serial": seen.serial,
                    "digest": seen.digest, "fetched": seen.fetched}
        write_atomic(folder / _SEEN, (json.dumps(document, indent=1) + "\n").encode(), mode=0o644)
        if place.is_remote:
            write_atomic(folder / f"{_CATALOG}{SIGNATURE_SUFFIX}", signature, mode=0o644)
            write_atomic(folder / _CATALOG, data, mode=0o644)

    def _of(self, place: CatalogPlace) -> Path:
        return self.folder / hashlib.sha256(place.location.encode()).hexdigest()[:16]
