"""What the signature of a repository's index, ``repomd.xml.asc``, covers in a bundle.

The index has the checksum of each file of metadata. So a signed index vouches for a descriptor and
files that are in the metadata, and for copies that are equal to them.
"""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Dict, Optional

from ..errors import BadBundle
from ..plugin import bundle_files
from ..plugin.bundle import Bundle, is_inside
from ..plugin.descriptor import METADATA_TYPE
from ..system.limits import METADATA_BYTES, REPOMD_BYTES
from ..system.regular_files import read_regular
from ..system.xml import parse_xml
from .metadata import read_bundle_files, read_metadata

_INDEX = "repodata/repomd.xml"
_SUFFIX = ".asc"


def index_signature(bundle: Bundle) -> Optional[Path]:
    """Return the signature of the index of the repository in ``bundle``; None without one."""
    if bundle.repository is None:
        return None
    path = bundle.repository / f"{_INDEX}{_SUFFIX}"
    return path if path.is_file() else None


def read_index(signature: Path) -> bytes:
    """Return the index that a signature is for."""
    return read_regular(signature.with_suffix(""), max_bytes=REPOMD_BYTES, follow=True)


def covers(index: bytes, bundle: Bundle) -> bool:
    """Return whether the metadata that ``index`` lists have descriptor and files of ``bundle``."""
    if bundle.repository is None:
        return False
    listed = _listed(index, bundle.repository)
    if METADATA_TYPE not in listed:
        return False
    files = listed.get(bundle_files.METADATA_TYPE)
    descriptor = bundle.descriptor
    return (read_metadata(listed[METADATA_TYPE]) == descriptor.source_xml
            and (read_bundle_files(files, repo_id=descriptor.name) if files is not None else {})
            == dict(descriptor.files))


def _listed(index: bytes, repository: Path) -> Dict[str, Path]:
    """Return the files of the two types of metadata of plugins, if they have their checksums."""
    document = parse_xml(index, origin=str(repository / _INDEX), error=BadBundle)
    found: Dict[str, Path] = {}
    for data in document.root.children:
        kind, href, digest = data.get("type"), "", ""
        for child in data.children:
            href = child.get("href") or href
            if child.tag.rpartition("}")[2] == "checksum" and child.get("type") == "sha256":
                digest = child.text.strip()
        if kind in (METADATA_TYPE, bundle_files.METADATA_TYPE) and href and is_inside(href):
            path = repository / href
            content = read_regular(path, max_bytes=METADATA_BYTES, follow=True)
            if hashlib.sha256(content).hexdigest() == digest:
                found[kind] = path
    return found
