"""Repositories that are folders of this machine, and how far their metadata fit the RPMs there."""
from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import Iterator, Optional
from urllib.parse import unquote

import hawkey

from ..errors import NodePluginError
from ..plugin.bundle import is_unpacked
from ..plugin.descriptor import METADATA_TYPE
from ..system.nevra import name_of
from ..system.trees import walk
from .dnf_types import DnfBase, DnfRepo
from .headers import read_header
from .repos import is_inside_bundle

_MOST_ENTRIES = 20_000  # of a folder that is searched


def folder_of(repo: DnfRepo) -> Optional[Path]:
    """Return the folder of ``repo``, None if it is not on this machine."""
    for url in repo.baseurl:
        if url.startswith("file:"):
            return Path("/", unquote(url[len("file:"):]).lstrip("/"))
        if url.startswith("/"):
            return Path(url)
    return None


def update_command(repo: DnfRepo) -> str:
    """Return how the metadata of ``repo`` are made again, for the end of a sentence."""
    folder = folder_of(repo)
    # without this option, createrepo_c forgets the descriptor
    command = "createrepo_c --update" + (
        " --keep-all-metadata" if repo.get_metadata_path(METADATA_TYPE) else "")
    sign = "; then sign repodata/repomd.xml again" if repo.repo_gpgcheck else ""
    if folder is None:
        return f"{command} FOLDER, on the machine that has the repository{sign}"
    if is_inside_bundle(repo) and is_unpacked(folder):
        return f"{command} repo, in the folder of the bundle, and make its tar again{sign}"
    return f"{command} {folder}{sign}"


def shown(repo: DnfRepo, path: Path) -> str:
    """Return the name in messages of the file ``path`` of a local ``repo``."""
    folder = folder_of(repo)
    if folder is not None and is_inside_bundle(repo) and is_unpacked(folder):
        return f"repo/{os.path.relpath(path, folder)} of the bundle"
    return str(path)


def unlisted(base: DnfBase, repo: DnfRepo, name: str) -> Optional[Path]:
    """Return an RPM of the package ``name`` in the folder of ``repo`` that its metadata lack."""
    folder = folder_of(repo)
    if folder is None:
        return None
    query = base.sack.query(hawkey.IGNORE_EXCLUDES).available().filter(reponame=repo.id)
    listed = {os.path.normpath(folder / package.location) for package in query}
    with contextlib.suppress(NodePluginError, OSError):
        for path in _rpms(folder, name):
            if os.path.normpath(path) not in listed and _name(path) == name:
                return path
    return None


def _rpms(folder: Path, name: str) -> Iterator[Path]:
    """Yield the RPMs below ``folder`` whose file name begins as those of the package ``name``."""
    for entry in itertools.islice(walk(folder), _MOST_ENTRIES):
        if entry.name.startswith(f"{name}-") and entry.name.endswith(".rpm") \
                and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _name(path: Path) -> str:
    """Return the name of the package in an RPM file, empty if it is none."""
    with contextlib.suppress(NodePluginError):
        return name_of(read_header(path).nevra)
    return ""
