"""The answers of ``ovirt-node-plugin catalog`` as lines of text."""
from __future__ import annotations

from typing import List, Sequence

from ..catalog.catalogs import OpenedCatalog
from .catalog_data import Row
from .layout import field, table

_HEADER = ("Name", "Version", "Status", "Vendor", "Note")


def listing(catalogs: Sequence[OpenedCatalog], rows: Sequence[Row]) -> List[str]:
    """Return a table of versions, then a line for each catalog that has a problem."""
    lines = table([_HEADER, *(
        (plugin.name, version.version, version.status, plugin.vendor, version.note)
        for _, plugin, version in rows)]) if rows else ["No plugins."]
    return [*lines, *problems(catalogs)]


def shown(rows: Sequence[Row]) -> List[str]:
    """Return a paragraph of fields for each version."""
    lines: List[str] = []
    for catalog, plugin, version in rows:
        fields = [("Name", plugin.name), ("Version", version.version), ("Vendor", plugin.vendor),
                  ("Status", version.status), ("Note", version.note),
                  ("oVirt Node", str(version.nodes)),
                  *(("Key" if number == 0 else "", fingerprint)
                    for number, fingerprint in enumerate(plugin.fingerprints)),
                  ("Digest", version.digest), ("Catalog", catalog.title)]
        lines += [line for name, value in fields if value for line in field(name, value)]
        lines.append("")
    return lines[:-1]


def catalogs(opened: Sequence[OpenedCatalog]) -> List[str]:
    """Return a paragraph for each catalog: what it is, and who signed it."""
    lines: List[str] = []
    for each in opened:
        catalog = each.catalog
        if catalog is None:
            continue
        lines.append(f"{each.place.location}: {catalog.title}, serial {catalog.serial} of"
                     f" {catalog.date}, {len(catalog.plugins)} plugins"
                     + (f", expires {catalog.expires}" if catalog.expires else ""))
        lines += [f"  signed by {each.signer}"] if each.signer else []
    return [*lines, *problems(opened)]


def problems(opened: Sequence[OpenedCatalog]) -> List[str]:
    """Return lines for each catalog that cannot be used, or is too old."""
    lines: List[str] = []
    for each in opened:
        text = each.problem_text
        lines += [f"Note: {text}"] if text else []
        hint = each.problem.hint if each.problem is not None else ""
        lines += [f"  {hint}"] if hint else []
    return lines
