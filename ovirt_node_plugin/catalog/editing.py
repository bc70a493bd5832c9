"""Change a catalog: add versions of plugins, change what is said of them, drop them."""
from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import UsageError
from ..plugin.descriptor import Descriptor
from ..system.rpm_version import VersionRange, compare
from .digests import digest_of
from .model import SUPPORTED, Catalog, CatalogPlugin, CatalogVersion


@dataclass(frozen=True)
class Said:
    """What is to be said of a version; None for what stays as it is."""

    status: Optional[str] = None
    note: Optional[str] = None
    node_from: Optional[str] = None
    node_until: Optional[str] = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be changed."""
        return self == Said()

    def of(self, version: CatalogVersion) -> CatalogVersion:
        """Return ``version`` with this. Raises UsageError for an empty range of Node versions."""
        least, most = version.nodes.least, version.nodes.most
        nodes = VersionRange(least if self.node_from is None else self.node_from,
                             most if self.node_until is None else self.node_until)
        if nodes.is_empty:
            raise UsageError(f"no version of oVirt Node is {nodes}",
                             hint="--node-until must not be older than --node-from.")
        return replace(version, nodes=nodes,
                       status=version.status if self.status is None else self.status,
                       note=version.note if self.note is None else self.note)


@dataclass(frozen=True)
class NewVersion:
    """A plugin to add: its descriptor, and the fingerprints of the keys that signed its RPMs."""

    descriptor: Descriptor
    fingerprints: Tuple[str, ...]


def added(catalog: Catalog, new: Sequence[NewVersion], said: Said) -> Catalog:
    """Return ``catalog`` with the versions ``new``, each SUPPORTED unless ``said`` differs.

    A version that it has already gets the new digest. Raises UsageError for a plugin of
    another vendor than the catalog has.
    """
    plugins = dict(catalog.plugins)
    for each in new:
        descriptor = each.descriptor
        name, vendor = descriptor.name, descriptor.vendor
        old = plugins.get(name) or CatalogPlugin(name=name, vendor=vendor, versions=())
        if old.vendor != vendor:
            raise UsageError(
                f"the catalog lists {name} of the vendor {old.vendor}, and this one is by {vendor}",
                hint=f"Drop it first if the vendor has changed: catalog drop FILE {name}")
        before = old.version(descriptor.version) or CatalogVersion(
            version=descriptor.version, status=SUPPORTED, nodes=descriptor.node_versions)
        version = replace(said.of(before), digest=digest_of(descriptor))
        plugins[name] = replace(
            old, versions=_ordered((*(other for other in old.versions if other is not before),
                                    version)),
            fingerprints=tuple(sorted({*old.fingerprints, *each.fingerprints})))
    return replace(catalog, plugins=plugins)


def changed(catalog: Catalog, words: Sequence[str], said: Said) -> Catalog:
    """Return ``catalog`` with ``said`` of what ``words`` name: NAME or NAME=VERSION.

    Raises UsageError for a word that names nothing.
    """
    plugins = dict(catalog.plugins)
    for name, versions in _named(catalog, words).items():
        plugins[name] = replace(plugins[name], versions=tuple(
            said.of(each) if each.version in versions else each
            for each in plugins[name].versions))
    return replace(catalog, plugins=plugins)


def dropped(catalog: Catalog, words: Sequence[str]) -> Catalog:
    """Return ``catalog`` without what ``words`` name, as in ``changed``."""
    plugins = dict(catalog.plugins)
    for name, versions in _named(catalog, words).items():
        rest = tuple(each for each in plugins[name].versions if each.version not in versions)
        if rest:
            plugins[name] = replace(plugins[name], versions=rest)
        else:
            del plugins[name]
    return replace(catalog, plugins=plugins)


def _named(catalog: Catalog, words: Sequence[str]) -> Mapping[str, List[str]]:
    """Return the versions that ``words`` name, by the name of the plugin."""
    named: Dict[str, List[str]] = {}
    for word in words:
        name, equals, wanted = word.partition("=")
        plugin = catalog.plugins.get(name)
        found = [] if plugin is None else [
            each.version for each in plugin.versions
            if not equals or compare(each.version, wanted) == 0]
        if not found:
            raise UsageError(f"the catalog does not list {word}",
                             hint="Give NAME or NAME=VERSION, as catalog list shows them.")
        named.setdefault(name, []).extend(found)
    return named


def _ordered(versions: Sequence[CatalogVersion]) -> Tuple[CatalogVersion, ...]:
    """Return ``versions``, the newest first."""
    by_version = functools.cmp_to_key(compare)
    return tuple(sorted(versions, key=lambda each: by_version(each.version), reverse=True))
