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
def signing_key(key: SigningKey, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the fingerprint of ``key``, which rpmsign finds; its wrapper is below ``folder``.

    The path of the key's folder is short, as unix(7) limits the name of a socket to 108 bytes.
    """
    home, programs = Path("/tmp", f"gpg-{os.getpid()}"), folder / "programs"
    shutil.copytree(key.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    home.chmod(0o700)
    programs.mkdir()
    # rpm's macro names /usr/bin/gpg2, which Debian does not have
    rpmsign = programs / "rpmsign"
    rpmsign.write_text(f'#!/bin/sh\nexec {shutil.which("rpmsign")} '
                       f'--define "__gpg {shutil.which("gpg")}" "$@"\n')
    rpmsign.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("GNUPGHOME", str(home))
    yield key.fingerprint
    run(["gpgconf", "--homedir", home, "--kill", "all"], ok=range(256))
    shutil.rmtree(home, ignore_errors=True)
