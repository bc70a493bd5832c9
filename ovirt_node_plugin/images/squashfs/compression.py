"""The compression of a squashfs: decode it from the superblock, and parse it from an option."""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from ...errors import BadImage, UsageError

# The kernel's Documentation/filesystems/squashfs.rst and squashfs_fs.h.
NAMES: Dict[int, str] = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
_FILTERS = ((1, "x86"), (2, "powerpc"), (4, "ia64"), (8, "arm"), (16, "armthumb"),
            (32, "sparc"))
_STRATEGIES = ((1, "default"), (2, "filtered"), (4, "huffman_only"), (8, "run_length_encoded"),
               (16, "fixed"))
_ALGORITHMS = ("lzo1x_1", "lzo1x_1_11", "lzo1x_1_12", "lzo1x_1_15", "lzo1x_999")
_LEVELS = {"gzip": (1, 9), "lzo": (1, 9), "zstd": (1, 22)}


@dataclass(frozen=True)
class Compression:
    """A compressor and its options for mksquashfs(1), such as ``("-Xbcj", "x86")``."""

    name: str
    options: Tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name, *self.options])


def parse_compression(text: str) -> Compression:
    """Parse ``NAME`` or ``NAME:LEVEL``, ``xz:FILTER`` (BCJ) or ``lz4:hc``.

    Raises UsageError for a compressor or level that mksquashfs does not support.
    """
    name, _, parameter = text.partition(":")
    if name not in ("gzip", "lz4", "lzo", "xz", "zstd"):
        raise UsageError(f"{text}: there is no compressor {name}",
                         hint="Use gzip, lz4, lzo, xz or zstd, such as zstd:3.")
    if not parameter:
        return Compression(name)
    if name == "xz" and parameter in [word for _, word in _FILTERS]:
        return Compression(name, ("-Xbcj", parameter))
    if name == "lz4" and parameter == "hc":
        return Compression(name, ("-Xhc",))
    least, most = _LEVELS.get(name, (1, 0))
    if not re.fullmatch(r"\d{1,2}", parameter) or not least <= int(parameter) <= most:
        takes = f"a level from {least} to {most}" if most else "no level"
        raise UsageError(f"{text}: {name} takes {takes}",
                         hint="For example zstd:3, gzip:9, xz:x86 or lz4:hc.")
    return Compression(name, ("-Xcompression-level", str(int(parameter))))


def decode_options(compressor: int, raw: bytes) -> Compression:
    """Return the compression that a superblock describes.

    ``compressor`` is its number there, ``raw`` the block of options, empty if there is none.
    Raises BadImage for an unknown compressor and for damaged options.
    """
    name = NAMES.get(compressor)
    if name is None:
        raise BadImage(f"the squashfs has an unknown compressor, number {compressor}")
    readers = {"gzip": _gzip, "lzo": _lzo, "xz": _xz, "lz4": _lz4, "zstd": _zstd}
    if not raw or name not in readers:
        return Compression(name)
    try:
        return Compression(name, tuple(readers[name](raw)))
    except (struct.error, IndexError, ValueError) as exc:
        raise BadImage(f"the options of the squashfs's compressor {name} are damaged") from exc


def _gzip(raw: bytes) -> List[str]:
    level, window, strategies = struct.unpack("<IHH", raw)
    options = [] if level == 9 else ["-Xcompression-level", str(level)]
    if window != 15:
        options += ["-Xwindow-size", str(window)]
    names = _bit_names(strategies, _STRATEGIES)
    return [*options, "-Xstrategy", ",".join(names)] if names else options


def _bit_names(bits: int, known: Sequence[Tuple[int, str]]) -> List[str]:
    """Return the names of the bits that are set. Raises ValueError for an unknown bit."""
    if bits & ~sum(bit for bit, _ in known):
        raise ValueError(bits)
    return [name for bit, name in known if bits & bit]


def _lzo(raw: bytes) -> List[str]:
    algorithm, level = struct.unpack("<II", raw)
    options = ["-Xalgorithm", _ALGORITHMS[algorithm]]
    return [*options, "-Xcompression-level", str(level)] if algorithm == 4 else options


def _xz(raw: bytes) -> List[str]:
    dictionary, filters = struct.unpack("<II", raw)
    names = _bit_names(filters, _FILTERS)
    options = ["-Xbcj", ",".join(names)] if names else []
    return [*options, "-Xdict-size", str(dictionary)]


def _lz4(raw: bytes) -> List[str]:
    _, flags = struct.unpack("<II", raw)
    return ["-Xhc"] if flags & 1 else []


def _zstd(raw: bytes) -> List[str]:
    (level,) = struct.unpack("<I", raw)
    return ["-Xcompression-level", str(level)]
