"""Data behind a filesystem in the same file, such as the hash tree of dm-verity.

A program that writes the filesystem anew does not write such data.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..zeros import first_not_zero
from .verity import Verity, read_verity

# The kernel's Documentation/filesystems/ext4/super.rst: blocks, their size, features, blocks
_EXT_AT, _EXT_END = 1024, 0x154
_EXT_64_BIT = 0x80
_XFS_SIZES = struct.Struct(">4sIQ")  # xfs_dsb in fs/xfs/libxfs/xfs_format.h


@dataclass(frozen=True)
class TrailingData:
    """Data that is not zero, behind a filesystem.

    ``behind`` names the filesystem; ``offset`` is the position in the file that contains it, and
    ``size_bytes`` reaches to the end of the filesystem's file. ``verity`` is the hash tree of
    dm-verity that the data begins with, if it is one.
    """

    behind: str
    offset: int
    size_bytes: int
    verity: Optional[Verity] = None

    @property
    def words(self) -> str:
        """What it is."""
        return self.verity.words if self.verity is not None else "data of unknown kind"


def data_behind_squashfs(path: Path, behind: str, *, start: int, bytes_used: int,
                         size_bytes: int) -> Optional[TrailingData]:
    """Return the data behind the squashfs ``behind``, which begins at ``start`` of ``path``.

    ``bytes_used`` is the size of the squashfs, ``size_bytes`` that of the file that contains it.
    """
    at = first_not_zero(path, start + bytes_used, start + size_bytes)
    if at is None:
        return None
    return TrailingData(behind=behind, offset=at, size_bytes=start + size_bytes - at,
                        verity=read_verity(path, at, start=start, end=start + size_bytes))


def data_behind_filesystem(path: Path, behind: str) -> Optional[TrailingData]:
    """Return the data behind the ext or xfs filesystem in the file ``path``."""
    end = path.stat().st_size
    at = first_not_zero(path, min(_filesystem_bytes(path), end), end)
    return None if at is None else TrailingData(behind=behind, offset=at, size_bytes=end - at)


def _filesystem_bytes(path: Path) -> int:
    """Return the size of an ext or xfs filesystem by its superblock."""
    with open(path, "rb") as stream:
        magic, block_bytes, blocks = _XFS_SIZES.unpack(
            stream.read(_XFS_SIZES.size).ljust(_XFS_SIZES.size, b"\0"))
        if magic == b"XFSB":
            return int(blocks * block_bytes)
        stream.seek(_EXT_AT)
        block = stream.read(_EXT_END).ljust(_EXT_END, b"\0")
    (low,), (log,), (features,), (high,) = (
        struct.unpack_from("<I", block, at) for at in (4, 0x18, 0x60, 0x150))
    blocks = low | (high << 32 if features & _EXT_64_BIT else 0)
    return int(blocks << (10 + min(log, 6)))
