"""What every reader of the registry goes by; imports next to nothing."""
from __future__ import annotations

import re

REGISTRY = "etc/ovirt.plugins.d"
MANIFESTS = "etc/ovirt.plugins-manifests.d"
MAX_RECORD_BYTES = 4 << 20

SIGNED = "signed"
"""Every package was signed, and its signature was checked."""
UNCHECKED = "unchecked"
"""Every package was signed, but not every signature was checked."""
UNSIGNED = "unsigned"
"""Of a package, neither a signature nor a check of it is known."""
UNKNOWN = "unknown"
"""Nothing is known of its packages."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._+\-]{0,63}")  # as plugin-name in the schemas


def is_plugin_name(text: str) -> bool:
    """Say if ``text`` can be a plugin's name, and so is safe as a file name."""
    return _NAME.fullmatch(text) is not None


def trust_of(packages: list[tuple[str, bool]]) -> str:
    """Return one word for how far a plugin's packages can be trusted.

    ``packages`` has of each its signer and whether the signature was checked. A word
    that says more is given only if it is true of all of them.
    """
    if not packages:
        return UNKNOWN
    if any(not signer and not checked for signer, checked in packages):
        return UNSIGNED
    return SIGNED if all(signer and checked for signer, checked in packages) else UNCHECKED
