"""The keys and origins of the plugins to merge that somebody has to accept."""
from __future__ import annotations

import dataclasses
from typing import Collection, List, Optional

from ..errors import Refused
from ..operations.model.results import PluginAction
from ..operations.plan import origins
from ..policy.key_trust import KeyTrust
from .model import Order, Rehearsal


def untrusted_signatures(rehearsal: Rehearsal, trust: KeyTrust) -> Optional[Refused]:
    """Return the error for signatures that dnf would not trust, None if it trusts all."""
    untrusted = [signature for plan in rehearsal.plans for signature in plan.signatures
                 if signature.checked and not signature.owner
                 and not (trust.every and signature.key)
                 and signature.fingerprint not in trust.fingerprints]
    if not untrusted:
        return None
    lines = [f"{signature.key_text or 'no key at all'}: {', '.join(signature.packages)}"
             for signature in untrusted]
    return Refused(
        "\n  ".join(["packages are signed by keys that the image does not trust:", *lines]),
        hint="Compare the fingerprints with those that the vendors publish, then add"
             " --trust-key=FINGERPRINT, or add --trust-keys for all keys of the bundles. Packages"
             " without a signature need --nogpgcheck.")


def changed_origins(rehearsal: Rehearsal, order: Order) -> List[PluginAction]:
    """Return the plugins of another origin than the plugin in the image or the other image.

    A plugin of the other image may come from elsewhere, but has to have the same keys, or
    without keys the same vendor. A bundle that is kept on that image is the same.
    """
    changed = []
    for plugin in (plugin for plan in rehearsal.plans for plugin in plan.plugins):
        old = order.replayed.get(plugin.name)
        if plugin.old_origin is not None:
            changed.append(plugin)
        elif old is not None and plugin.origin is not None and plugin.source not in order.sources:
            there = dataclasses.replace(plugin.origin, location=old.origin.location)
            if not old.accepts_origin(there, old.source):
                changed.append(dataclasses.replace(
                    plugin, old_version=old.version, old_origin=old.origin))
    return changed


def refused_origins(rehearsal: Rehearsal, order: Order,
                    accepted: Collection[str]) -> Optional[Refused]:
    """Return the error for plugins whose origin changes, None if all these are ``accepted``."""
    changed = [plugin for plugin in changed_origins(rehearsal, order)
               if plugin.name not in accepted]
    return origins.refusal(changed, accepting="add") if changed else None

