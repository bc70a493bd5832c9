"""The names of packed plugins: ``VENDOR-NAME-VERSION``."""
from __future__ import annotations

import re
import unicodedata

from ...plugin.descriptor import Descriptor

_OTHERS = re.compile(r"[^A-Za-z0-9.+~_]+")
_MOST_CHARACTERS = 64


def stem(descriptor: Descriptor) -> str:
    """Return the name of the packed folder, and of its tar without ``.tar.zst``."""
    vendor = vendor_word(descriptor.vendor)
    return "-".join(filter(None, (vendor, descriptor.name, descriptor.version)))


def vendor_word(vendor: str) -> str:
    """Return a vendor's name as it is part of a file name; empty if nothing of it can be.

    Letters lose their accents, and each run of other characters than ASCII letters, digits and
    ``. + ~ _`` becomes one ``-``, none at the ends. At most 64 characters stay.
    """
    plain = "".join(char for char in unicodedata.normalize("NFKD", vendor)
                    if not unicodedata.combining(char))
    return _OTHERS.sub("-", plain)[:_MOST_CHARACTERS].strip("-.")
