"""A catalog as data: plugins, their versions, and what is said of each version."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from ..system.rpm_version import VersionRange, compare

SUPPORTED, TESTED, DEPRECATED, WITHDRAWN = "supported", "tested", "deprecated", "withdrawn"
STATUSES = (SUPPORTED, TESTED, DEPRECATED, WITHDRAWN)
UNLISTED = "unlisted"
"""What is said of a version that no catalog lists."""


@dataclass(frozen=True)
class CatalogVersion:
    """One version of a plugin in a catalog.

    ``status`` is one of STATUSES. ``nodes`` are the versions of oVirt Node for which it is true.
    ``digest`` is that of descriptor and files, see ``digests.digest_of``; empty if the catalog
    has none.
    """

    version: str
    status: str
    note: str = ""
    nodes: VersionRange = VersionRange()
    digest: str = ""


@dataclass(frozen=True)
class CatalogPlugin:
    """A plugin in a catalog.

    ``fingerprints`` are those of the keys by which its packages may be signed, 40 or 64 lower-case
    hexadecimal digits each. ``versions`` has at least one, and none twice.
    """

    name: str
    vendor: str
    versions: Tuple[CatalogVersion, ...]
    fingerprints: Tuple[str, ...] = ()

    def version(self, version: str) -> Optional[CatalogVersion]:
        """Return what is said of ``version``, None if it is not listed."""
        same = (each for each in self.versions if each.version == version)
        return next(same, None) or next(
            (each for each in self.versions if compare(each.version, version) == 0), None)


@dataclass(frozen=True)
class Catalog:
    """The plugins that somebody supports.

    ``serial`` grows with each change. ``date`` is the time of the last one, ISO 8601 in UTC, and
    ``expires`` the time after which the catalog says too little, empty for never.
    """

    title: str
    serial: int
    date: str
    expires: str = ""
    plugins: Mapping[str, CatalogPlugin] = field(default_factory=dict)


@dataclass(frozen=True)
class CatalogListing:
    """What the catalogs say of one version of a plugin.

    ``catalog`` is the title of the catalog that decides, empty if the version is UNLISTED.
    ``node_from`` and ``node_until`` are versions of oVirt Node, empty for no bound.
    """

    status: str
    catalog: str = ""
    note: str = ""
    node_from: str = ""
    node_until: str = ""

    @property
    def nodes(self) -> VersionRange:
        """The versions of oVirt Node for which this is said."""
        return VersionRange(self.node_from, self.node_until)

    @property
    def text(self) -> str:
        """The status and the note, as a clause for people."""
        nodes = f" for oVirt Node {self.nodes}" if self.nodes else ""
        return f"{self.status}{nodes}" + (f": {self.note}" if self.note else "")
