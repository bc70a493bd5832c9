"""Certificates in PEM, looked at closely enough to know that they are nothing else."""
from __future__ import annotations

import base64
import binascii
import re
from typing import Tuple

_BLOCK = re.compile(rb"-----BEGIN ([^-\n]+)-----(.*?)-----END ([^-\n]+)-----", re.DOTALL)


def problem(data: bytes) -> str:
    """Return what keeps ``data`` from being certificates in PEM (RFC 7468), empty if nothing.

    Checked by hand, not by openssl(1): that reads the first block and is silent about the
    rest, and what matters here is that there is nothing else, such as a private key. If
    they are certificates of authorities is for update-ca-trust to say.
    """
    found = _BLOCK.findall(data)
    if not found or len(found) != data.count(b"-----BEGIN "):
        return "that file holds no whole block of PEM"
    for begin, body, end in found:
        if begin != b"CERTIFICATE" or end != begin:
            return f"that file holds a {begin.decode('ascii', 'replace')}, not only certificates"
        if not _is_one_sequence(body):
            return "a block of that file is no certificate"
    return ""


def blocks(data: bytes) -> Tuple[bytes, ...]:
    """Return the base64 text of each block in ``data``, without white space."""
    return tuple(b"".join(body.split()) for _, body, _ in _BLOCK.findall(data))


def _is_one_sequence(body: bytes) -> bool:
    """Say if base64 text is one DER SEQUENCE (X.690, 8.1), of the length it says."""
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return False
    if len(der) < 4 or der[0] != 0x30 or der[1] not in (0x81, 0x82, 0x83):
        return False  # no certificate is shorter than 128 bytes
    size = der[1] & 0x7F
    return int.from_bytes(der[2:2 + size], "big") == len(der) - 2 - size
