"""The keys of packages: those in a root, and those that repositories offer."""
from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Mapping
from urllib.parse import unquote

import dnf.exceptions
import dnf.rpm.transaction
import dnf.util

from ..system import openpgp
from ..system.limits import KEY_BYTES
from ..system.openpgp import PublicKey
from ..system.regular_files import read_regular
from .dnf_types import DnfRepo
from .headers import texts_of


def of_root(root: Path) -> List[PublicKey]:
    """Return the keys in the root's rpm database; none of what is damaged."""
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    keys: List[PublicKey] = []
    for raw in transaction.dbMatch("name", "gpg-pubkey"):
        for text in texts_of(raw, "pubkeys"):
            with contextlib.suppress(ValueError):  # no base64
                keys += openpgp.read_keys(base64.b64decode(text))
    return keys


def offered(repos: Iterable[DnfRepo], *, network: bool = True) -> Dict[str, List[PublicKey]]:
    """Return the keys that ``repos`` offer, by the URLs of ``gpgkey``.

    What cannot be read offers none: DNF reports it when it needs the key. Without ``network``
    only files of this machine are read.
    """
    urls = {url: repo for repo in repos for url in repo.gpgkey}
    keys: Dict[str, List[PublicKey]] = {}
    for url, repo in urls.items():
        with contextlib.suppress(OSError, dnf.exceptions.Error):
            if url.startswith("file://") or network:
                keys[url] = openpgp.read_keys(_content(url, repo))
    return keys


def files(root: Path, repos: Iterable[DnfRepo], *, network: bool) -> List[bytes]:
    """Return the keys in the root's rpm database, and those that ``repos`` offer, as files.

    What cannot be read is left out. Without ``network`` only files of this machine are read.
    """
    found: Dict[bytes, None] = {}
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    for raw in transaction.dbMatch("name", "gpg-pubkey"):
        for text in texts_of(raw, "pubkeys"):
            with contextlib.suppress(ValueError):  # no base64
                found[base64.b64decode(text)] = None
    urls = {url: repo for repo in repos for url in repo.gpgkey}
    for url, offering in urls.items():
        with contextlib.suppress(OSError, dnf.exceptions.Error):
            if url.startswith("file://") or network:
                found[_content(url, offering)] = None
    return list(found)


def by_id(keys: Iterable[PublicKey]) -> Mapping[str, PublicKey]:
    """Return the keys by their ids and those of their subkeys."""
    return {name: key for key in keys for name in key.ids}


def lines(keys: Mapping[str, Collection[PublicKey]]) -> List[str]:
    """Return a line for each key that is offered, with its URL."""
    return [f"{key.text} ({url.replace('file://', '')})"
            for url, offers in keys.items() for key in offers]


def _content(url: str, repo: DnfRepo) -> bytes:
    if url.startswith("file://"):
        return read_regular(Path(unquote(url[len("file://"):])), max_bytes=KEY_BYTES, follow=True)
    with dnf.util._urlopen(url, repo=repo) as stream:
        return bytes(stream.read(KEY_BYTES))
