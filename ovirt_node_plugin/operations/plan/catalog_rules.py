"""What the catalogs of the site say of plugins that are to be installed."""
from __future__ import annotations

from dataclasses import replace
from typing import Collection, List, Mapping, Sequence

from ...catalog.catalogs import Catalogs
from ...catalog.model import UNLISTED, WITHDRAWN, CatalogListing
from ...errors import Reasons, Refused
from ...plugin.bundle import Bundle
from ...plugin.descriptor import Descriptor
from ...policy.trust_floor import TrustFloor
from ...registry.trust_level import TrustLevel
from ...target import Target
from ..model.installation import Installation
from ..model.results import INSTALL, UPGRADE

_LISTED = "ovirt-node-plugin catalog show NAME shows which versions are listed."


def check(bundles: Sequence[Bundle], actions: Mapping[str, str], floor: TrustFloor,
          target: Target, reasons: Reasons) -> List[str]:
    """Return a line for each new version of which a catalog says something.

    A version that is withdrawn, or not listed where the site demands it, is added to ``reasons``,
    and so is a catalog that cannot be used.
    """
    new = [bundle.descriptor for bundle in bundles
           if actions.get(bundle.descriptor.name) in (INSTALL, UPGRADE)]
    notes = floor.catalogs.problems() if new else []
    for descriptor in new:
        with reasons.collected():
            floor.catalogs.refuse_unusable()
            listing = floor.catalogs.listing_of(descriptor)
            if listing is not None:
                _refuse(descriptor, listing, floor, target)
                notes.append(_text(descriptor.name, descriptor.version, listing))
    return notes


def wrong_keys(descriptor: Descriptor, signers: Collection[str], floor: TrustFloor) -> List[str]:
    """Return what is wrong with the keys of packages where the site demands a catalog."""
    if floor.level < TrustLevel.CATALOG:
        return []
    listed = floor.catalogs.keys_of(descriptor.name, descriptor.version)
    return [f"packages are signed by {signer}, which is no key of the plugin in the catalog"
            for signer in sorted(signers) if signer not in listed]


def with_installed(ready: Installation, catalogs: Catalogs) -> Installation:
    """Return an upgrade with a note for each withdrawn version that stays installed."""
    replaced = {action.name for action in ready.plan.plugins if action.action == UPGRADE}
    notes = [f"{_text(name, record.version, listing)}. It stays installed, as there is no newer"
             f" version. Ask {record.vendor} for one, or remove it: dnf node-plugin remove {name}"
             for name, record in ready.books.records.items() if name not in replaced
             for listing in [catalogs.listing(name, record.version, record.vendor)]
             if listing is not None and listing.status == WITHDRAWN]
    return replace(ready, plan=replace(ready.plan, notes=(*ready.plan.notes, *notes)))


def _refuse(descriptor: Descriptor, listing: CatalogListing, floor: TrustFloor,
            target: Target) -> None:
    text = _text(descriptor.name, descriptor.version, listing)
    if listing.status == WITHDRAWN:
        raise Refused(text, hint="Install another version. A catalog of the site that lists this"
                                 " one, before the other in node-plugin.conf, decides instead.")
    if floor.level < TrustLevel.CATALOG:
        return
    if listing.status == UNLISTED:
        raise Refused(f"{text}, and this site installs only what a catalog lists", hint=_LISTED)
    if target.is_node and target.version not in listing.nodes:
        raise Refused(f"{text}; {target.name} is another one", hint=_LISTED)
    expired = [each.problem_text for each in floor.catalogs.opened if each.is_expired]
    if expired:
        raise Refused(expired[0], hint="Fetch the present one: ovirt-node-plugin catalog refresh")


def _text(name: str, version: str, listing: CatalogListing) -> str:
    by = f" (catalog {listing.catalog})" if listing.catalog else " in the catalogs of this site"
    return f"plugin {name} {version} is {listing.text}{by}"
