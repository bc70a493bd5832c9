"""OpenPGP, RFC 9580: fingerprints and owners of public keys, and clear-signed texts.

No signature is checked here, but in ``signatures``.
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, replace
from typing import Dict, Iterator, List, Tuple

from .words import printable

_SIGNATURE, _KEY, _USER_ID, _SUBKEY = 2, 6, 13, 14
_ISSUER_FINGERPRINT = 33
_KEY_BEGIN = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_SIGNATURE_BEGIN = b"-----BEGIN PGP SIGNATURE-----"
_ARMOR_END = b"-----END"
# RFC 9580, "Public Key Algorithms"; what the crypto policy DEFAULT of EL9 refuses if it is shorter
_SIZED = {1: "RSA", 2: "RSA", 3: "RSA", 16: "Elgamal", 17: "DSA"}
_KEY_BITS = 2048
_TEXT_BEGIN = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?$", re.MULTILINE)
_TEXT_END = re.compile(rb"^-----BEGIN PGP SIGNATURE-----[ \t]*\r?$", re.MULTILINE)
_HEADERS_END = re.compile(rb"^[ \t]*\r?\n", re.MULTILINE)
SIGNATURE_SUFFIXES = (".asc", ".gpg", ".sign", ".sig")
"""The ends of names of a signature, after the name of the file that it signs."""
_FINGERPRINT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class PublicKey:
    """A public key: its fingerprint, in hexadecimal, its first user id, and its subkeys'.

    ``owner`` is what the key itself says, such as ``ACME <rpm@example.com>``.
    """

    fingerprint: str
    owner: str = ""
    subkeys: Tuple[str, ...] = ()

    @property
    def fingerprints(self) -> Tuple[str, ...]:
        """The fingerprints of the key and of its subkeys, by which it may sign."""
        return self.fingerprint, *self.subkeys

    @property
    def ids(self) -> Tuple[str, ...]:
        """The ids of the key and of its subkeys, 16 hexadecimal digits each."""
        return tuple(map(key_id, self.fingerprints))

    def is_named(self, name: str) -> bool:
        """Return whether ``name`` is a fingerprint or an id of the key or of a subkey."""
        return name in (*self.fingerprints, *self.ids)

    @property
    def text(self) -> str:
        """The fingerprint and the owner, as words for people."""
        return f"{self.fingerprint} {self.owner}".rstrip()


def key_id(fingerprint: str) -> str:
    """Return the id of the key with this fingerprint."""
    return fingerprint[-16:] if len(fingerprint) == 40 else fingerprint[:16]


def read_fingerprint(text: str) -> str:
    """Return the fingerprint that somebody wrote, perhaps in groups or in capitals.

    Raises ValueError for anything else, such as a short id.
    """
    plain = re.sub(r"^0x|[\s:]", "", text.lower())
    if not _FINGERPRINT.fullmatch(plain):
        raise ValueError(f"{text!a} is not a fingerprint, which has 40 or 64 hexadecimal digits")
    return plain


def read_keys(data: bytes) -> List[PublicKey]:
    """Return the public keys in a file, with armor or without; none of what is damaged."""
    blocks = _blocks(data, _KEY_BEGIN)
    keys: List[PublicKey] = []
    subkeys: List[List[str]] = []
    for tag, body in (packet for block in blocks for packet in _packets(block)):
        fingerprint = _fingerprint(body) if tag in (_KEY, _SUBKEY) else ""
        if tag == _KEY and fingerprint:
            keys.append(PublicKey(fingerprint))
            subkeys.append([])
        elif tag == _SUBKEY and fingerprint and keys:
            subkeys[-1].append(fingerprint)
        elif tag == _USER_ID and keys and not keys[-1].owner:
            keys[-1] = replace(keys[-1], owner=printable(body.decode("utf-8", "replace")))
    return [replace(key, subkeys=tuple(own)) for key, own in zip(keys, subkeys)]


def unarmored(data: bytes) -> bytes:
    """Return the packets of a file of public keys, with armor or without."""
    return b"".join(_blocks(data, _KEY_BEGIN))


def weak_keys(data: bytes) -> Dict[str, str]:
    """Return which keys and subkeys in a file are too short, by fingerprint: ``RSA, 1024 bits``."""
    weak = {}
    for block in _blocks(data, _KEY_BEGIN):
        for tag, body in _packets(block):
            if tag in (_KEY, _SUBKEY) and body[:1] == b"\x04" and body[5:6]:
                algorithm, bits = _SIZED.get(body[5], ""), int.from_bytes(body[6:8], "big")
                if algorithm and bits < _KEY_BITS:
                    weak[_fingerprint(body)] = f"{algorithm}, {bits} bits"
    return weak


def signature_packets(data: bytes) -> bytes:
    """Return the packets of detached signatures, with armor or without.

    Returns nothing for data that contains anything else, such as the signed text.
    """
    packets = []
    for tag, body in (packet for block in _blocks(data, _SIGNATURE_BEGIN)
                      for packet in _packets(block)):
        if tag != _SIGNATURE:
            return b""
        packets.append(b"\xc2\xff" + len(body).to_bytes(4, "big") + body)
    return b"".join(packets)


def _blocks(data: bytes, begin: bytes) -> List[bytes]:
    return list(map(_unarmored, _armored(data, begin))) or [data]


def issuer_fingerprint(signature: bytes) -> str:
    """Return the fingerprint of the key that a signature names; empty if it names none."""
    for tag, body in _packets(signature):
        if tag == _SIGNATURE and body[:1] in (b"\x04", b"\x06"):
            width = 2 if body[0] == 4 else 4
            start = 4
            for _ in ("hashed", "not hashed"):
                size = int.from_bytes(body[start:start + width], "big")
                start += width
                for kind, content in _subpackets(body[start:start + size]):
                    if kind == _ISSUER_FINGERPRINT:
                        return content[1:].hex()
                start += size
    return ""


def is_clear_signed(data: bytes) -> bool:
    """Return whether ``data`` contains a clear-signed text."""
    return _TEXT_BEGIN.search(data) is not None


def clear_signed_text(data: bytes) -> bytes:
    """Return the text in clear-signed ``data``, without a check of its signature.

    Raises ValueError for several such texts, or an incomplete one.
    """
    begins = list(_TEXT_BEGIN.finditer(data))
    start = _HEADERS_END.search(data, begins[0].end() + 1) if len(begins) == 1 else None
    end = _TEXT_END.search(data, start.end()) if start is not None else None
    if start is None or end is None:
        raise ValueError("several signed texts" if len(begins) > 1 else "an incomplete signed text")
    return re.sub(rb"^- ", b"", data[start.end():end.start()], flags=re.MULTILINE)


def _armored(data: bytes, begin: bytes) -> Iterator[bytes]:
    """Yield the text between each line that begins armor and the next one that ends it."""
    end = 0
    while True:
        start = data.find(begin, end)
        end = data.find(_ARMOR_END, start)
        if start < 0 or end < 0:
            return
        yield data[start + len(begin):end]


def _unarmored(block: bytes) -> bytes:
    """Return the content of armor, without its headers and checksum."""
    lines = block.replace(b"\r", b"").split(b"\n\n", 1)[-1].split()
    try:
        return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")))
    except binascii.Error:
        return b""


def _packets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield tag and content of each packet, up to one that is damaged or of partial length."""
    start = 0
    while start + 1 < len(data) and data[start] & 0x80:
        first = data[start]
        if first & 0x40:
            tag, (size, begin) = first & 0x3f, _length(data, start + 1)
        else:
            tag, width = first >> 2 & 0xf, 1 << (first & 3)
            begin = start + 1 + width
            size = int.from_bytes(data[start + 1:begin], "big") if width < 8 else -1
        if size < 0 or begin + size > len(data):
            return
        yield tag, data[begin:begin + size]
        start = begin + size


def _length(data: bytes, start: int) -> Tuple[int, int]:
    """Return a length in the newer form and where the content begins; -1 if it is partial."""
    first = data[start] if start < len(data) else 224
    if first < 192:
        return first, start + 1
    if first < 224:
        low = data[start + 1] if start + 1 < len(data) else 0
        return ((first - 192) << 8) + low + 192, start + 2
    return (int.from_bytes(data[start + 1:start + 5], "big") if first == 255 else -1), start + 5


def _subpackets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    start = 0
    while start < len(data):
        first = data[start]
        if 192 <= first < 255:  # two octets, unlike the length of a packet up to 254
            size = ((first - 192) << 8) + int.from_bytes(data[start + 1:start + 2], "big") + 192
            begin = start + 2
        else:
            size, begin = _length(data, start)
        if size < 1 or begin + size > len(data):
            return
        yield data[begin] & 0x7f, data[begin + 1:begin + size]
        start = begin + size


def _fingerprint(body: bytes) -> str:
    """Return the fingerprint of a key packet; empty for a version that has none."""
    version = body[0] if body else 0
    if version == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body,
                            usedforsecurity=False).hexdigest() if len(body) < 1 << 16 else ""
    marks = {5: b"\x9a", 6: b"\x9b"}
    return hashlib.sha256(marks[version] + len(body).to_bytes(4, "big") + body).hexdigest() \
        if version in marks else ""
