"""Check and make hash trees of dm-verity by veritysetup(8), and name their values in texts."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List

from ...errors import BadImage, RolledBack
from ...system.run import Runner, StrPath, explained
from ..mounts import loop_device
from ..workspace import DISK_HINT
from .verity import Verity, read_verity

_DAMAGED = "Compare the image with its published checksum, or download it again."
_BUG = "Report this as a bug, with the log of --log."
# What stands for the values of a hash tree in a text that is kept for another tree
_HASH, _OFFSET = "@root-hash@", "@hash-offset@"


def check_verity(file: Path, verity: Verity, *, start: int, run: Runner) -> None:
    """Raise BadImage if the squashfs at the byte ``start`` of ``file`` differs from its tree."""
    with explained(f"the squashfs in {file} does not match its dm-verity data", BadImage,
                   hint=_DAMAGED), loop_device(
                       file, start, verity.offset + verity.size_bytes, run=run) as device:
        run(["veritysetup", "verify", device, device, verity.root_hash,
             f"--hash-offset={verity.offset}"])


def add_verity(squashfs: Path, old: Verity, *, run: Runner) -> Verity:
    """Add a hash tree with the properties of ``old`` to a new ``squashfs``, and return it."""
    block_bytes = max(old.data_block_bytes, old.hash_block_bytes)
    offset = -(-squashfs.stat().st_size // block_bytes) * block_bytes
    os.truncate(squashfs, offset)
    argv: List[StrPath] = [
        "veritysetup", "format", squashfs, squashfs, f"--hash-offset={offset}",
        f"--hash={old.algorithm}", f"--format={old.hash_type}", f"--uuid={old.uuid}",
        f"--salt={old.salt or '-'}", f"--data-blocks={offset // old.data_block_bytes}",
        f"--data-block-size={old.data_block_bytes}", f"--hash-block-size={old.hash_block_bytes}"]
    with explained("the dm-verity data of the new squashfs cannot be made", hint=_BUG,
                   disk_hint=DISK_HINT):
        run(argv)
    verity = read_verity(squashfs, offset, start=0, end=squashfs.stat().st_size)
    if verity is None:
        raise RolledBack("veritysetup has written no dm-verity data", hint=_BUG)
    return verity


def without_values(text: str, verity: Verity) -> str:
    """Return ``text`` with marks for the root hash and the offset of ``verity``."""
    text = re.sub(re.escape(verity.root_hash), _HASH, text, flags=re.IGNORECASE)
    return re.sub(rf"(\bhash-offset=){verity.offset}\b", rf"\1{_OFFSET}", text)


def with_values(text: str, verity: Verity) -> str:
    """Return ``text`` with the values of ``verity`` for the marks of ``without_values``."""
    return text.replace(_HASH, verity.root_hash).replace(_OFFSET, str(verity.offset))
