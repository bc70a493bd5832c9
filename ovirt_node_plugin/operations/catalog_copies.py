"""Fetch the catalogs of a site, and keep copies of those that are accepted."""
from __future__ import annotations

import time
from typing import Callable, List, Tuple

from ..catalog import places
from ..catalog.catalogs import OpenedCatalog, accepted, digest_seen
from ..catalog.document import date_text
from ..catalog.places import SIGNATURE_SUFFIX, CatalogPlace, Copies
from ..config import Config
from ..errors import NodePluginError, UsageError
from ..system.limits import CATALOG_BYTES, SIGNATURE_BYTES
from ..system.run import Runner

Download = Callable[[str, int], bytes]
"""A function that returns the content of a URL, which has at most so many bytes."""


def refresh(config: Config, download: Download, *, run: Runner,
            allow_older: bool = False) -> Tuple[OpenedCatalog, ...]:
    """Return the catalogs of the site as they are now, after those of the network were fetched.

    The copy of one that is not accepted stays. With ``allow_older``, an older one is accepted.
    Raises UsageError without a configured catalog.
    """
    found = places.places_of(config.catalog, config.catalog_key)
    if not found:
        raise UsageError("no catalog is configured",
                         hint="Set catalog and catalog_key in"
                              " /etc/dnf/plugins/node-plugin.conf.")
    copies = Copies(config.catalog_copies)
    opened: List[OpenedCatalog] = []
    for place in found:
        try:
            opened.append(_refreshed(place, copies, download, run, allow_older))
        except NodePluginError as exc:
            opened.append(OpenedCatalog(place, problem=exc))
        except OSError as exc:
            opened.append(OpenedCatalog(place, problem=UsageError(
                f"the catalog {place.location} cannot be kept: {exc.strerror}:"
                f" {exc.filename or copies.folder}")))
    return tuple(opened)


def _refreshed(place: CatalogPlace, copies: Copies, download: Download, run: Runner,
               allow_older: bool) -> OpenedCatalog:
    fetched = ""
    if place.is_remote:
        signature = download(place.location + SIGNATURE_SUFFIX, SIGNATURE_BYTES)
        data, fetched = download(place.location, CATALOG_BYTES), date_text(time.time())
    else:
        data, signature = copies.read(place)
    catalog, signer = accepted(place, data, signature,
                               None if allow_older else copies.seen(place), run=run)
    copies.store(place, digest_seen(data, catalog, fetched=fetched), data, signature)
    return OpenedCatalog(place, catalog=catalog, signer=signer, fetched=fetched)
