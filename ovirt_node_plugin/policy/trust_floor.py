"""The level of trust below which a site installs no plugin.

The site sets it in node-plugin.conf. The command line can raise it for one run. Nothing in a
bundle, a repository or a root can lower it.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import FrozenSet, Mapping, Tuple

from ..catalog.catalogs import NO_CATALOGS, Catalogs
from ..config import Config
from ..errors import Refused, UsageError
from ..registry.rules import LEVELS
from ..registry.trust_level import TrustLevel, read_level
from .key_trust import NO_TRUST, KeyTrust
from .vendor_keys import NO_KEYS, VendorKeys, read_vendors


@dataclass(frozen=True)
class TrustFloor:
    """The level that is in force, and what decides whether a plugin reaches it.

    ``vendors`` are the keys that the site has bound to each vendor. ``trust`` are the keys that
    the command line trusts. ``nogpgcheck`` is whether it switches checks of signatures off.
    ``catalogs`` are those of the site.
    """

    level: TrustLevel = TrustLevel.ANY
    vendors: Mapping[str, VendorKeys] = field(default_factory=dict)
    trust: KeyTrust = NO_TRUST
    nogpgcheck: bool = False
    catalogs: Catalogs = NO_CATALOGS

    def keys_of(self, vendor: str) -> VendorKeys:
        """Return the keys that the site has bound to a vendor."""
        return self.vendors.get(vendor, NO_KEYS)

    @property
    def key_files(self) -> Tuple[bytes, ...]:
        """The contents of all files of keys that the site has bound to vendors."""
        return tuple(data for keys in self.vendors.values() for data in keys.files)

    @property
    def trusted_keys(self) -> KeyTrust:
        """The keys that are imported without a question."""
        return replace(self.trust, bound=self.fingerprints - self.trust.fingerprints)

    @property
    def fingerprints(self) -> FrozenSet[str]:
        """The keys that are trusted without a question: by the command line, or by a binding."""
        return self.trust.fingerprints.union(
            *(keys.fingerprints for keys in self.vendors.values()))


NO_FLOOR = TrustFloor()


def read_floor(config: Config, *, option: str = "", trust: KeyTrust = NO_TRUST,
               nogpgcheck: bool = False, catalogs: Catalogs = NO_CATALOGS) -> TrustFloor:
    """Return the floor of ``config``, raised to the level that the ``option`` --trust names.

    Raises UsageError for a word that is no level, Refused for one below that of ``config``, and
    for --nogpgcheck where packages have to be signed.
    """
    level = config.trust
    if option and option not in LEVELS:
        raise UsageError(f"--trust={option} is no level of trust",
                         hint=f"The levels are {', '.join(LEVELS)}.")
    if option and read_level(option) < level:
        raise Refused(f"--trust={option} is below the level of trust of this site, {level.word}",
                      hint="The option can only raise it. trust in"
                           " /etc/dnf/plugins/node-plugin.conf sets it.")
    level = max(level, read_level(option) if option else level)
    if nogpgcheck and level >= TrustLevel.SIGNED:
        raise Refused(f"--nogpgcheck is not allowed at the level of trust {level.word}, which"
                      " demands signatures", hint="Leave the option out.")
    if level >= TrustLevel.CATALOG and not catalogs:
        raise Refused("the level of trust catalog demands a catalog of plugins, and none is"
                      " configured", hint="Set catalog and catalog_key, or trust = vendor, in"
                                          " /etc/dnf/plugins/node-plugin.conf.")
    return TrustFloor(level=level, vendors=read_vendors(config.vendors), trust=trust,
                      nogpgcheck=nogpgcheck, catalogs=catalogs)
