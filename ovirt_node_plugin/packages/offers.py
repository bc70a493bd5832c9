"""What repositories offer of packages that are installed."""
from __future__ import annotations

from pathlib import Path
from typing import Collection

import hawkey

from . import fetching
from .dnf_types import DnfBase, DnfPackage
from .headers import installed_headers, read_header


def checksum_of(package: DnfPackage) -> str:
    """Return the checksum of a package's RPM as ``TYPE:HEX``; empty if it is not known."""
    checksum = package.chksum
    return f"{hawkey.chksum_name(checksum[0])}:{checksum[1].hex()}" if checksum else ""


def offers_installed(base: DnfBase, root: Path, nevra: str, *, checksum: str,
                     repo_ids: Collection[str]) -> bool:
    """Return whether one of the repositories offers the package ``nevra`` of ``root`` itself.

    ``checksum`` is that of the RPM that was installed. An RPM that is on this machine may
    have another one, as if it was signed again, but the same header.
    """
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).available()
    for package in query.filter(nevra_strict=nevra, reponame=list(repo_ids)):
        if checksum and checksum_of(package) == checksum:
            return True
        fetching.check_locations(base, [package])
        path, installed = Path(package.localPkg()), installed_headers(root, [nevra])
        if path.is_file() and nevra in installed:
            if read_header(path).digest == installed[nevra].digest:
                return True
    return False
