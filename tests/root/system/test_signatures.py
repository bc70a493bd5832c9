"""Detached signatures, made by GnuPG with keys of many kinds, are verified by the real gpgv.

The dates of keys are far from today's, so that no test depends on the clock.
"""
from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest

from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.system.signatures import BadSignature, Fault, Signer, verify_detached
from tests.support.gpg_keys import DATA, GpgKeys, gpg_keys

pytestmark = pytest.mark.root

LATER = "20900101T000000"
KINDS = {"vendor": "rsa2048", "other": "ed25519", "revoked": "rsa2048", "small": "rsa1024",
         "dsa": "dsa1024"}


@pytest.fixture(scope="module")
def keys() -> Iterator[GpgKeys]:
    with gpg_keys() as keys:
        for name, algorithm in KINDS.items():
            keys.add(name, algorithm)
        keys.add("expired", "ed25519", "1d")
        keys.add("future", "ed25519", at=LATER)
        yield keys


def verify(signature: bytes, *known: bytes) -> Signer:
    return verify_detached(signature, DATA, known, run=run)


def refused(signature: bytes, *known: bytes) -> BadSignature:
    with pytest.raises(BadSignature) as caught:
        verify(signature, *known)
    return caught.value


def test_the_key_of_a_valid_signature_is_told(keys: GpgKeys, tmp_path: Path) -> None:
    path = tmp_path / "-packed.tar"
    path.write_bytes(DATA)
    known = keys.export("vendor", "other")
    fingerprint = keys.fingerprint("vendor").lower()
    signer = verify_detached(keys.sign("vendor"), path, [known], run=run)
    assert signer == Signer(fingerprint, "vendor", fingerprint)
    assert signer.text == f"{fingerprint} vendor"
    binary = keys.gpg("--dearmor", data=keys.sign("vendor"))
    assert verify(binary, keys.gpg("--export", "other"), keys.gpg("--export", "vendor")) == signer
    # one of two signatures is by a key that nobody knows
    both = keys.sign("vendor") + keys.sign("other")
    assert verify(both, keys.export("vendor")) == signer


def test_each_signature_that_is_not_accepted_has_its_reason(keys: GpgKeys) -> None:
    cases = [
        (keys.sign("vendor", data=b"x"), "vendor", Fault.ALTERED, "vendor"),
        (keys.sign("vendor") + keys.sign("other", data=b"x"), "vendor other", Fault.ALTERED,
         "other"),
        (keys.sign("other"), "vendor", Fault.UNKNOWN, "other"),
        (keys.sign("expired"), "expired", Fault.EXPIRED_KEY, "expired"),
        (keys.sign("vendor", "--default-sig-expire", "1d"), "vendor", Fault.EXPIRED, "vendor"),
        (keys.sign("small"), "small", Fault.WEAK, "small"),
        (keys.sign("dsa"), "dsa", Fault.WEAK, "dsa"),
        (keys.sign("vendor", "--digest-algo", "SHA1"), "vendor", Fault.WEAK, "vendor"),
        (keys.sign("vendor", "--digest-algo", "MD5"), "vendor", Fault.WEAK, "vendor"),
        (keys.sign("future", at=LATER), "future", Fault.FUTURE, "future"),
    ]
    for signature, known, fault, name in cases:
        error = refused(signature, keys.export(*known.split()))
        assert (error.fault, error.key) == (fault, keys.fingerprint(name).lower()), error.message
        assert error.key in error.message and fault.value in error.message
    assert "RSA, 1024 bits" in refused(keys.sign("small"), keys.export("small")).message
    assert "SHA-1" in refused(keys.sign("vendor", "--digest-algo", "SHA1"),
                              keys.export("vendor")).message
    assert refused(keys.sign("vendor")).fault is Fault.UNKNOWN


def test_a_revocation_counts_in_whichever_file_of_keys_it_is(keys: GpgKeys) -> None:
    before, signature = keys.export("revoked"), keys.sign("revoked")
    assert verify(signature, before).owner == "revoked"
    keys.revoke("revoked")
    after = keys.export("revoked")
    for known in ([after], [before, after], [after, before]):
        assert refused(signature, *known).fault is Fault.REVOKED


def test_a_later_date_of_expiry_counts(keys: GpgKeys) -> None:
    keys.add("extended", "ed25519", "1d")
    old, signature = keys.export("extended"), keys.sign("extended")
    keys.gpg("--quick-set-expire", keys.fingerprint("extended"), "0")
    assert refused(signature, old).fault is Fault.EXPIRED_KEY
    assert verify(signature, old, keys.export("extended")).owner == "extended"


def test_what_is_no_detached_signature_of_all_bytes_is_refused(keys: GpgKeys) -> None:
    known = keys.export("vendor")
    whole = keys.gpg("--local-user", "vendor", "--sign", data=DATA)
    clear = keys.gpg("--local-user", "vendor", "--clearsign", data=DATA)
    text = keys.gpg("--local-user", "vendor", "--textmode", "--detach-sign", data=DATA)
    others: List[bytes] = [b"", b"text", known, whole, clear, text, b"\xff" * 100,
                           keys.sign("vendor")[:150]]
    for signature in others:
        assert refused(signature, known).fault in (Fault.UNREADABLE, Fault.ALTERED)
