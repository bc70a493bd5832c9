"""The name of a module of the SELinux policy, from its file.

The formats are those of libsepol: a package (semodule_package(8)) with a module in one of its
sections, or the module alone, each also compressed by bzip2.
"""
from __future__ import annotations

import bz2
import struct
from typing import Tuple

_PACKAGE, _MODULE = 0xF97CFF8F, 0xF97CFF8D
_KIND = b"SE Linux Module"
_NOT_BASE = 2
_MOST_SECTIONS = 16
_MOST_NAME = 255
_READ_BYTES = 1 << 20


def module_name(content: bytes) -> str:
    """Return the name in the file of a module, empty if the file is none that can be read."""
    try:
        data = _plain(content)
        return next(filter(None, (_name(data, place) for place in _sections(data))), "")
    except (struct.error, OSError, EOFError, ValueError):
        return ""


def _plain(content: bytes) -> bytes:
    if content.startswith(b"BZh"):
        return bz2.BZ2Decompressor().decompress(content, max_length=_READ_BYTES)
    return content


def _sections(data: bytes) -> Tuple[int, ...]:
    """Return the places of the sections in ``data``, little-endian as all its numbers."""
    magic, = struct.unpack_from("<I", data)
    if magic != _PACKAGE:
        return (0,)
    _version, count = struct.unpack_from("<II", data, 4)
    return struct.unpack_from(f"<{min(count, _MOST_SECTIONS)}I", data, 12)


def _name(data: bytes, place: int) -> str:
    """Return the name of the module in the section at ``place``, empty if that is no module."""
    magic, = struct.unpack_from("<I", data, place)
    if magic != _MODULE:
        return ""
    length, = struct.unpack_from("<I", data, place + 4)
    if length != len(_KIND) or data[place + 8:place + 8 + length] != _KIND:
        return ""
    # kind of module, version, configuration, numbers of two tables, then the name with its length
    kind, _, _, _, _, named = struct.unpack_from("<6I", data, place + 8 + length)
    start = place + 8 + length + 24
    if kind != _NOT_BASE or named > _MOST_NAME:
        return ""
    return data[start:start + named].decode("ascii")
