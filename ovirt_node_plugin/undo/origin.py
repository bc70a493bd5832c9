"""Whether this machine wrote a journal: a key of the machine, outside of all roots.

A root may come from somebody else, with a journal in it that restores whatever they chose.
"""
from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from ..system.regular_files import read_regular

KEY = Path("/etc/ovirt-node-plugin/journal.key")
_KEY_BYTES = 32


def seal_of(data: bytes) -> str:
    """Return the authentication code of ``data`` by this machine's key, in hexadecimal.

    The key is made first if there is none. If it cannot be made, the result is empty: then
    nothing counts as this machine's own.
    """
    key = _key()
    if not key:
        with contextlib.suppress(OSError):
            _make_key()
        key = _key()
    return hmac.new(key, data, "sha256").hexdigest() if key else ""


def is_own(data: bytes, seal: str) -> bool:
    """Return whether ``seal`` is the result of ``seal_of`` for ``data`` on this machine."""
    key = _key()
    return bool(key) and hmac.compare_digest(hmac.new(key, data, "sha256").hexdigest(), seal)


def _key() -> bytes:
    """Return the key; empty if there is none."""
    with contextlib.suppress(OSError):
        key = read_regular(KEY, max_bytes=_KEY_BYTES)
        if len(key) == _KEY_BYTES:
            return key
    return b""


def _make_key() -> None:
    """Write the key; of several processes that do so at once, the first wins."""
    KEY.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=KEY.parent, prefix=".journal.key.") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, KEY)
