"""Check that a file is one X.509 certificate in DER, as mokutil(1) imports it."""
from __future__ import annotations

from typing import Iterator, List, Tuple

_INTEGER, _BIT_STRING, _SEQUENCE, _VERSION = 0x02, 0x03, 0x30, 0xA0
# TBSCertificate of RFC 5280, 4.1, after its version: serial number, algorithm, issuer, validity,
# subject, key. What follows these is optional.
_BEGIN = [_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE]


def problem(data: bytes) -> str:
    """Return why ``data`` is not one certificate in DER, or an empty text."""
    if data.lstrip().startswith(b"-----BEGIN"):
        return "it is in PEM, and has to be in DER (openssl x509 -outform DER)"
    try:
        outer = list(_values(data))
        parts = list(_values(outer[0][1])) if [tag for tag, _ in outer] == [_SEQUENCE] else []
        if [tag for tag, _ in parts] != [_SEQUENCE, _SEQUENCE, _BIT_STRING]:
            return "it is not one certificate in DER"
        tags: List[int] = [tag for tag, _ in _values(parts[0][1])]
    except ValueError:
        return "it is not one certificate in DER"
    if tags[:1] == [_VERSION]:
        tags = tags[1:]
    return "" if tags[:len(_BEGIN)] == _BEGIN else "it is not one certificate in DER"


def _values(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield tag and content of each value in ``data`` (X.690, 8.1); raise ValueError otherwise."""
    at = 0
    while at < len(data):
        if len(data) < at + 2:
            raise ValueError
        tag, length, start = data[at], data[at + 1], at + 2
        if length > 0x80:
            count = length & 0x7F
            if count > 4:
                raise ValueError
            length, start = int.from_bytes(data[start:start + count], "big"), start + count
        elif length == 0x80:
            raise ValueError
        at = start + length
        if at > len(data):
            raise ValueError
        yield tag, data[start:at]
