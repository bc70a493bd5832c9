"""The boot configurations of an ISO: where they lie, read, and written again.

On the ISO itself, and in the FAT images from which UEFI boots: files on the ISO, or
partitions behind it.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Tuple

from ..errors import CommandError, Refused
from ..system.run import Runner
from .boot_text import BootEntry, entries
from .iso import Iso, Span, copy_span, read_span

_ENCODING = "latin-1"  # whatever the bytes are, they come out again
_MAX_BYTES = 1 << 20
_NAMES = re.compile(r"/((isolinux|syslinux|boot/(grub2?|isolinux|syslinux)|EFI/[^/]+)/"
                    r"[^/:]+\.(cfg|conf)|boot/grub2?/[^/:]+/[^/:]+\.cfg)", re.IGNORECASE)
_EFI_IMAGE = re.compile(r"El Torito img path :\s*(\d+)\s+(/.+)")
_UEFI = re.compile(r"El Torito boot img :\s*(\d+)\s+UEFI")
# as MBR and GPT have it; xorriso(1) also writes the GUID's bytes as they are on the disk
_EFI_KINDS = ("0xef", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "28732ac11ff8d211ba4b00a0c93ec93b")
_PARTITION = re.compile(r"partition (\d+)")
_FAT_END_AT, _FAT_END = 510, b"\x55\xaa"


@dataclass(frozen=True)
class BootConfiguration:
    """A configuration and its ``place``: a path on the ISO, or ``IMAGE:PATH`` in a FAT image.

    IMAGE is a path on the ISO, or ``partition N``. ``text`` is the bytes as latin-1.
    """

    place: str
    text: str

    @property
    def entries(self) -> Tuple[BootEntry, ...]:
        """The choices that boot Linux."""
        return entries(self.text)


def boot_configurations(source: Path, iso: Iso, work: Path, *,
                        run: Runner) -> Tuple[BootConfiguration, ...]:
    """Return those of the ISO ``source`` that boot Linux, by place; ``work`` is for copies.

    Raises CommandError where a FAT image cannot be read.
    """
    found = [BootConfiguration(file.path, read_span(source, file).decode(_ENCODING))
             for file in iso.files
             if _NAMES.fullmatch(file.path) and file.size_bytes <= _MAX_BYTES]
    for number, (image, span) in enumerate(_fat_images(source, iso)):
        copy = work / f"fat-{number}.img"
        copy_span(source, span, copy)
        for name in _fat_names(copy, run):
            taken = work / "configuration"
            run(["mcopy", "-n", "-o", "-i", copy, f"::{name}", taken])
            if taken.stat().st_size <= _MAX_BYTES:
                text = taken.read_bytes().decode(_ENCODING)
                found.append(BootConfiguration(f"{image}:{name}", text))
    return tuple(sorted((one for one in found if one.entries), key=lambda one: one.place))


def changed(source: Path, iso: Iso, old: Mapping[str, str], new: Mapping[str, str], work: Path, *,
            run: Runner) -> Tuple[Dict[str, Path], Dict[int, Path]]:
    """Return the host files to replace: by their paths on the ISO, and by partition number.

    ``old`` and ``new`` are texts by place. Raises Refused where a FAT image has no room.
    """
    images = dict(_fat_images(source, iso))
    files: Dict[str, Path] = {}
    for number, (place, text) in enumerate(sorted(new.items())):
        if text == old[place]:
            continue
        written = work / f"new-{number}"
        written.write_bytes(text.encode(_ENCODING, errors="replace"))
        image, _, inner = place.partition(":")
        if not inner:
            files[place] = written
            continue
        if image not in files:
            # anew, as nobody knows what became of an earlier copy
            files[image] = work / f"new-fat-{number}.img"
            copy_span(source, images[image], files[image])
        try:
            run(["mcopy", "-o", "-i", files[image], written, f"::{inner}"])
        except CommandError as exc:
            raise Refused(f"{inner} in {image} cannot be changed: {exc.output}",
                          hint="The FAT image that UEFI boots from may be full.") from exc
    partitions = {int(match.group(1)): files.pop(image) for image in list(files)
                  for match in [_PARTITION.fullmatch(image)] if match}
    return files, partitions


def _fat_images(source: Path, iso: Iso) -> Iterator[Tuple[str, Span]]:
    """Yield the FAT images that UEFI boots from: by the boot record, or by their usual name."""
    numbers = {match.group(1) for line in iso.el_torito for match in [_UEFI.match(line)] if match}
    named = {match.group(2) for line in iso.el_torito for match in [_EFI_IMAGE.match(line)]
             if match and match.group(1) in numbers}
    spans: List[Tuple[str, Span]] = [
        (file.path, file) for file in iso.files
        if file.path in named or file.path.lower().endswith("/efiboot.img")]
    spans += [(f"partition {one.number}", one) for one in iso.partitions
              if one.kind.lower() in _EFI_KINDS]
    for name, span in spans:
        with open(source, "rb") as stream:
            stream.seek(span.offset + _FAT_END_AT)
            if stream.read(len(_FAT_END)) == _FAT_END:
                yield name, span


def _fat_names(image: Path, run: Runner) -> List[str]:
    lines = run(["mdir", "-/", "-b", "-i", image, "::"]).splitlines()
    names = [line[2:] for line in lines if line.startswith("::")]
    return sorted(name for name in names if _NAMES.fullmatch(name))
