"""How far a site wants plugins to be trusted, and how far an installed one was."""
from __future__ import annotations

import enum
from dataclasses import dataclass

from .rules import LEVELS


class TrustLevel(enum.IntEnum):
    """Levels of trust, the lowest first; each one demands what those below it demand.

    ANY: packages are checked as ``gpgcheck`` of their repositories says. SIGNED: each package is
    signed by a key that the root trusts. VENDOR: those of the plugin's own repositories are signed
    by a key that the site has bound to the plugin's vendor. CATALOG: the plugin is listed in a
    catalog of supported plugins.
    """

    ANY = 0
    SIGNED = 1
    VENDOR = 2
    CATALOG = 3

    @property
    def word(self) -> str:
        """The name in configurations, options, records and answers."""
        return LEVELS[self]


def read_level(word: str) -> TrustLevel:
    """Return the level of a name. Raises ValueError for another word."""
    return TrustLevel(LEVELS.index(word))


@dataclass(frozen=True)
class InstalledTrust:
    """How far a plugin was trusted when it was installed.

    ``level`` is the highest level whose demands it is known to meet, ``floor`` the level that was
    in force, both as words. Below SIGNED nothing more than ``gpgcheck`` is looked at.
    ``nogpgcheck`` is whether an option of the command line switched checks of signatures off.
    ``signed_by`` is the fingerprint of the key that signed its archive or repomd.xml, empty without
    a checked signature.
    """

    level: str = TrustLevel.ANY.word
    floor: str = TrustLevel.ANY.word
    nogpgcheck: bool = False
    signed_by: str = ""
