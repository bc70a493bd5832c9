"""Fingerprints and owners of keys, compared with those of GnuPG."""
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from ovirt_node_plugin.system.openpgp import PublicKey, issuer_fingerprint, read_keys

OWNERS = ("ACME <a@example.com>", "B\u00e4r <b@example.com>")


def gpg(home: Path, *words: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback",
         "--passphrase", "", *words], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A GNUPGHOME with two keys, of which the first has a subkey."""
    folder = tmp_path_factory.mktemp("gnupg")
    folder.chmod(0o700)
    for owner in OWNERS:
        gpg(folder, "--quick-generate-key", owner, "ed25519", "sign", "never")
    gpg(folder, "--quick-add-key", fingerprints(folder)[0][1], "ed25519", "sign", "never")
    yield folder
    subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)


def fingerprints(home: Path) -> List[Tuple[str, str]]:
    """Return the kind and fingerprint of each key and subkey, as GnuPG lists them."""
    kind, found = "", []
    for line in gpg(home, "--with-colons", "--list-keys").decode().splitlines():
        fields = line.split(":")
        kind = fields[0] if fields[0] in ("pub", "sub") else kind
        if fields[0] == "fpr":
            found.append((kind, fields[9].lower()))
    return found


@pytest.mark.parametrize("armor", [True, False])
def test_keys_are_read_as_gnupg_lists_them(home: Path, armor: bool) -> None:
    data = gpg(home, *(["--armor"] if armor else []), "--export")
    first, second = read_keys(data)
    assert [(kind, fingerprint) for key in (first, second)
            for kind, fingerprint in (("pub", key.fingerprint),
                                      *(("sub", name) for name in key.subkeys))] == fingerprints(
        home)
    assert (first.owner, second.owner) == OWNERS
    assert first.text == f"{first.fingerprint} {OWNERS[0]}"
    assert first.ids == tuple(name[-16:] for name in first.fingerprints)


def test_files_with_several_blocks_of_armor_are_read_as_a_whole(home: Path) -> None:
    blocks = [gpg(home, "--armor", "--export", name) for kind, name in fingerprints(home)
              if kind == "pub"]
    text = b"A comment\r\n" + b"\n".join(blocks).replace(b"\n", b"\r\n")
    assert read_keys(text) == [key for block in blocks for key in read_keys(block)]


def test_a_signature_names_the_key_that_made_it(home: Path) -> None:
    made = gpg(home, "--detach-sign", data=b"text")
    assert issuer_fingerprint(made) in {name for _, name in fingerprints(home)}


def test_damaged_data_gives_no_error(home: Path) -> None:
    for data in (gpg(home, "--export"), gpg(home, "--armor", "--export"),
                 gpg(home, "--detach-sign", data=b"text")):
        for length in range(0, len(data), 7):
            for part in (data[:length], data[length:], data[:length] + b"\xff" + data[length:]):
                assert all(isinstance(key, PublicKey) for key in read_keys(part))
                assert isinstance(issuer_fingerprint(part), str)
