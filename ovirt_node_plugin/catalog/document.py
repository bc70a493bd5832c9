"""The file of a catalog: JSON, described in ovirt-node-plugin(8), CATALOGS.

JSON and not XML, because this program writes catalogs and other programs read them, while people
write descriptors; and because 10,000 plugins are read in a fraction of a second, with limits for
what strangers wrote. No schema is needed to read one: each value is checked here.
"""
from __future__ import annotations

import datetime
import json
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from ..errors import Refused, UsageError
from ..registry.rules import is_plugin_name
from ..system.json_data import Data, number_of, objects_of, of_format, parse_json, text_of, texts_of
from ..system.limits import (
    CATALOG_BYTES,
    CATALOG_FINGERPRINTS,
    CATALOG_PLUGINS,
    CATALOG_TEXT_CHARACTERS,
    CATALOG_VERSIONS,
)
from ..system.openpgp import read_fingerprint
from ..system.rpm_version import VersionRange
from .model import STATUSES, Catalog, CatalogPlugin, CatalogVersion

FORMAT = 1
_DATE = "%Y-%m-%dT%H:%M:%SZ"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_~^:\-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_HINT = "Ask who publishes it for a valid one: ovirt-node-plugin catalog verify FILE checks it."


def parse(data: bytes, *, origin: str) -> Catalog:
    """Return the catalog in ``data``; ``origin`` is its name in messages.

    Raises Refused for what is no catalog, and for one that exceeds a limit.
    """
    try:
        return _read(data)
    except ValueError as exc:
        raise Refused(f"{origin} is no catalog: {exc}", hint=_HINT) from exc


def check(data: bytes) -> None:
    """Raise UsageError for a catalog that this program would write and not read."""
    try:
        _read(data)
    except ValueError as exc:
        raise UsageError(f"the catalog would not be valid: {exc}",
                         hint="Nothing was written.") from exc


def write(catalog: Catalog) -> bytes:
    """Return the file of ``catalog``, sorted by name and version: the same bytes each time."""
    document: Data = {"format": FORMAT, "title": catalog.title, "serial": catalog.serial,
                      "date": catalog.date}
    if catalog.expires:
        document["expires"] = catalog.expires
    document["plugins"] = [_plugin_data(plugin) for _, plugin in sorted(catalog.plugins.items())]
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def date_text(seconds: float) -> str:
    """Return a time in seconds since 1970 as the file has it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(_DATE)


def seconds_of(date: str) -> float:
    """Return a time of the file in seconds since 1970. Raises ValueError for another form."""
    moment = datetime.datetime.strptime(date, _DATE).replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def _read(data: bytes) -> Catalog:
    if len(data) > CATALOG_BYTES:
        raise ValueError(f"it is larger than {CATALOG_BYTES} bytes")
    try:
        return _catalog(of_format(FORMAT, parse_json(data)))
    except KeyError as exc:
        raise ValueError(f"{exc.args[0]} is missing") from exc


def _catalog(document: Data) -> Catalog:
    plugins: Dict[str, CatalogPlugin] = {}
    entries = objects_of(document, "plugins")
    if len(entries) > CATALOG_PLUGINS:
        raise ValueError(f"it has more than {CATALOG_PLUGINS} plugins")
    for number, entry in enumerate(entries):
        try:
            plugin = _plugin(entry)
        except KeyError as exc:
            raise ValueError(f"plugins/{number}: {exc.args[0]} is missing") from exc
        except ValueError as exc:
            raise ValueError(f"plugins/{number}: {exc}") from exc
        if plugin.name in plugins:
            raise ValueError(f"plugins/{number}: {plugin.name} is listed twice")
        plugins[plugin.name] = plugin
    return Catalog(title=_text(document, "title"), serial=number_of(document, "serial"),
                   date=_time(document, "date"),
                   expires=_time(document, "expires") if document.get("expires") else "",
                   plugins=plugins)


def _plugin(entry: Data) -> CatalogPlugin:
    name = text_of(entry, "name")
    if not is_plugin_name(name):
        raise ValueError(f"{name[:80]!a} is not the name of a plugin")
    fingerprints = texts_of(entry, "fingerprints", ())
    if len(fingerprints) > CATALOG_FINGERPRINTS:
        raise ValueError(f"it has more than {CATALOG_FINGERPRINTS} fingerprints")
    versions = objects_of(entry, "versions")
    if not 1 <= len(versions) <= CATALOG_VERSIONS:
        raise ValueError(f"it has {len(versions)} versions, not 1 to {CATALOG_VERSIONS}")
    read = tuple(map(_version, versions))
    if len({each.version for each in read}) != len(read):
        raise ValueError("a version is listed twice")
    return CatalogPlugin(name=name, vendor=_text(entry, "vendor"), versions=read,
                         fingerprints=tuple(map(read_fingerprint, fingerprints)))


def _version(entry: Data) -> CatalogVersion:
    version, status = _version_text(text_of(entry, "version")), text_of(entry, "status")
    if status not in STATUSES:
        raise ValueError(f"{status[:80]!a} is none of {', '.join(STATUSES)}")
    digest = text_of(entry, "digest", "")
    if digest and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!a} is not a SHA-256")
    bounds = [_version_text(text) if text else ""
              for text in (text_of(entry, name, "") for name in ("node_from", "node_until"))]
    return CatalogVersion(version=version, status=status, digest=digest,
                          note=_text(entry, "note") if entry.get("note") else "",
                          nodes=VersionRange(*bounds))


def _version_text(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ValueError(f"{text[:80]!a} is not a version")
    return text


def _text(entry: Mapping[str, object], name: str) -> str:
    """Return a text of one line, which is short and can be printed."""
    text = text_of(entry, name)
    if not text.isprintable() or len(text) > CATALOG_TEXT_CHARACTERS or not text.strip():
        raise ValueError(f"{name} is not one line of 1 to {CATALOG_TEXT_CHARACTERS} printable"
                         " characters")
    return text


def _time(entry: Mapping[str, object], name: str) -> str:
    text = text_of(entry, name)
    try:
        seconds_of(text)
    except ValueError as exc:
        raise ValueError(f"{name} is no time such as 2026-11-30T12:00:00Z") from exc
    return text


def _plugin_data(plugin: CatalogPlugin) -> Data:
    versions: List[Data] = [_version_data(version) for version in plugin.versions]
    return {"name": plugin.name, "vendor": plugin.vendor,
            "fingerprints": list(plugin.fingerprints), "versions": versions}


def _version_data(version: CatalogVersion) -> Data:
    optional: Sequence[Tuple[str, str]] = (
        ("note", version.note), ("node_from", version.nodes.least),
        ("node_until", version.nodes.most), ("digest", version.digest))
    return {"version": version.version, "status": version.status,
            **{name: value for name, value in optional if value}}
