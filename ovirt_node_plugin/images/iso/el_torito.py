"""The boot images of an ISO, in its El Torito boot catalog.

El Torito Bootable CD-ROM Format Specification 1.0; the lines are those of xorriso(1),
``-report_el_torito plain``.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

UEFI = "UEFI"
_BLOCK, _SECTOR = 2048, 512
_IMAGE = re.compile(r"El Torito boot img :\s*(\d+)\s+(\S+)(?:\s+\S+){4}\s+(\d+)\s+(\d+)\s*$")
_DETAIL = re.compile(r"El Torito img (path|opts|blks) :\s*(\d+)\s+(.*)")


@dataclass(frozen=True)
class BootImage:
    """A boot image: its number, from 1, its platform such as ``BIOS``, and its position.

    ``path`` is its path on the ISO, empty for an image that is no file there. ``options`` are
    the tables that the program which wrote the ISO has put into the image.
    """

    number: int
    platform: str
    path: str
    options: Tuple[str, ...]
    offset: int
    size_bytes: int

    @property
    def name(self) -> str:
        """The path, or the name of an image that is no file."""
        return self.path or f"El Torito image {self.number}"


def boot_images(lines: Sequence[str]) -> Tuple[BootImage, ...]:
    """Return the boot images that the lines of the report describe, by number.

    Without a count of blocks, which xorriso prints for some images that are no files, the size
    is that which the firmware loads.
    """
    details: Dict[Tuple[str, str], str] = {}
    for line in lines:
        match = _DETAIL.match(line)
        if match is not None:
            details[match.group(1), match.group(2)] = match.group(3).strip()
    images: List[BootImage] = []
    for match in (_IMAGE.match(line) for line in lines):
        if match is None:
            continue
        number, platform, sectors, lba = match.groups()
        blocks = details.get(("blks", number), "")
        images.append(BootImage(
            number=int(number), platform=platform, path=details.get(("path", number), ""),
            options=tuple(details.get(("opts", number), "").split()), offset=int(lba) * _BLOCK,
            size_bytes=int(blocks) * _BLOCK if blocks else int(sectors) * _SECTOR))
    return tuple(images)
