"""The key of the fixtures as rpmsign uses it."""
from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.system.run import run

from .keys import SigningKey


@contextlib.contextmanager
def signing_key(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the fingerprint of ``key``, which rpmsign finds.

    The path of the key's folder is short, as unix(7) limits the name of a socket to 108 bytes.
    """
    home = Path("/tmp", f"gpg-{os.getpid()}")
    shutil.copytree(key.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    home.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    yield key.fingerprint
    run(["gpgconf", "--homedir", home, "--kill", "all"], ok=range(256))
    shutil.rmtree(home, ignore_errors=True)
