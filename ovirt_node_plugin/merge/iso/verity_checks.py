"""Check before a merge that dm-verity data of an image can be made again, with its root hash."""
from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Iterator, Mapping, Optional, Tuple

from ...errors import Refused
from ...images.image import Image
from ...images.squashfs.verity import MAGIC, Verity, read_verity
from ...images.squashfs.verity_tool import check_verity
from ...system.run import Runner
from . import iso_boot

# kernel-command-line(7), systemd-veritysetup-generator(8) and others: roothash=, usrhash=,
# verity.usrhash=. The value may be in quotes, or in a variable of GRUB.
_ROOT_HASH = re.compile(r"""\b(?:root|usr)hash=["']?([0-9a-fA-F]{32,}|\$\{?\w+\}?)""")
_SIGNED = re.compile(r"\b(?:root|usr)hashsig=|\broot-hash-signature=")
# the kernel's Documentation/admin-guide/device-mapper/dm-init.rst: with the number of blocks
_TABLE = re.compile(r"\bdm-mod\.create=")
_OFFSET = re.compile(r"\bhash-offset=(\d+)")
_OTHER = "Use an image without it."
_REMAKE = ("Make the image without dm-verity, merge into it, then add the dm-verity data to the"
           " result.")


def check_root_hashes(image: Image, work: Path, *, run: Runner) -> None:
    """Raise Refused if the dm-verity data of ``image`` cannot be made again, or is elsewhere.

    ``work`` is a folder for copies. Raises BadImage if the data does not match the squashfs.
    """
    layout = image.layout
    folder = work / "root-hashes"
    folder.mkdir()
    texts = iso_boot.read(image, folder, run=run).input_texts
    verity = layout.verity
    for message, hint in (*_wrong_arguments(texts, verity, layout.payload_path),
                          *_hash_files(image)):
        raise Refused(message, hint=hint)
    if verity is None:
        return
    assert layout.squashfs is not None
    name = layout.payload_path or layout.path
    if not layout.squashfs.bytes_used <= verity.data_bytes <= verity.offset:
        raise Refused(f"the dm-verity data behind {name} covers {verity.data_bytes} bytes, not the"
                      f" squashfs of {layout.squashfs.bytes_used}", hint=_REMAKE)
    if shutil.which("veritysetup") is None:
        raise Refused(f"behind {name} is {verity.words}, and this machine has no veritysetup to"
                      " make it again", hint="Install veritysetup, on Debian cryptsetup-bin.")
    check_verity(layout.squashfs_file, verity, start=layout.payload_offset, run=run)


def _wrong_arguments(texts: Mapping[str, str], verity: Optional[Verity],
                     payload: str) -> Iterator[Tuple[str, str]]:
    """Yield, each with a hint, the values in boot configurations that would become wrong."""
    for place, text in texts.items():
        for root_hash in _ROOT_HASH.findall(text):
            is_variable = verity is not None and root_hash.startswith("$") and (
                verity.root_hash in text.lower())
            if verity is None or not (is_variable or root_hash.lower() == verity.root_hash):
                yield (f"the boot configuration {place} names the root hash {root_hash} of"
                       f" dm-verity, which is not that of data behind {payload}", _REMAKE)
        if verity is None:
            continue
        if _SIGNED.search(text):
            yield (f"the boot configuration {place} names a signature of the root hash of the"
                   f" dm-verity data behind {payload}, which cannot be made again without its"
                   " private key", _REMAKE)
        if _TABLE.search(text):
            yield (f"the boot configuration {place} contains a table of the device mapper"
                   " (dm-mod.create=), which would not match the new dm-verity data", _REMAKE)
        for offset in _OFFSET.findall(text):
            if int(offset) != verity.offset:
                yield (f"the boot configuration {place} names the hash offset {offset}; the"
                       f" dm-verity data is at {verity.offset} of {payload}", _REMAKE)


def _hash_files(image: Image) -> Iterator[Tuple[str, str]]:
    """Yield, with a hint, the files of an ISO with a hash tree of the squashfs."""
    layout = image.layout
    for file in layout.iso.files if layout.iso is not None else ():
        with open(layout.path, "rb") as stream:
            stream.seek(file.offset)
            if stream.read(len(MAGIC)) != MAGIC:
                continue
        verity = read_verity(layout.path, file.offset, start=file.offset,
                             end=file.offset + file.size_bytes)
        blocks = -(-layout.payload_size // verity.data_block_bytes) if verity else 0
        if verity is not None and verity.data_bytes == blocks * verity.data_block_bytes:
            yield (f"{file.path} is dm-verity data of {layout.payload_path}, which would not match"
                   " the new one", _OTHER)
