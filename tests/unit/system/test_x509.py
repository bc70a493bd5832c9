"""Certificates in DER, and changed bytes of one."""
from __future__ import annotations

import random

import pytest

from ovirt_node_plugin.system import x509
from tests.support.trust_root import ACME, LEAF, OTHER, der

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("certificate", "subject"), [
    (ACME, "CN=Test authority acme"), (OTHER, "CN=Test authority other"),
    (LEAF, "CN=leaf.example.com")])
def test_the_subject_of_a_certificate_is_told(certificate: str, subject: str) -> None:
    assert x509.problem(der(certificate)) == ""
    assert x509.subject(der(certificate)) == subject


@pytest.mark.parametrize(("encoding", "text"), [
    (0x0C, "Z\u00fcrich CA".encode()), (0x13, b"Zurich CA"),
    (0x1E, "Z\u00fcrich".encode("utf-16-be")),
    (0x0C, b"\xff\xfe"), (0x1E, b"odd"), (0x13, b"\x1b[2J")])
def test_a_name_in_any_encoding_is_told(encoding: int, text: bytes) -> None:
    old = bytes([0x0C, 19]) + b"Test authority acme"
    changed = der(ACME).replace(old, bytes([encoding, 19]) + text.ljust(19))
    assert changed != der(ACME) or text == old[2:]
    assert x509.subject(changed).startswith("CN=")


def test_changed_bytes_never_raise_another_error() -> None:
    chance, data = random.Random(16), der(LEAF)
    for _ in range(2000):
        changed = bytearray(data[:chance.randrange(len(data) + 1)])
        for _ in range(chance.randrange(1, 5)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        if x509.problem(bytes(changed)):
            assert x509.problem(bytes(changed)) == "it is not one certificate in DER"
            with pytest.raises(ValueError):
                x509.subject(bytes(changed))
        else:
            x509.subject(bytes(changed))
