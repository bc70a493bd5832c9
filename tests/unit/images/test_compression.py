"""Compression of a squashfs, from the command line and from a superblock."""
from __future__ import annotations

import struct

import pytest

from ovirt_node_plugin.errors import BadImage, UsageError
from ovirt_node_plugin.images.squashfs.compression import (
    Compression,
    decode_options,
    parse_compression,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("text", "options"), [
    ("gzip", ()), ("gzip:1", ("-Xcompression-level", "1")), ("xz", ()),
    ("xz:x86", ("-Xbcj", "x86")), ("zstd:03", ("-Xcompression-level", "3")), ("lz4", ()),
    ("lz4:hc", ("-Xhc",)), ("lzo:9", ("-Xcompression-level", "9"))])
def test_a_compressor_and_its_level_are_parsed(text: str, options: "tuple[str, ...]") -> None:
    assert parse_compression(text) == Compression(text.partition(":")[0], options)


@pytest.mark.parametrize("text", ["", "bzip2", "zstd:0", "zstd:23", "zstd:-1", "zstd:x", "zstd: 3",
                                  "xz:6", "lz4:9", "gzip:10", "gzip:1:2", "zstd:³"])
def test_an_unknown_compressor_or_level_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_compression(text)


@pytest.mark.parametrize(("number", "raw", "expected"), [
    (1, b"", "gzip"),
    (1, struct.pack("<IHH", 9, 15, 0), "gzip"),
    (1, struct.pack("<IHH", 1, 10, 3),
     "gzip -Xcompression-level 1 -Xwindow-size 10 -Xstrategy default,filtered"),
    (4, struct.pack("<II", 1 << 17, 1), "xz -Xbcj x86 -Xdict-size 131072"),
    (3, struct.pack("<II", 4, 8), "lzo -Xalgorithm lzo1x_999 -Xcompression-level 8"),
    (3, struct.pack("<II", 0, 0), "lzo -Xalgorithm lzo1x_1"),
    (5, struct.pack("<II", 1, 1), "lz4 -Xhc"),
    (5, struct.pack("<II", 1, 0), "lz4"),
    (6, struct.pack("<I", 19), "zstd -Xcompression-level 19"),
])
def test_options_of_a_superblock_become_mksquashfs_options(
        number: int, raw: bytes, expected: str) -> None:
    assert str(decode_options(number, raw)) == expected


@pytest.mark.parametrize(("number", "raw"), [
    (0, b""), (7, b""), (1, b"x"), (4, b"12345"),
    (4, struct.pack("<II", 1 << 17, 64)), (1, struct.pack("<IHH", 9, 15, 64)),
    (3, struct.pack("<II", 9, 9))])
def test_a_damaged_superblock_is_reported(number: int, raw: bytes) -> None:
    with pytest.raises(BadImage):
        decode_options(number, raw)
