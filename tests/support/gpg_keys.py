"""Keys of GnuPG that are expired, revoked or weak, whatever the clock says.

They are made and used at fixed times.
"""
from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, Sequence

from ovirt_node_plugin.system.run import run

DATA = b"the packed plugin\n"
MADE, SIGNED = "20200101T000000", "20200101T010000"


class GpgKeys:
    """Keys with one user id each, in a GNUPGHOME; they sign with ``--faked-system-time``."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def gpg(self, *words: str, data: bytes = b"", at: str = SIGNED) -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--quiet", "--pinentry-mode", "loopback",
             "--passphrase", "", "--faked-system-time", at, *words], input=data,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout

    def add(self, name: str, algorithm: str, expires: str = "never", at: str = MADE) -> None:
        self.gpg("--quick-generate-key", name, algorithm, "sign", expires, at=at)

    def fingerprint(self, name: str) -> str:
        lines = self.gpg("--with-colons", "--list-keys", name).decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def export(self, *names: str) -> bytes:
        return self.gpg("--armor", "--export", *names)

    def sign(self, by: str, *words: str, data: bytes = DATA, at: str = SIGNED) -> bytes:
        return self.gpg(*words, "--armor", "--local-user", by, "--detach-sign", data=data, at=at)

    def revoke(self, name: str) -> None:
        path = self.home / f"openpgp-revocs.d/{self.fingerprint(name)}.rev"
        self.gpg("--import", data=path.read_bytes().replace(b":---", b"---"))

    def sign_rpms(self, by: str, rpms: Sequence[Path], *words: str) -> None:
        """Sign RPM files in place."""
        extra = " ".join(["--faked-system-time", SIGNED, *words])
        run(["env", f"GNUPGHOME={self.home}", "rpmsign", "--define", f"__gpg {shutil.which('gpg')}",
             "--define", f"_gpg_sign_cmd_extra_args {extra}",
             "--define", f"_gpg_name {self.fingerprint(by)}", "--addsign", *rpms])


@contextlib.contextmanager
def gpg_keys() -> Iterator[GpgKeys]:
    """Yield keys in a folder of their own; it is in /tmp as unix(7) limits names of sockets."""
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
    try:
        yield GpgKeys(home)
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], ok=range(256))
        shutil.rmtree(home, ignore_errors=True)
