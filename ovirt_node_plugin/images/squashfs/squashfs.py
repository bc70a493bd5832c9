"""Read the superblock of a squashfs, and pack and unpack squashfs images."""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, List, Optional

from ...errors import BadImage, Refused
from ...system.run import Polled, Runner, StrPath, explained
from ...system.source_date import source_date
from .compression import Compression, decode_options

# squashfs 4.0: the kernel's Documentation/filesystems/squashfs.rst; little endian
_HEAD = struct.Struct("<5I6H8Q")
_MAGIC = 0x73717368
PADDING_BYTES = 4096  # mksquashfs(1), "-nopad"
_OLD_VERSIONS = (1, 2, 3)  # their superblock has the version in the same place
NO_XATTRS = 0x200
_FLAGS = ((0x1, "-noI"), (0x2, "-noD"), (0x8, "-noF"), (0x10, "-no-fragments"),
          (0x20, "-always-use-fragments"), (0x100, "-noX"), (NO_XATTRS, "-no-xattrs"),
          (0x800, "-noId"))
_DEDUPLICATED, _EXPORT, _OPTIONS = 0x40, 0x80, 0x400
# Otherwise mksquashfs writes an empty file for one that it cannot read, and ends with 0
_STRICT = ("-exit-on-error",)
# The default of mksquashfs is a quarter of the machine's memory
_MEMORY = "768M"
_DISK = ("Check that the disk of --work-dir works and has free space, and compare the image with"
         " its published checksum.")
_IMAGE = "Compare the image with its published checksum. If it is right, report this as a bug."
# The unsquashfs of these versions can write holes in the wrong places: first, first fixed one
_BROKEN = ((4, 7, 0), (4, 7, 5))


@dataclass(frozen=True)
class Superblock:
    """The superblock of a squashfs. Sizes are in bytes."""

    compression: Compression
    block_size: int
    flags: int
    bytes_used: int


def read_superblock(path: Path, *, offset: int = 0) -> Superblock:
    """Return the superblock of the squashfs that begins at the byte ``offset`` of ``path``.

    Raises BadImage if there is none, or if it is not valid.
    """
    with open(path, "rb") as stream:
        stream.seek(offset)
        raw = stream.read(_HEAD.size)
        if len(raw) < _HEAD.size:
            raise _bad(path, "is too short")
        head = _HEAD.unpack(raw)
        if head[0] != _MAGIC:
            raise _bad(path, "has no superblock")
        flags, major, minor, block_size, log = head[7], head[9], head[10], head[3], head[6]
        if major in _OLD_VERSIONS:
            raise BadImage(f"the squashfs in {path} is of version {major}.{minor}; only 4.0 is"
                           " supported", hint="Unpack it with unsquashfs, and pack it again with"
                                              " mksquashfs.")
        if major != 4 or not 12 <= log <= 20 or block_size != 1 << log:
            raise _bad(path, "has a superblock that is not valid")
        stream.seek(0, 2)
        if head[12] > stream.tell() - offset:
            raise _bad(path, f"is truncated: it has {stream.tell() - offset} bytes instead of"
                             f" {head[12]}")
        stream.seek(offset + _HEAD.size)
        options = _options(stream) if flags & _OPTIONS else b""
    return Superblock(compression=decode_options(head[5], options), block_size=block_size,
                      flags=flags, bytes_used=head[12])


def pack_options(superblock: Superblock, *,
                 recompress: Optional[Compression] = None) -> List[str]:
    """Return the options of mksquashfs(1) for a squashfs with the properties of ``superblock``.

    ``recompress`` replaces the compression.
    """
    compression = recompress or superblock.compression
    words = ["-comp", compression.name, *compression.options, "-b", str(superblock.block_size)]
    words += [option for bit, option in _FLAGS if superblock.flags & bit]
    if not superblock.flags & _DEDUPLICATED:
        words.append("-no-duplicates")
    if not superblock.flags & _EXPORT:
        words.append("-no-exports")
    return words


def pack(folder: Path, output: Path, superblock: Superblock, *, padded: bool = True,
         recompress: Optional[Compression] = None, run: Runner, polled: Polled = None) -> None:
    """Pack the tree ``folder`` into the new file ``output``, with ``pack_options``.

    ``padded`` makes its size a multiple of PADDING_BYTES.
    With SOURCE_DATE_EPOCH, that is the time in the superblock; no time of a file is changed.
    ``polled`` is as in ``run``. Raises RolledBack if mksquashfs fails, or cannot read a file.
    """
    date = source_date()
    dated = ["-mkfs-time", str(date)] if date is not None else []
    with explained("the root cannot be packed into a squashfs", hint=_IMAGE, disk_hint=_DISK):
        run(["mksquashfs", folder, output, *pack_options(superblock, recompress=recompress),
             *dated, *([] if padded else ["-nopad"]), "-noappend", "-no-progress",
             "-no-recovery", *_STRICT, "-mem", _MEMORY], polled=polled)


def unpack(image: Path, to: Path, *, offset: int = 0, run: Runner,
           polled: Polled = None) -> None:
    """Unpack the squashfs at the byte ``offset`` of ``image`` into the new folder ``to``.

    Raises Refused for a version of unsquashfs that is known to damage files, and RolledBack if
    it fails.
    """
    _refuse_broken_version(run)
    argv: List[StrPath] = ["unsquashfs", "-no-progress", "-quiet", "-dest", to]
    if offset:
        argv += ["-offset", str(offset)]
    with explained(f"the squashfs in {image} cannot be unpacked", hint=_IMAGE, disk_hint=_DISK):
        run([*argv, image], polled=polled)


def _refuse_broken_version(run: Runner) -> None:
    text = run(["unsquashfs", "-version"], ok=(0, 1))
    match = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", text)
    if match is not None:
        version = tuple(int(part or 0) for part in match.groups())
        if _BROKEN[0] <= version < _BROKEN[1]:
            raise Refused(f"unsquashfs {'.'.join(map(str, version))} can damage sparse files",
                          hint="Install squashfs-tools 4.7.5 or later, or 4.6.")


def _options(stream: BinaryIO) -> bytes:
    (size,) = struct.unpack("<H", stream.read(2).ljust(2, b"\0"))
    return stream.read(size & 0x7FFF)


def _bad(path: Path, problem: str) -> BadImage:
    return BadImage(f"the squashfs in {path} {problem}",
                    hint="Compare the image with its published checksum, or download it again.")
