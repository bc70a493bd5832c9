"""Fingerprints of keys. GnuPG is compared in tests/root/system/test_openpgp.py."""
from __future__ import annotations

import base64

import pytest

from ovirt_node_plugin.system.limits import MIB
from ovirt_node_plugin.system.openpgp import (
    issuer_fingerprint,
    key_id,
    read_fingerprint,
    read_keys,
)

pytestmark = pytest.mark.unit


def test_few_bytes_give_no_error() -> None:
    for first in range(256):
        for data in (bytes([first]), bytes([first, 255]), bytes([first, 6]) + b"\x04" * 6):
            assert len(read_keys(data)) < 2 and issuer_fingerprint(data) == ""


def test_keys_of_other_versions_have_fingerprints_of_64_digits() -> None:
    body = b"\x06" + b"\0" * 40
    (key,) = read_keys(bytes([0xc6, len(body)]) + body)
    assert len(key.fingerprint) == 64 and key.ids == (key.fingerprint[:16],)
    assert key_id("0" * 24 + "1" * 16) == "1" * 16
    assert read_keys(bytes([0xc6, 3]) + b"\x03ab") == []


def test_a_key_of_any_form_is_read_once() -> None:
    key = b"\xc6\x01\x04" + b"\xce\x01\x04" * (MIB // 3)
    assert [len(each.subkeys) for each in read_keys(key)] == [MIB // 3]
    begin, end = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
    assert read_keys(begin * (4 * MIB // len(begin))) == []
    assert read_keys(end + begin * 1000 + end) == []
    text = base64.b64encode(b"\xc6\x01\x04")
    armored = b"\n".join([begin, b"", text, end, b"text", begin, b"", text, end, begin])
    assert len(read_keys(armored)) == 2


@pytest.mark.parametrize("text", ["AB" * 20, "ab" * 32, "0x" + "ab" * 20, "abab " * 10,
                                  "ab:" * 19 + "ab", f" {'ABAB  ' * 10}"])
def test_a_fingerprint_may_be_written_in_groups(text: str) -> None:
    assert set(read_fingerprint(text)) == {"a", "b"} and len(read_fingerprint(text)) in (40, 64)


@pytest.mark.parametrize("text", ["", "ab" * 8, "ab" * 4, "ab" * 21, "x" * 40, "ab" * 20 + ",",
                                  base64.b64encode(b"a" * 30).decode()])
def test_anything_but_a_whole_fingerprint_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="40 or 64 hexadecimal digits"):
        read_fingerprint(text)
