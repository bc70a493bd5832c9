"""Hash trees of dm-verity behind a squashfs, in the format of veritysetup(8).

The superblock is that of cryptsetup's wiki, "DMVerity", the tree that of the kernel's
Documentation/admin-guide/device-mapper/verity.rst: the levels follow the superblock, the top
one first.
"""
from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..zeros import first_not_zero

MAGIC = b"verity\0\0"
_HEAD = struct.Struct("<8sII16s32sIIQH6x256s168x")
_HASH_TYPES = (0, 1)
_MIN_BLOCK_BYTES, _MAX_BLOCK_BYTES = 512, 65536


@dataclass(frozen=True)
class Verity:
    """A hash tree with its superblock at the byte ``offset`` of the squashfs.

    ``salt`` and ``root_hash`` are hexadecimal; sizes are in bytes. ``size_bytes`` is the size of
    the superblock's block and the tree; ``data_bytes`` the size of the data that it covers.
    """

    offset: int
    hash_type: int
    uuid: str
    algorithm: str
    data_block_bytes: int
    hash_block_bytes: int
    data_bytes: int
    salt: str
    root_hash: str
    size_bytes: int

    @property
    def words(self) -> str:
        """What it is."""
        return f"dm-verity data with the root hash {self.root_hash}"


def read_verity(path: Path, at: int, *, start: int, end: int) -> Optional[Verity]:
    """Return the hash tree whose superblock is at the byte ``at`` of ``path``.

    ``start`` and ``end`` are the positions of the squashfs and of the end of its file. None if
    there is no superblock, if it is not valid, or if the tree does not end at ``end``, but for
    zeros.
    """
    with open(path, "rb") as stream:
        stream.seek(at)
        raw = stream.read(_HEAD.size)
        if len(raw) < _HEAD.size or not raw.startswith(MAGIC):
            return None
        (_, version, hash_type, uuid, name, data_block, hash_block, blocks, salt_bytes,
         salt) = _HEAD.unpack(raw)
        algorithm = name.rstrip(b"\0").decode("ascii", errors="replace")
        if version != 1 or hash_type not in _HASH_TYPES or salt_bytes > len(salt) or not (
                _is_block(data_block) and _is_block(hash_block)):
            return None
        salt = salt[:salt_bytes]
        digest_bytes = _digest_bytes(algorithm)
        tree_blocks = _tree_blocks(blocks, hash_block, digest_bytes) if digest_bytes else 0
        size_bytes = (1 + tree_blocks) * hash_block
        if not tree_blocks or at + size_bytes > end:
            return None
        stream.seek(at + hash_block)
        top = stream.read(hash_block)
    if first_not_zero(path, at + size_bytes, end) is not None:
        return None
    parts = (salt, top) if hash_type == 1 else (top, salt)
    return Verity(
        offset=at - start, hash_type=hash_type, uuid=_uuid_text(uuid), algorithm=algorithm,
        data_block_bytes=data_block, hash_block_bytes=hash_block, data_bytes=blocks * data_block,
        salt=salt.hex(), root_hash=hashlib.new(algorithm, b"".join(parts)).hexdigest(),
        size_bytes=size_bytes)


def _is_block(size_bytes: int) -> bool:
    return _MIN_BLOCK_BYTES <= size_bytes <= _MAX_BLOCK_BYTES and not size_bytes & (size_bytes - 1)


def _digest_bytes(algorithm: str) -> int:
    """Return the size of a digest, 0 for an algorithm that Python does not have."""
    try:
        return hashlib.new(algorithm, usedforsecurity=False).digest_size
    except ValueError:
        return 0


def _tree_blocks(data_blocks: int, block_bytes: int, digest_bytes: int) -> int:
    """Return the number of blocks of all levels. A block has a power of two of digests."""
    per_block = block_bytes >> (digest_bytes - 1).bit_length()
    total, level = 0, data_blocks
    while level > 1:
        level = -(-level // per_block)
        total += level
    return total


def _uuid_text(uuid: bytes) -> str:
    digits = uuid.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
