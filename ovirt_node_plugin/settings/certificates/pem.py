"""Check that a file has certificates in PEM and nothing else."""
from __future__ import annotations

import base64
import binascii
import re
from typing import List, Tuple

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
        if not _is_one_sequence(body):
            return "a block of that file is not a certificate"
    return ""


def blocks(data: bytes) -> Tuple[bytes, ...]:
    """Return the base64 text of each block in ``data``, without white space."""
    return tuple(b"".join(body.split()) for _, body, _ in _blocks(data))


def _blocks(data: bytes) -> List[Tuple[bytes, bytes, bytes]]:
    """Return the label at the start, the text and the label at the end of each whole block."""
    matches = (_BLOCK.match(part) for part in data.split(_BEGIN)[1:])
    return [(match[1], match[2], match[3]) for match in matches if match]


def _is_one_sequence(body: bytes) -> bool:
    """Return whether base64 text is one DER SEQUENCE (X.690, 8.1) of its stated length."""
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        return False
    if len(der) < 4 or der[0] != 0x30 or der[1] not in (0x81, 0x82, 0x83):
        return False  # no certificate is shorter than 128 bytes
    size = der[1] & 0x7F
    return int.from_bytes(der[2:2 + size], "big") == len(der) - 2 - size
