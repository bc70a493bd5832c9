"""X.509 certificates in DER: whether a file is one, and whom it names (RFC 5280, X.690)."""
from __future__ import annotations

import re
from typing import Iterator, List, Tuple

# The extension basicConstraints of RFC 5280, 4.2.1.9, with cA TRUE; critical or not.
_AUTHORITY = re.compile(
    rb"\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04[\x05-\x0f]\x30[\x03-\x0d]\x01\x01\xff",
    re.DOTALL)
_INTEGER, _BIT_STRING, _OID, _SEQUENCE, _VERSION = 0x02, 0x03, 0x06, 0x30, 0xA0
# TBSCertificate of RFC 5280, 4.1, after its version: serial number, algorithm, issuer, validity,
# subject, key. What follows these is optional.
_BEGIN = [_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE]
_SUBJECT = 4
_ENCODINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be",
              0x1E: "utf-16-be"}
_ATTRIBUTES = {b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x0a": "O",
               b"\x55\x04\x0b": "OU"}

_Values = List[Tuple[int, bytes]]


def problem(data: bytes) -> str:
    """Return why ``data`` is not one certificate in DER, or an empty text."""
    if data.lstrip().startswith(b"-----BEGIN"):
        return "it is in PEM, and has to be in DER (openssl x509 -outform DER)"
    try:
        _signed_part(data)
    except ValueError:
        return "it is not one certificate in DER"
    return ""


def is_authority(data: bytes) -> bool:
    """Return whether the certificate ``data`` says that its owner may sign others."""
    return _AUTHORITY.search(data) is not None


def subject(data: bytes) -> str:
    """Return the subject of the certificate ``data``, such as ``CN=Example CA, O=Example``.

    Only country, organization, unit and common name are told, the last first; the text is empty
    if there is none of these. It is the certificate's, so it is not safe for a terminal. Raises
    ValueError if ``data`` is not one certificate in DER.
    """
    name = _signed_part(data)[_SUBJECT][1]
    try:
        pairs = [list(_values(pair)) for _, relative in _values(name)
                 for _, pair in _values(relative)]
    except ValueError:
        return ""
    return ", ".join(
        f"{_ATTRIBUTES[pair[0][1]]}={_text(*pair[1])}" for pair in reversed(pairs)
        if len(pair) == 2 and pair[0][0] == _OID and pair[0][1] in _ATTRIBUTES)


def _text(encoding: int, content: bytes) -> str:
    return content.decode(_ENCODINGS.get(encoding, "latin-1"), "backslashreplace")


def _signed_part(data: bytes) -> _Values:
    """Return the fields of a certificate from its serial number; raise ValueError otherwise."""
    outer = list(_values(data))
    parts = list(_values(outer[0][1])) if [tag for tag, _ in outer] == [_SEQUENCE] else []
    if [tag for tag, _ in parts] != [_SEQUENCE, _SEQUENCE, _BIT_STRING]:
        raise ValueError
    fields = list(_values(parts[0][1]))
    if fields[:1] and fields[0][0] == _VERSION:
        fields = fields[1:]
    if [tag for tag, _ in fields[:len(_BEGIN)]] != _BEGIN:
        raise ValueError
    return fields


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
