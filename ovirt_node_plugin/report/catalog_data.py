"""The answers of ``ovirt-node-plugin catalog`` as JSON, described in ovirt-node-plugin(8)."""
from __future__ import annotations

from typing import List, Sequence, Tuple

from ..catalog.catalogs import OpenedCatalog
from ..catalog.model import Catalog, CatalogPlugin, CatalogVersion
from ..system.json_data import Data

Row = Tuple[Catalog, CatalogPlugin, CatalogVersion]
"""One version of a plugin in a catalog."""


def answer(catalogs: Sequence[OpenedCatalog], rows: Sequence[Row]) -> Data:
    """Return the answer of any action: the catalogs, and the versions that it is about."""
    return {"catalogs": opened(catalogs), "plugins": [_row(*row) for row in rows]}


def opened(catalogs: Sequence[OpenedCatalog]) -> List[Data]:
    """Return the catalogs, each with the reason for which it cannot be used."""
    return [_opened(each) for each in catalogs]


def _opened(each: OpenedCatalog) -> Data:
    catalog = each.catalog
    data: Data = {"location": each.place.location, "title": "", "serial": 0, "date": "",
                  "expires": "", "signer": each.signer, "fetched": each.fetched,
                  "plugins": 0, "problem": each.problem_text}
    if catalog is not None:
        data.update(title=catalog.title, serial=catalog.serial, date=catalog.date,
                    expires=catalog.expires, plugins=len(catalog.plugins))
    return data


def _row(catalog: Catalog, plugin: CatalogPlugin, version: CatalogVersion) -> Data:
    return {"catalog": catalog.title, "name": plugin.name, "version": version.version,
            "vendor": plugin.vendor, "status": version.status, "note": version.note,
            "node_from": version.nodes.least, "node_until": version.nodes.most,
            "fingerprints": list(plugin.fingerprints), "digest": version.digest}
