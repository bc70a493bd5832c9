"""An ISO: what is on it, how it boots, and written anew with some files replaced."""
from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Protocol, Tuple

from ..errors import BadImage, CommandError
from ..system.run import Polled, Runner, StrPath
from . import checksum

_BLOCK = 2048
# ECMA-119: the primary volume descriptor begins at sector 16, its name one byte on
_DESCRIPTORS_AT, _MAX_DESCRIPTORS = 16, 32
_DESCRIPTOR = (_DESCRIPTORS_AT * _BLOCK + 1, b"CD001")
_LBA = re.compile(r"File data lba:\s*\d+ ,\s*(\d+) ,\s*\d+ ,\s*(\d+) , (.+)")
_APPENDED = re.compile(r"^-append_partition (\d+) (\S+) --interval:imported_iso:(\d+)d-(\d+)d:",
                       re.MULTILINE)
_SECTOR = 512
_GAP = re.compile(r"GPT partname local\s*:\s*(\d+)\s+Gap\d+$")
# of a boot image all but load size and block, of an MBR partition all but start and size
_STAYS = re.compile(r"El Torito (?:cat path|img path|img opts) .*|System area summary.*"
                    r"|GPT partition path.*|El Torito boot img :(?:\s+\S+){6}"
                    r"|MBR partition\s+:(?:\s+\S+){3}")
_TYPE = re.compile(r"GPT type GUID\s*:\s*(\d+)\s+(\S+)")
_VOLUME_ID = re.compile(r"^Volume Id\s*:\s(.*)$", re.MULTILINE)


class Span(Protocol):
    """A run of bytes in the ISO's file."""

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
        """Where in the ISO it begins, in bytes."""
        return self.lba * _BLOCK


@dataclass(frozen=True)
class Partition:
    """A partition behind the ISO's own tree: number and type as xorriso(1) names it."""

    number: int
    kind: str
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Iso:
    """An ISO.

    ``el_torito`` and ``system_area`` are the lines of what xorriso(1) reports of the boot
    records, in its ``plain`` form; ``checksum`` is the one implanted in it; ``joliet`` says
    that there is a second tree, with Joliet's names.
    """

    volume_id: str
    files: Tuple[IsoFile, ...]
    el_torito: Tuple[str, ...]
    system_area: Tuple[str, ...]
    partitions: Tuple[Partition, ...]
    joliet: bool
    checksum: checksum.Checksum

    @property
    def boot_records(self) -> Tuple[str, ...]:
        """What the boot records say, without what moves when files do: blocks, sizes, ids.

        Names of partitions in a GPT are whatever the last program to write it likes, and
        gaps that it has as partitions come and go with the layout.
        """
        gaps = {found.group(1) for line in self.system_area for found in [_GAP.match(line)]
                if found}
        lines = [*self.el_torito, *self.system_area]
        kept = [found.group() for line in lines for found in [_STAYS.match(line)] if found]
        types = [f"GPT type {found.group(2)}" for line in lines for found in [_TYPE.match(line)]
                 if found and found.group(1) not in gaps]
        return tuple(sorted(kept + types))


@dataclass(frozen=True)
class IsoChanges:
    """What is to be other than on the ISO that is read.

    ``files`` are host files by their paths on the ISO, new or in place of others, ``gone``
    paths to take away, ``partitions`` host files by the number of an appended partition.
    ``volume_id`` is empty for the ISO's own.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    gone: Tuple[str, ...] = ()
    volume_id: str = ""
    partitions: Mapping[int, Path] = field(default_factory=dict)


def is_iso(path: Path) -> bool:
    """Say if ``path`` begins as an ISO 9660 image does."""
    with open(path, "rb") as stream:
        stream.seek(_DESCRIPTOR[0])
        return stream.read(len(_DESCRIPTOR[1])) == _DESCRIPTOR[1]


def read_iso(path: Path, *, run: Runner) -> Iso:
    """Return what the ISO ``path`` is. Raises BadImage if xorriso(1) cannot read it."""
    try:
        text = run(["xorriso", *_QUIET, "-indev", f"stdio:{path}", "-pvd_info",
                    "-find", "/", "-type", "f", "-exec", "report_lba", "--"])
        boot = [run(["xorriso", *_QUIET, "-indev", f"stdio:{path}", what, form])
                for what, form in (("-report_el_torito", "plain"),
                                   ("-report_system_area", "plain"),
                                   ("-report_system_area", "cmd"))]
    except CommandError as exc:
        if exc.returncode is None:
            raise
        raise BadImage(f"the ISO {path} cannot be read: {exc.output}",
                       hint="Get it anew; checkisomd5 says whether it is whole.") from exc
    found = _VOLUME_ID.search(text)
    files = _files(path, text)
    partitions = [
        Partition(int(number), kind, int(first) * _SECTOR, (int(last) - int(first) + 1) * _SECTOR)
        for number, kind, first, last in _APPENDED.findall(boot[2])]
    return Iso(
        volume_id=found.group(1).rstrip() if found else "", files=tuple(sorted(files, key=_path)),
        el_torito=_lines(boot[0]), system_area=_lines(boot[1]), partitions=tuple(partitions),
        joliet=_has_joliet(path), checksum=checksum.read_checksum(path))


_QUIET = ("-no_rc", "-report_about", "WARNING", "-abort_on", "FAILURE")


def write_iso(source: Path, iso: Iso, output: Path, changes: IsoChanges, *, run: Runner,
              polled: Polled = None) -> None:
    """Write ``source`` anew to the new file ``output``, with ``changes``.

    The rest, boot records and boot information tables included, stays what it is; a
    checksum is implanted again where there was one.
    """
    argv: List[StrPath] = ["xorriso", *_QUIET, "-indev", f"stdio:{source}",
                           "-outdev", f"stdio:{output}", "-boot_image", "any", "replay",
                           "-padding", "0"]
    if iso.joliet:
        argv += ["-joliet", "on", "-compliance", "joliet_long_names:joliet_long_paths"]
    if changes.volume_id:
        argv += ["-volid", changes.volume_id]
    for partition in iso.partitions:
        if partition.number in changes.partitions:
            argv += ["-append_partition", str(partition.number), partition.kind,
                     changes.partitions[partition.number]]
    for place in changes.gone:
        argv += ["-rm", place, "--"]
    for place, file in sorted(changes.files.items()):
        argv += ["-map", file, place, "-chown", "0", place, "--", "-chgrp", "0", place, "--",
                 "-chmod", "0444", place, "--"]
    run([*argv, "-commit"], polled=polled)
    _truncate(output, run)
    if iso.checksum.implanted:
        checksum.implant(output, supported=iso.checksum.supported, run=run)


def copy_span(source: Path, span: Span, to: Path) -> None:
    """Copy a run of bytes of ``source`` to the host path ``to``."""
    with open(to, "wb") as target:
        for chunk in span_chunks(source, span):
            target.write(chunk)


def read_span(source: Path, span: Span) -> bytes:
    """Return a run of bytes of ``source``."""
    return b"".join(span_chunks(source, span))


def span_chunks(source: Path, span: Span) -> Iterator[bytes]:
    """Yield a run of bytes of ``source``, 1 MiB at a time. Raises BadImage if it is cut off."""
    with open(source, "rb") as stream:
        stream.seek(span.offset)
        left = span.size_bytes
        while left:
            chunk = stream.read(min(left, 1 << 20))
            if not chunk:
                raise BadImage(f"the ISO {source} is cut off: {left} bytes are missing",
                               hint="Get it anew; checkisomd5 says whether it is whole.")
            yield chunk
            left -= len(chunk)


def _files(path: Path, text: str) -> List[IsoFile]:
    """Return the files that xorriso(1) lists; one of several extents has a line for each."""
    found: Dict[str, IsoFile] = {}
    for lba, size, name in _LBA.findall(text):
        try:
            (word,) = shlex.split(name)
        except ValueError as exc:
            raise BadImage(f"the ISO {path} has a file whose name cannot be: {name!r}",
                           hint="A name with a line break in it is no boot medium's.") from exc
        # extents follow one another without a gap, and each line has the whole size
        file = IsoFile("/" + word.lstrip("/"), int(lba), int(size))
        found.setdefault(file.path, file)
    return list(found.values())


def _has_joliet(path: Path) -> bool:
    """Say if there is a supplementary volume descriptor with Joliet's escape sequence.

    ECMA-119, 8.5; Joliet Specification, "SVD Escape Sequences Field".
    """
    with open(path, "rb") as stream:
        for sector in range(_DESCRIPTORS_AT, _DESCRIPTORS_AT + _MAX_DESCRIPTORS):
            stream.seek(sector * _BLOCK)
            block = stream.read(_BLOCK)
            if len(block) < _BLOCK or block[1:6] != b"CD001" or block[0] == 255:
                return False
            if block[0] == 2 and block[88:91] in (b"%/@", b"%/C", b"%/E"):
                return True
    return False


def _truncate(path: Path, run: Runner) -> None:
    """Cut off what xorriso pads behind the backup header of a GPT, which belongs at the end."""
    text = run(["xorriso", *_QUIET, "-indev", f"stdio:{path}", "-report_system_area", "plain"])
    size = re.search(r"^ISO image size/512\s*:\s*(\d+)", text, re.MULTILINE)
    if size and "GPT" in text and int(size.group(1)) * 512 < path.stat().st_size:
        os.truncate(path, int(size.group(1)) * 512)


def _lines(text: str) -> Tuple[str, ...]:
    return tuple(line for line in text.splitlines() if ":" in line)


def _path(file: IsoFile) -> str:
    return file.path
