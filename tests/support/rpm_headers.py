"""RPM files with edited headers that rpmbuild does not write.

The format is documented in rpm's format_header.md: a lead of 96 bytes, a signature header
padded to eight bytes, the header, the payload. A header is an index of (tag, type, offset,
count) and the data that it refers to.
"""
from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Callable, Dict, Tuple

Tags = Dict[int, Tuple[int, int, bytes]]
"""Type, count and data of each tag."""

_LEAD_BYTES = 96
_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_WIDTHS = {0: 1, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
_STRINGS = (6, 8, 9)
_SIGNATURES, _IMMUTABLE = 62, 63
_SIZE, _MD5, _PAYLOAD_SIZE, _SHA1, _SHA256 = 1000, 1004, 1007, 269, 273


def edit_header(source: Path, dest: Path, change: Callable[[Tags], object], *,
                digests: bool = True) -> Path:
    """Write the RPM ``source`` to ``dest`` with tags edited by ``change``, unsigned."""
    data = source.read_bytes()
    signatures, end = _parse(data, _LEAD_BYTES)
    tags, payload = _parse(data, end + -end % 8)
    change(tags)
    header = _build(tags, _IMMUTABLE)
    payload_bytes = data[payload:]
    new: Tags = {
        _SIZE: (4, 1, struct.pack(">I", len(header) + len(payload_bytes))),
        _MD5: (7, 16, hashlib.md5(header + payload_bytes).digest()),
        _PAYLOAD_SIZE: signatures.get(_PAYLOAD_SIZE, (4, 1, struct.pack(">I", 10000)))}
    if digests:
        new[_SHA1] = (6, 1, hashlib.sha1(header).hexdigest().encode() + b"\0")
        new[_SHA256] = (6, 1, hashlib.sha256(header).hexdigest().encode() + b"\0")
    signed = _build(new, _SIGNATURES)
    dest.write_bytes(
        data[:_LEAD_BYTES] + signed + b"\0" * (-len(signed) % 8) + header + payload_bytes)
    return dest


def _parse(data: bytes, start: int) -> Tuple[Tags, int]:
    """Return the tags and the end of the header at ``start``."""
    count, size = struct.unpack(">II", data[start + 8:start + 16])
    begin = start + 16 + 16 * count
    tags: Tags = {}
    for number in range(count):
        tag, kind, offset, values = struct.unpack_from(">IIII", data, start + 16 + 16 * number)
        if tag in (_SIGNATURES, _IMMUTABLE):
            continue
        end = begin + offset
        if kind in _STRINGS:
            for _ in range(values):
                end = data.index(b"\0", end) + 1
        else:
            end += _WIDTHS[kind] * values
        tags[tag] = (kind, values, data[begin + offset:end])
    return tags, begin + size


def _build(tags: Tags, region: int) -> bytes:
    data, index = b"", []
    for tag, (kind, count, value) in sorted(tags.items()):
        data += b"\0" * (-len(data) % {3: 2, 4: 4, 5: 8}.get(kind, 1))
        index.append((tag, kind, len(data), count))
        data += value
    index.insert(0, (region, 7, len(data), 16))
    data += struct.pack(">IIiI", region, 7, -16 * len(index), 16)
    return (_MAGIC + struct.pack(">II", len(index), len(data))
            + b"".join(struct.pack(">IIII", *entry) for entry in index) + data)
