"""Check that a file has certificates in PEM and nothing else."""
from __future__ import annotations

import base64
import binascii
import re
from typing import List, Tuple

from ...system import x509

_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"([^-\n]+)-----(.*?)-----END ([^-\n]+)-----", re.DOTALL)


def problem(data: bytes) -> str:
    """Return why ``data`` is not only certificates in PEM (RFC 7468), or an empty text.

    openssl(1) is not used: it reads the first block only, and other blocks, such as a
    private key, matter here. Whether they are CA certificates is checked by
    update-ca-trust.
    """
    all_blocks = _blocks(data)
    if not all_blocks or len(all_blocks) != data.count(_BEGIN):
        return "that file has no complete block of PEM"
    for begin, body, end in all_blocks:
        if begin != b"CERTIFICATE" or end != begin:
            return f"that file has a {begin.decode('ascii', 'replace')}, not only certificates"
        if x509.problem(_der(body)):
            return "a block of that file is not a certificate"
    return ""


def blocks(data: bytes) -> Tuple[bytes, ...]:
    """Return the base64 text of each block in ``data``, without white space."""
    return tuple(b"".join(body.split()) for _, body, _ in _blocks(data))


def certificates(data: bytes) -> List[bytes]:
    """Return the certificates in ``data``, each in DER; ``data`` has no problem."""
    return [_der(body) for _, body, _ in _blocks(data)]


def _blocks(data: bytes) -> List[Tuple[bytes, bytes, bytes]]:
    """Return the label at the start, the text and the label at the end of each whole block."""
    matches = (_BLOCK.match(part) for part in data.split(_BEGIN)[1:])
    return [(match[1], match[2], match[3]) for match in matches if match]


def _der(body: bytes) -> bytes:
    """Return what base64 text stands for, nothing if it is not base64."""
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return b""
