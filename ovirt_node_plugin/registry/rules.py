"""Paths, limits and names that every reader of the registry uses; imports only ``re``."""
from __future__ import annotations

import re

SIGNED = "signed"
"""Every package was signed, and its signature was checked."""
UNCHECKED = "unchecked"
"""Every package was signed, but not every signature was checked."""
UNSIGNED = "unsigned"
"""At least one package has no known signature and no known check."""
UNKNOWN = "unknown"
"""Nothing is known about its packages."""

LEVELS = ("any", "signed", "vendor", "catalog")
"""The levels of trust that a site can demand, the lowest first: see ``trust_level``."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._+\-]{0,63}")  # as plugin-name in the schemas


def is_plugin_name(text: str) -> bool:
    """Return whether ``text`` can be the name of a plugin, and so is safe as a file name."""
    return _NAME.fullmatch(text) is not None


def trust_of(packages: list[tuple[str, bool]]) -> str:
    """Return how far a plugin's packages can be trusted, as one of the constants above.

    ``packages`` has the signer of each, and whether the signature was checked. The result
    is that of the least trusted package.
    """
    if not packages:
        return UNKNOWN
    if any(not signer and not checked for signer, checked in packages):
        return UNSIGNED
    return SIGNED if all(signer and checked for signer, checked in packages) else UNCHECKED
