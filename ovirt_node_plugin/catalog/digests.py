"""The digest of what a plugin has besides its packages: the descriptor and the files."""
from __future__ import annotations

import hashlib

from ..plugin.descriptor import DESCRIPTOR_NAME, Descriptor


def digest_of(descriptor: Descriptor) -> str:
    """Return the SHA-256 of the descriptor and of the files of a bundle, in hexadecimal.

    It is that of lines with the SHA-256 of each file, two blanks and its name, as sha256sum(1)
    prints them for node-plugin.xml and then for the files in files/, sorted by name.
    """
    files = [(DESCRIPTOR_NAME, descriptor.source_xml), *sorted(descriptor.files.items())]
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files)
    return hashlib.sha256(lines.encode()).hexdigest()
