"""Read an ISO: its files and boot records; and write a copy with some files replaced."""
from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Dict, Iterator, List, Mapping, Protocol, Set, Tuple

from ...errors import BadImage, RolledBack
from ...system.limits import ISO_FILES, ISO_SHARES
from ...system.run import Polled, Runner, StrPath, explained
from ...system.source_date import source_date
from . import checksum
from .el_torito import BootImage, boot_images
from .iso_attributes import IsoAttributes, read_attributes

BLOCK = 2048
# ECMA-119: the primary volume descriptor begins at sector 16; its second byte begins the name
DESCRIPTORS_AT, _MAX_DESCRIPTORS = 16, 32
_MODIFIED_AT = 830  # in the primary volume descriptor
_MBR_BYTES, _MBR_END = 512, b"\x55\xaa"
_DISK_ID = slice(440, 444)  # UEFI specification, 5.2.1: "Unique MBR Disk Signature"
_DESCRIPTOR = (DESCRIPTORS_AT * BLOCK + 1, b"CD001")
_LBA = re.compile(r"File data lba:\s*\d+ ,\s*(\d+) ,\s*\d+ ,\s*(\d+) , (.+)")
_APPENDED = re.compile(r"^-append_partition (\d+) (\S+) --interval:imported_iso:(\d+)d-(\d+)d:",
                       re.MULTILINE)
_SECTOR = 512
_GAP = re.compile(r"(GPT|APM) part\w+ \w+\s*:\s*(\d+)\s+Gap\d+$")
# The parts of boot records that do not depend on the position of files: of a boot image all
# but load size and block, of an MBR partition all but start and size
_STABLE = re.compile(r"El Torito (?:cat path|img path|img opts) .*|System area summary.*"
                     r"|GPT partition path.*|El Torito boot img :(?:\s+\S+){6}"
                     r"|MBR partition\s+:(?:\s+\S+){3}")
_TYPE = re.compile(r"(GPT|APM) (?:type GUID|partition type)\s*:\s*(\d+)\s+(\S+)")
_VOLUME_ID = re.compile(r"^Volume Id\s*:\s(.*)$", re.MULTILINE)
_QUIET = ("-no_rc", "-report_about", "WARNING", "-abort_on", "FAILURE")
_DISK = "Check that the disks of the output and of --work-dir work and have free space."
_BUG = "Report this as a bug, with the log of --log."
_DAMAGED = "Check it with checkisomd5, or download it again."


class Span(Protocol):
    """A range of bytes in the file of an ISO."""

    @property
    def offset(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True)
class IsoFile:
    """A file on the ISO: its absolute path, first block of 2048 bytes, and size in bytes."""

    path: str
    lba: int
    size_bytes: int

    @property
    def offset(self) -> int:
        """The position in the ISO, in bytes."""
        return self.lba * BLOCK


@dataclass(frozen=True)
class Partition:
    """A partition behind the files of an ISO; ``kind`` is its type as xorriso(1) prints it."""

    number: int
    kind: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Iso:
    """The content and boot records of an ISO.

    ``el_torito`` and ``system_area`` are the lines of xorriso(1)'s reports on the boot
    records, in its ``plain`` form. ``joliet`` is true if there is a second tree, with Joliet
    names. ``uuid`` is the modification time of the volume, 16 digits, from which blkid(8) and
    GRUB make a UUID; it is empty if there is none. ``gpt_guid`` is that of a GPT, empty without
    one.
    """

    volume_id: str
    files: Tuple[IsoFile, ...]
    el_torito: Tuple[str, ...]
    system_area: Tuple[str, ...]
    partitions: Tuple[Partition, ...]
    joliet: bool
    checksum: checksum.Checksum
    uuid: str = ""
    gpt_guid: str = ""

    @property
    def boot_records(self) -> Tuple[str, ...]:
        """The boot records without block addresses and sizes, which change with the files.

        Left out are also the names of GPT and APM partitions, which each writing program chooses,
        and partitions that only fill gaps.
        """
        gaps = {match.groups() for line in self.system_area for match in [_GAP.match(line)]
                if match}
        lines = [*self.el_torito, *self.system_area]
        stable = [match.group() for line in lines for match in [_STABLE.match(line)] if match]
        types = [f"{match.group(1)} type {match.group(3)}" for line in lines
                 for match in [_TYPE.match(line)] if match and match.group(1, 2) not in gaps]
        return tuple(sorted(stable + types))

    @property
    def boot_images(self) -> Tuple[BootImage, ...]:
        """The images in the El Torito boot catalog, by number."""
        return boot_images(self.el_torito)

    @property
    def spans(self) -> Dict[str, Span]:
        """The files by path, the partitions as ``partition N``, and the other boot images.

        A boot image that is no file may be a partition; then it is only that.
        """
        spans: Dict[str, Span] = {file.path: file for file in self.files}
        spans.update((f"partition {partition.number}", partition)
                     for partition in self.partitions)
        offsets = {partition.offset for partition in self.partitions}
        spans.update((image.name, image) for image in self.boot_images
                     if not image.path and image.offset not in offsets)
        return spans


@dataclass(frozen=True)
class IsoChanges:
    """The changes to make to an ISO.

    ``files`` are host files by their paths on the ISO, to add or to replace others.
    ``removed`` are paths on the ISO to remove. ``overwritten`` are host files, each of the size
    of the file, partition or boot image of that name in ``Iso.spans``, whose bytes it replaces.
    ``volume_id`` is empty to keep the present one.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    removed: Tuple[str, ...] = ()
    volume_id: str = ""
    overwritten: Mapping[str, Path] = field(default_factory=dict)


def is_iso(path: Path) -> bool:
    """Return whether ``path`` has the volume descriptor of an ISO 9660 image."""
    with open(path, "rb") as stream:
        stream.seek(_DESCRIPTOR[0])
        return stream.read(len(_DESCRIPTOR[1])) == _DESCRIPTOR[1]


def read_iso(path: Path, *, run: Runner) -> Iso:
    """Read the ISO ``path`` with xorriso(1). Raises BadImage if it cannot be read."""
    with explained(f"the ISO {path} cannot be read", BadImage, hint=_DAMAGED):
        text = run(["xorriso", *_QUIET, "-indev", f"stdio:{path}", "-pvd_info",
                    "-find", "/", "-type", "f", "-exec", "report_lba", "--"])
        # it also reports that it cannot write a boot image again
        el_torito, system_area, commands, guid = [
            run(["xorriso", *_QUIET, "-return_with", "FAILURE", "32", "-indev", f"stdio:{path}",
                 report, form])
            for report, form in (("-report_el_torito", "plain"),
                                 ("-report_system_area", "plain"),
                                 ("-report_system_area", "cmd"),
                                 ("-report_system_area", "gpt_disk_guid"))]
    if text.count("\n") > ISO_FILES:
        raise BadImage(f"the ISO {path} has more than {ISO_FILES} files", hint=_DAMAGED)
    volume_id = _VOLUME_ID.search(text)
    files = _files(path, text)
    if sum(file.size_bytes for file in files) > ISO_SHARES * path.stat().st_size:
        raise BadImage(f"the files of the ISO {path} together are more than {ISO_SHARES} times"
                       " larger than it", hint=_DAMAGED)
    partitions = [
        Partition(int(number), kind, int(first) * _SECTOR, (int(last) - int(first) + 1) * _SECTOR)
        for number, kind, first, last in _APPENDED.findall(commands)]
    return Iso(
        volume_id=volume_id.group(1).rstrip() if volume_id else "",
        files=tuple(sorted(files, key=lambda file: file.path)),
        el_torito=_lines(el_torito), system_area=_lines(system_area),
        partitions=tuple(partitions), joliet=_has_joliet(path),
        checksum=checksum.read_checksum(path), uuid=_uuid(path), gpt_guid=guid.strip())


def write_iso(source: Path, iso: Iso, output: Path, changes: IsoChanges, *, run: Runner,
              polled: Polled = None) -> None:
    """Write a copy of the ISO ``source`` with ``changes`` to the new file ``output``.

    Everything else is kept, including boot records and boot information tables, and mode and
    owner of replaced files, but for an implanted checksum, which ``finish_iso`` writes. With
    SOURCE_DATE_EPOCH, that is the time of the changed files.
    """
    date = source_date()
    argv: List[StrPath] = ["xorriso", *_QUIET, "-indev", f"stdio:{source}",
                           "-outdev", f"stdio:{output}", "-boot_image", "any", "replay",
                           "-padding", "0", "-iso_rr_pattern", "off"]
    if iso.joliet:
        argv += ["-joliet", "on", "-compliance", "joliet_long_names:joliet_long_paths"]
    if changes.volume_id:
        argv += ["-volid", changes.volume_id]
    for path in changes.removed:
        argv += ["-rm", path, "--"]
    replaced = {file.path for file in iso.files} & changes.files.keys()
    attributes = read_attributes(source, replaced, run=run)
    for path, file in sorted(changes.files.items()):
        wanted = attributes.get(path, IsoAttributes())
        argv += ["-map", file, path, "-chown", str(wanted.uid), path, "--",
                 "-chgrp", str(wanted.gid), path, "--", "-chmod", f"0{wanted.mode:o}", path, "--"]
    if iso.uuid:
        argv += ["-volume_date", "uuid", iso.uuid]
    if iso.gpt_guid:
        argv += ["-boot_image", "any", f"gpt_disk_guid={iso.gpt_guid}"]
    if date is not None:
        argv += _dated(iso, changes, date)
    with explained("the new ISO cannot be written", hint=_BUG, disk_hint=_DISK):
        run([*argv, "-commit"], polled=polled)
        _truncate(output, run)
        _keep_disk_id(source, output)
        _overwrite(output, changes.overwritten, run)


def finish_iso(output: Path, iso: Iso, overwritten: Mapping[str, Path], *, run: Runner) -> None:
    """Write host files over spans of the new ISO, and implant a checksum if ``iso`` has one."""
    with explained("the new ISO cannot be written", hint=_BUG, disk_hint=_DISK):
        _overwrite(output, overwritten, run)
        if iso.checksum.implanted:
            checksum.implant(output, supported=iso.checksum.supported, run=run)


def _dated(iso: Iso, changes: IsoChanges, date: int) -> List[str]:
    """Return the commands of xorriso(1) that write a time for the present one."""
    words = [] if iso.uuid else [
        "-volume_date", "uuid", time.strftime("%Y%m%d%H%M%S00", time.gmtime(date))]
    for path in sorted(changes.files.keys() | _new_folders(iso, changes)):
        words += ["-alter_date", "b", f"={date}", path, "--",
                  "-alter_date", "c", f"={date}", path, "--"]
    return words


def _keep_disk_id(source: Path, output: Path) -> None:
    """Copy the id of the disk in the MBR, if there is one; xorriso writes another one."""
    with open(source, "rb") as old, open(output, "r+b") as new:
        old_mbr, new_mbr = old.read(_MBR_BYTES), new.read(_MBR_BYTES)
        if old_mbr.endswith(_MBR_END) and new_mbr.endswith(_MBR_END):
            new.seek(_DISK_ID.start)
            new.write(old_mbr[_DISK_ID])


def _uuid(path: Path) -> str:
    """Return the modification time of the volume (ECMA-119, 8.4.27), as blkid(8) reads it."""
    with open(path, "rb") as stream:
        stream.seek(DESCRIPTORS_AT * BLOCK + _MODIFIED_AT)
        digits = stream.read(16)
    return digits.decode() if digits.isdigit() and digits.strip(b"0") else ""


def _new_folders(iso: Iso, changes: IsoChanges) -> Set[str]:
    """Return the folders of new files in which the ISO has no file."""
    before, after = ({str(folder) for path in paths for folder in PurePosixPath(path).parents}
                     for paths in ([file.path for file in iso.files], changes.files))
    return after - before


def copy_span(source: Path, span: Span, to: Path) -> None:
    """Copy a range of bytes of ``source`` to the host path ``to``."""
    with open(to, "wb") as target:
        for chunk in span_chunks(source, span):
            target.write(chunk)


def read_span(source: Path, span: Span) -> bytes:
    """Return a range of bytes of ``source``."""
    return b"".join(span_chunks(source, span))


def span_chunks(source: Path, span: Span) -> Iterator[bytes]:
    """Yield a range of bytes of ``source``, 1 MiB at a time. Raises BadImage if truncated."""
    with open(source, "rb") as stream:
        stream.seek(span.offset)
        remaining_bytes = span.size_bytes
        while remaining_bytes:
            chunk = stream.read(min(remaining_bytes, 1 << 20))
            if not chunk:
                raise BadImage(f"the ISO {source} is truncated: {remaining_bytes} bytes are"
                               " missing", hint=_DAMAGED)
            yield chunk
            remaining_bytes -= len(chunk)


def _files(path: Path, text: str) -> List[IsoFile]:
    """Parse the files that xorriso(1) lists. A file with several extents has a line for each."""
    files: Dict[str, IsoFile] = {}
    for lba, size, name in _LBA.findall(text):
        try:
            (word,) = shlex.split(name)
        except ValueError as exc:
            raise BadImage(f"the ISO {path} has a file with an invalid name: {name!r}",
                           hint="Names with a line break are not supported.") from exc
        # extents are contiguous, and each line has the size of the whole file
        file = IsoFile("/" + word.lstrip("/"), int(lba), int(size))
        files.setdefault(file.path, file)
    return list(files.values())


def _has_joliet(path: Path) -> bool:
    """Return whether there is a supplementary volume descriptor with Joliet's escape sequence.

    ECMA-119, 8.5; Joliet Specification, "SVD Escape Sequences Field".
    """
    with open(path, "rb") as stream:
        for sector in range(DESCRIPTORS_AT, DESCRIPTORS_AT + _MAX_DESCRIPTORS):
            stream.seek(sector * BLOCK)
            block = stream.read(BLOCK)
            if len(block) < BLOCK or block[1:6] != b"CD001" or block[0] == 255:
                return False
            if block[0] == 2 and block[88:91] in (b"%/@", b"%/C", b"%/E"):
                return True
    return False


def _truncate(path: Path, run: Runner) -> None:
    """Remove xorriso's padding behind the backup header of a GPT, which must be at the end."""
    text = run(["xorriso", *_QUIET, "-indev", f"stdio:{path}", "-report_system_area", "plain"])
    size = re.search(r"^ISO image size/512\s*:\s*(\d+)", text, re.MULTILINE)
    if size and "GPT" in text and int(size.group(1)) * 512 < path.stat().st_size:
        os.truncate(path, int(size.group(1)) * 512)


def _overwrite(path: Path, images: Mapping[str, Path], run: Runner) -> None:
    """Write host files over the spans of these names in the ISO ``path``.

    xorriso(1) would write a boot image anew as another file, to which an entry of the boot
    catalog that was replayed before does not point.
    """
    spans = read_iso(path, run=run).spans if images else {}
    with open(path, "r+b") as stream:
        for name, image in sorted(images.items()):
            size_bytes = image.stat().st_size
            if name not in spans or spans[name].size_bytes != size_bytes:
                raise RolledBack(f"the new ISO has no {name} of {size_bytes} bytes",
                                 hint=_BUG)
            stream.seek(spans[name].offset)
            with open(image, "rb") as content:
                shutil.copyfileobj(content, stream)


def _lines(text: str) -> Tuple[str, ...]:
    return tuple(line for line in text.splitlines() if ":" in line)
