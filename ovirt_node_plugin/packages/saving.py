"""Copy packages that a run installs, and the keys of their repositories, to a folder."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict, List, Sequence

import dnf.crypto
import hawkey

from ..errors import NodePluginError
from . import fetching, solved
from .dnf_types import DnfBase, DnfPackage, DnfRepo


def save_packages(base: DnfBase, nevras: Sequence[str], folder: Path, keys: Path) -> List[str]:
    """Copy the RPMs of ``nevras`` to ``folder``; return those that this run does not offer.

    The keys of their repositories are written to the folder ``keys``. Packages that are installed
    already are downloaded. Raises NodePluginError for a package or key that cannot be fetched.
    """
    packages = _packages(base, nevras)
    fetched = set(map(str, solved.arriving(base)))
    fetching.download(base, [package for nevra, package in packages.items()
                             if nevra not in fetched])
    for package in packages.values():
        path = Path(package.localPkg())
        shutil.copyfile(path, folder / path.name)
    for repo_id in sorted({package.reponame for package in packages.values()}):
        _save_keys(base.repos[repo_id], keys)
    return [nevra for nevra in nevras if nevra not in packages]


def _packages(base: DnfBase, nevras: Sequence[str]) -> Dict[str, DnfPackage]:
    """Return those of ``nevras`` that the transaction installs or a repository offers."""
    offered = base.sack.query(hawkey.IGNORE_EXCLUDES).available().filter(
        nevra_strict=list(nevras))
    packages = {str(package): package for package in offered}
    packages.update((str(package), package) for package in solved.arriving(base)
                    if str(package) in nevras)
    return packages


def _save_keys(repo: DnfRepo, folder: Path) -> None:
    for url in repo.gpgkey:
        try:
            keys = dnf.crypto.retrieve(url, repo)
        except (OSError, ValueError) as exc:
            raise NodePluginError(f"the key {url} of repository {repo.id} cannot be read: {exc}",
                                  hint="Leave the bundle out, or correct gpgkey.") from exc
        for key in keys:
            (folder / f"{os.path.basename(key.id_)}.asc").write_bytes(key.raw_key)
