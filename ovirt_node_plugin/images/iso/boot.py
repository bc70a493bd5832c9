"""Find, read and write the boot configurations of an ISO.

They are files on the ISO, and files in the FAT images that UEFI boots from. Such an image is
a file on the ISO, a partition behind it, or an image that only the boot catalog names.
"""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...errors import BadImage, CommandError, Refused
from ...system.limits import BOOT_BYTES, FAT_BYTES, FAT_CONFIGURATIONS, TEXT_BYTES
from ...system.run import Runner, explained, size_limited
from .boot_text.model import BootEntry
from .boot_text.texts import boots_linux, entries
from .el_torito import UEFI
from .iso import Iso, Span, copy_span, read_span

_ENCODING = "latin-1"  # decodes any bytes, and encodes to the same bytes
_NAMES = re.compile(
    r"/((isolinux|syslinux|boot/(grub2?|isolinux|syslinux|[^/:]+/loader)|EFI/[^/]+)/"
    r"[^/:]+\.(cfg|conf)|boot/grub2?/[^/:]+/[^/:]+\.cfg|(iso|sys)linux\.cfg"
    r"|loader/entries/[^/:]+\.conf)", re.IGNORECASE)
# the types in an MBR and in a GPT; xorriso(1) also prints the GUID's bytes in disk order
_EFI_KINDS = ("0xef", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "28732ac11ff8d211ba4b00a0c93ec93b")
_NO_FAT = "a FAT image that UEFI boots from cannot be read"
_DAMAGED = "Compare the image with its published checksum, or download it again."
_SECTOR, _FAT_END_AT, _FAT_END = 512, 510, b"\x55\xaa"


@dataclass(frozen=True)
class BootConfiguration:
    """A boot configuration. ``text`` is its bytes, decoded as latin-1.

    ``place`` is its path on the ISO, or ``IMAGE:PATH`` in a FAT image, where IMAGE is a name in
    ``Iso.spans``.
    """

    place: str
    text: str

    @property
    def entries(self) -> Tuple[BootEntry, ...]:
        """The entries that boot Linux."""
        return entries(self.text)

    @property
    def boots_from_fat(self) -> bool:
        """Whether its paths are in its FAT image: those of systemd-boot, but not of GRUB."""
        return ":/loader/" in self.place.lower()


def boot_configurations(source: Path, iso: Iso, work: Path, *,
                        run: Runner) -> Tuple[BootConfiguration, ...]:
    """Return the configurations on the ISO ``source`` that boot Linux, sorted by place.

    ``work`` is a folder for temporary copies. Raises BadImage if a FAT image cannot be read,
    or if something is larger than its limit.
    """
    files = [file for file in iso.files
             if _NAMES.fullmatch(file.path) and file.size_bytes <= TEXT_BYTES]
    _check_sum(files, BOOT_BYTES, "boot configurations", source)
    configurations = [BootConfiguration(file.path, read_span(source, file).decode(_ENCODING))
                      for file in files]
    for number, (image, span) in enumerate(_fat_images(source, iso)):
        copy = work / f"fat-{number}.img"
        copy_span(source, span, copy)
        names = _fat_names(copy, run)
        if len(names) > FAT_CONFIGURATIONS:
            raise BadImage(f"{image} in {source} has more than {FAT_CONFIGURATIONS} boot"
                           " configurations", hint=_DAMAGED)
        for name in names:
            text = _extracted(copy, name, work / "configuration", run)
            if text is not None:
                configurations.append(BootConfiguration(f"{image}:{name}", text))
        if sum(len(configuration.text) for configuration in configurations) > BOOT_BYTES:
            raise _too_large("boot configurations", BOOT_BYTES, source)
    return tuple(sorted((configuration for configuration in configurations
                         if boots_linux(configuration.text)),
                        key=lambda configuration: configuration.place))


def write_changed(source: Path, iso: Iso, old: Mapping[str, str], new: Mapping[str, str],
                  work: Path, *, run: Runner) -> Tuple[Dict[str, Path], Dict[str, Path]]:
    """Write the boot configurations that changed to host files in the folder ``work``.

    ``old`` and ``new`` are texts by place. Returns the new files by their paths on the ISO, and
    the changed FAT images by their names. Raises Refused if a FAT image has no space left.
    """
    spans = dict(_fat_images(source, iso))
    files: Dict[str, Path] = {}
    images: Dict[str, Path] = {}
    for number, (place, text) in enumerate(sorted(new.items())):
        if text == old[place]:
            continue
        written = work / f"new-{number}"
        written.write_bytes(text.encode(_ENCODING, errors="replace"))
        image, _, inner = place.partition(":")
        if not inner:
            files[place] = written
            continue
        if image not in images:
            # a fresh copy: the state of an earlier one is unknown
            images[image] = work / f"new-fat-{number}.img"
            copy_span(source, spans[image], images[image])
        with explained(f"{inner} in {image} cannot be changed", Refused,
                       hint="The FAT image that UEFI boots from may be full."):
            run(["mcopy", "-o", "-i", images[image], written, f"::{inner}"])
    return files, images


def _check_sum(spans: Sequence[Span], limit_bytes: int, words: str, source: Path) -> None:
    if sum(span.size_bytes for span in spans) > limit_bytes:
        raise _too_large(words, limit_bytes, source)


def _too_large(words: str, limit_bytes: int, source: Path) -> BadImage:
    return BadImage(f"the {words} of {source} have more than {limit_bytes} bytes", hint=_DAMAGED)


def other_images(source: Path, iso: Iso) -> List[str]:
    """Return the names of the images for UEFI that are no FAT images, and cannot be read."""
    fat = {name for name, _ in _fat_images(source, iso)}
    return [name for name, _ in _uefi_images(iso) if name not in fat]


def _uefi_images(iso: Iso) -> List[Tuple[str, Span]]:
    """Return the images that UEFI boots from, by the boot record and by their usual name."""
    named = {image.name for image in iso.boot_images if image.platform == UEFI}
    named |= {f"partition {partition.number}" for partition in iso.partitions
              if partition.kind.lower() in _EFI_KINDS}
    return [(name, span) for name, span in sorted(iso.spans.items())
            if name in named or name.lower().endswith("/efiboot.img")]


def _fat_images(source: Path, iso: Iso) -> Iterator[Tuple[str, Span]]:
    """Yield the FAT images that UEFI boots from."""
    spans = _uefi_images(iso)
    _check_sum([span for _, span in spans], FAT_BYTES, "FAT images", source)
    for name, span in spans:
        with open(source, "rb") as stream:
            stream.seek(span.offset)
            if _is_fat(stream.read(_SECTOR)):
                yield name, span


def _is_fat(sector: bytes) -> bool:
    """Return whether the first sector of an image is that of a FAT.

    These are the checks of Linux (fat_read_bpb in fs/fat/inode.c) and the signature. An image
    with another filesystem may be there too, such as macboot.img with HFS+ for Apple's firmware.
    """
    if len(sector) < _SECTOR or sector[_FAT_END_AT:] != _FAT_END:
        return False
    sector_bytes, cluster, reserved, tables, media = struct.unpack_from("<HBHB4xB", sector, 11)
    return (sector_bytes in (512, 1024, 2048, 4096) and cluster > 0
            and cluster & (cluster - 1) == 0 and reserved > 0 and tables > 0
            and (media >= 0xf8 or media == 0xf0))


def _fat_names(image: Path, run: Runner) -> List[str]:
    with explained(_NO_FAT, BadImage, hint=_DAMAGED):
        lines = run(["mdir", "-/", "-b", "-i", image, "::"]).splitlines()
    names = [line[2:] for line in lines if line.startswith("::")]
    return sorted({name for name in names if _NAMES.fullmatch(name)})


def _extracted(image: Path, name: str, copy: Path, run: Runner) -> Optional[str]:
    """Return the text of a file in a FAT image, None if it is larger than TEXT_BYTES.

    The size that the image gives may be false: mcopy(1) is stopped at that size.
    """
    copy.unlink(missing_ok=True)
    most = TEXT_BYTES + 1
    with explained(_NO_FAT, BadImage, hint=_DAMAGED):
        try:
            run(size_limited(["mcopy", "-n", "-o", "-i", image, f"::{name}", copy],
                             most_bytes=most))
        except CommandError as exc:
            if exc.returncode is None or not copy.exists() or copy.stat().st_size < most:
                raise
    data = copy.read_bytes()
    return data.decode(_ENCODING) if len(data) < most else None
