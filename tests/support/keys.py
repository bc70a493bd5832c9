"""A throw-away GPG key, and RPMs signed with it."""
from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from ovirt_node_plugin.system.run import run

_EVERY_STATUS = range(256)


@dataclass(frozen=True)
class SigningKey:
    """A key pair in a folder of its own.

    ``path`` is the armored public key on this machine, ``fingerprint`` 40 upper-case
    hex digits; ``home`` keeps the GNUPGHOME with the secret key.
    """

    path: Path
    fingerprint: str
    home: Path

    @property
    def url(self) -> str:
        """The public key as a ``gpgkey=`` line names it."""
        return f"file://{self.path}"

    def sign(self, rpms: Sequence[Path]) -> None:
        """Sign RPM files in place; one that has a signature gets this one instead."""
        if not rpms:
            return
        with _gnupg_home(self.home) as home:
            run(["env", f"GNUPGHOME={home}", "rpmsign",
                 "--define", f"__gpg {shutil.which('gpg')}",
                 "--define", f"_gpg_name {self.fingerprint}", "--addsign", *rpms])


def make_key(folder: Path, *,
             user: str = "Node Plugin Fixtures <fixtures@example.com>") -> SigningKey:
    """Make a key for ``user`` in ``folder``, which must not exist yet."""
    folder.mkdir(parents=True)
    with _gnupg_home(None) as home:
        gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
        # RSA, because rpm 4.16 and 4.20 alike take it, with and without Sequoia.
        run([*gpg, "--passphrase", "", "--pinentry-mode", "loopback",
             "--quick-generate-key", user, "rsa2048", "sign", "never"])
        (folder / "RPM-GPG-KEY-fixtures").write_text(run([*gpg, "--armor", "--export"]))
        _copy_home(home, folder / "secret")
        listing = run([*gpg, "--with-colons", "--list-keys"])
    # GnuPG's doc/DETAILS: the tenth field of an "fpr" line.
    fingerprint = next(line.split(":")[9] for line in listing.splitlines()
                       if line.startswith("fpr:"))
    (folder / "fingerprint").write_text(f"{fingerprint}\n")
    return load_key(folder)


def load_key(folder: Path) -> SigningKey:
    """Return the key that ``make_key`` made in ``folder``."""
    return SigningKey(path=folder / "RPM-GPG-KEY-fixtures",
                      fingerprint=(folder / "fingerprint").read_text().strip(),
                      home=folder / "secret")


@contextlib.contextmanager
def _gnupg_home(source: Path | None) -> Iterator[Path]:
    """Yield a GNUPGHOME, a copy of ``source`` if there is one; no agent outlives it.

    It lies in /tmp whatever TMPDIR says: the name of the agent's socket must fit
    into the 108 bytes of unix(7).
    """
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
    try:
        if source is not None:
            _copy_home(source, home)
        yield home
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], ok=_EVERY_STATUS)
        run(["gpgconf", "--homedir", home, "--remove-socketdir"], ok=_EVERY_STATUS)
        # An agent that ends takes its sockets away at the same time.
        shutil.rmtree(home, ignore_errors=True)


def _copy_home(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("S.*", "*.lock"))
    target.chmod(0o700)
