"""Fingerprints and owners of keys, compared with those of GnuPG."""
from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import List, Tuple

import pytest

from ovirt_node_plugin.system.openpgp import (
    PublicKey,
    issuer_fingerprint,
    key_id,
    read_fingerprint,
    read_keys,
)

pytestmark = pytest.mark.unit

OWNERS = ("ACME <a@example.com>", "B\u00e4r <b@example.com>")


def gpg(home: Path, *words: str, data: bytes = b"") -> bytes:
    return subprocess.run(
        ["gpg", "--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback",
         "--passphrase", "", *words], input=data, stdout=subprocess.PIPE, check=True).stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GNUPGHOME with two keys, of which the first has a subkey."""
    folder = tmp_path_factory.mktemp("gnupg")
    folder.chmod(0o700)
    for owner in OWNERS:
        gpg(folder, "--quick-generate-key", owner, "ed25519", "sign", "never")
    gpg(folder, "--quick-add-key", fingerprints(folder)[0][1], "ed25519", "sign", "never")
    return folder


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
    for first in range(256):
        for data in (bytes([first]), bytes([first, 255]), bytes([first, 6]) + b"\x04" * 6):
            assert len(read_keys(data)) < 2 and issuer_fingerprint(data) == ""


def test_keys_of_other_versions_have_fingerprints_of_64_digits() -> None:
    body = b"\x06" + b"\0" * 40
    (key,) = read_keys(bytes([0xc6, len(body)]) + body)
    assert len(key.fingerprint) == 64 and key.ids == (key.fingerprint[:16],)
    assert key_id("0" * 24 + "1" * 16) == "1" * 16
    assert read_keys(bytes([0xc6, 3]) + b"\x03ab") == []


@pytest.mark.parametrize("text", ["AB" * 20, "ab" * 32, "0x" + "ab" * 20, "abab " * 10,
                                  "ab:" * 19 + "ab", f" {'ABAB  ' * 10}"])
def test_a_fingerprint_may_be_written_in_groups(text: str) -> None:
    assert set(read_fingerprint(text)) == {"a", "b"} and len(read_fingerprint(text)) in (40, 64)


@pytest.mark.parametrize("text", ["", "ab" * 8, "ab" * 4, "ab" * 21, "x" * 40, "ab" * 20 + ",",
                                  base64.b64encode(b"a" * 30).decode()])
def test_anything_but_a_whole_fingerprint_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="40 or 64 hexadecimal digits"):
        read_fingerprint(text)
