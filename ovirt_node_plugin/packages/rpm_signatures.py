"""The signature of an RPM, verified more strictly than rpm does it.

rpm judges a signature by the key alone: some versions accept keys that are expired or revoked, and
signatures by SHA-1. Here gpgv verifies the signature of the header, and the digest in the header is
compared with the payload. Both are in "Package file format" of rpm's documentation.
"""
from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import struct
from pathlib import Path
from typing import IO, List, Sequence, Tuple

import rpm

from ..errors import NodePluginError
from ..system.run import Runner
from ..system.signatures import BadSignature, Fault, Signer, verify_detached
from .dnf_types import RpmHeader
from .headers import UNCHECKED, texts_of

_LEAD_BYTES = 96
_INTRO_BYTES = 16
_PART_BYTES = 1 << 20
_OF_HEADER = ("OPENPGP", "RSAHEADER", "DSAHEADER")
_DIGESTS = {8: "sha256", 9: "sha384", 10: "sha512"}  # RFC 9580, "Hash Algorithms"


def verify_rpm(path: Path, keys: Sequence[bytes], *, run: Runner) -> Signer:
    """Return who signed the RPM file ``path``. ``keys`` are files of public keys.

    Raises BadSignature with the reason if none of the keys made a valid signature of its header,
    or if the payload is not that of the header, and NodePluginError if it is no RPM file.
    """
    try:
        with open(path, "rb") as stream:
            raw = _raw_header(stream)
            header, payload = _header(stream)
            signer = verify_detached(_signatures(raw), header, keys, run=run)
            _check_payload(raw, stream, payload, signer)
            return signer
    except (OSError, struct.error, rpm.error) as exc:
        raise NodePluginError(f"{path} is no RPM package, or cannot be read: {exc}") from exc


def _raw_header(stream: IO[bytes]) -> RpmHeader:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(UNCHECKED)
    handle = os.dup(stream.fileno())
    try:
        raw: RpmHeader = transaction.hdrFromFdno(handle)
        return raw
    finally:
        os.close(handle)


def _header(stream: IO[bytes]) -> Tuple[bytes, int]:
    """Return the bytes of the main header, and where the payload begins."""
    place = _LEAD_BYTES
    size = _size(stream, place)
    place += size + -size % 8
    size = _size(stream, place)
    stream.seek(place)
    return stream.read(size), place + size


def _size(stream: IO[bytes], place: int) -> int:
    """Return the size of the header at ``place``: an introduction, its entries, and its data."""
    stream.seek(place)
    entries, data_bytes = struct.unpack(">8xII", stream.read(_INTRO_BYTES))
    return int(_INTRO_BYTES + 16 * entries + data_bytes)


def _signatures(raw: RpmHeader) -> bytes:
    """Return the signatures of the main header; of those of header and payload there are none."""
    found: List[bytes] = []
    for tag in _OF_HEADER:
        with contextlib.suppress(KeyError, ValueError, rpm.error):  # this rpm does not know the tag
            value = raw[tag.lower()]
            for signature in value if isinstance(value, list) else [value]:
                data = base64.b64decode(signature) if isinstance(signature, str) else signature
                found += [bytes(data)] if data else []
    return b"".join(dict.fromkeys(found))


def _check_payload(raw: RpmHeader, stream: IO[bytes], place: int, signer: Signer) -> None:
    digests = texts_of(raw, "payloaddigest")
    algorithm = raw["payloaddigestalgo"]
    name = _DIGESTS.get(algorithm, "") if isinstance(algorithm, int) else ""
    if not digests or not name:
        raise BadSignature(Fault.WEAK, key=signer.signed_by,
                           detail="the header has no SHA-2 digest of the payload")
    digest = hashlib.new(name)
    stream.seek(place)
    while True:
        part = stream.read(_PART_BYTES)
        if not part:
            break
        digest.update(part)
    if digest.hexdigest() not in digests[:1]:
        raise BadSignature(Fault.ALTERED, key=signer.signed_by,
                           detail="the payload is not the one of which the header has the digest")
