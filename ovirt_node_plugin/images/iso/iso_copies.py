"""Check that an ISO can be written again by xorriso(1) without losing a part of it."""
from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Iterator, Set, Tuple

from ...errors import Refused, RolledBack
from ...system.run import Runner
from ...system.words import first_names, size
from .iso import BLOCK, DESCRIPTORS_AT, Iso, IsoChanges, IsoFile, read_iso, write_iso

# ECMA-167, 2/8 and 3/9: identifiers of the descriptors behind those of ISO 9660
_DESCRIPTORS = (b"CD001", b"BEA01", b"BOOT2", b"CDW02", b"TEA01")
_UDF = (b"NSR02", b"NSR03")
_MAX_DESCRIPTORS = 64
_HFS_AT, _HFS = 1024, b"BD"  # Inside Macintosh: Files, "Master Directory Blocks"
_ROOT_AT = 156  # of the primary volume descriptor: ECMA-119, 8.4.18
_ROCK_RIDGE = b"SP\7\1\xbe\xef"  # IEEE P1281, 5.3: begins the system use field of the root
_ZISOFS = b"\x37\xe4\x53\x96\xc9\xdb\xd6\x07"  # libisofs, doc/zisofs_format.txt
_MOST_NAMES = 3  # of files that the message names
_SMALL_BYTES, _MOST_LEFT_OUT = 64 << 10, 5000  # a command line has at most 2 MiB
_UNKNOWN = "\ufffd"  # stands for bytes that are no UTF-8
_ADDED = "/.trial"  # xorriso(1) writes nothing without a change
_PATH = re.compile(r":\s*(?:\d+\s+)*(/.+)$")
_OTHER = "Use an ISO without it."
_COPY = ("This writes a copy without it: xorriso -indev OLD.iso -outdev NEW.iso -boot_image any"
         " replay -changes_pending yes -commit")


def require_copyable(path: Path, iso: Iso, work: Path, *, run: Runner) -> None:
    """Raise Refused if a copy of the ISO ``path`` would lack a part of it, which is named.

    Its boot records are written in a trial, without large files, to a file in the folder
    ``work``: there are more forms of them than could be listed. Raises RolledBack if there is no
    space for it.
    """
    for part, hint in (*_lost_trees(path), *_compressed_files(path, iso)):
        raise Refused(f"{path} has {part}, which its copy would not have", hint=hint)
    if not iso.joliet and not _has_rock_ridge(path):
        raise Refused(f"{path} has names of ISO 9660 only, which its copy would have in another"
                      " form", hint="Use an ISO with Rock Ridge or Joliet names.")
    trial, empty = work / "trial.iso", work / "empty"
    empty.touch()
    left_out = _left_out(iso)
    _require_space(path.stat().st_size - sum(file.size_bytes for file in left_out), work)
    try:
        write_iso(path, iso, trial, IsoChanges(
            {_ADDED: empty}, tuple(file.path for file in left_out)), run=run)
        lost = set(iso.boot_records) - set(read_iso(trial, run=run).boot_records)
        reason = ", ".join(sorted(lost))
    except RolledBack as exc:
        reason = exc.message
    finally:
        trial.unlink(missing_ok=True)
    if reason:
        raise Refused(f"the boot records of {path} cannot be written again: {reason}",
                      hint="A newer version of xorriso may write them. Or merge into the squashfs"
                           " of this ISO, and make the ISO with the tool that it was made with.")


def _require_space(needed_bytes: int, work: Path) -> None:
    free_bytes = shutil.disk_usage(work).free
    if free_bytes < needed_bytes:
        raise RolledBack(
            f"a trial of the ISO's boot records needs {size(needed_bytes)} on the disk of {work},"
            f" which has {size(free_bytes)} free",
            hint="Free some space, or choose another disk for temporary files with --work-dir.")


def _lost_trees(path: Path) -> Iterator[Tuple[str, str]]:
    """Yield the other filesystems with the files of the ISO, each with a hint."""
    with open(path, "rb") as stream:
        for sector in range(DESCRIPTORS_AT, DESCRIPTORS_AT + _MAX_DESCRIPTORS):
            stream.seek(sector * BLOCK + 1)
            identifier = stream.read(5)
            if identifier in _UDF:
                yield "a UDF filesystem", _COPY
            if identifier not in _DESCRIPTORS:
                break
        stream.seek(_HFS_AT)
        if stream.read(len(_HFS)) == _HFS:
            yield "an HFS filesystem", _OTHER  # a copy keeps its header


def _compressed_files(path: Path, iso: Iso) -> Iterator[Tuple[str, str]]:
    """Yield the words for files that are stored compressed, with a hint, if there are any."""
    names = []
    with open(path, "rb") as stream:
        for file in iso.files:
            stream.seek(file.offset)
            if stream.read(len(_ZISOFS)) == _ZISOFS:
                names.append(file.path)
    if names:
        yield f"compressed files (zisofs: {first_names(names, _MOST_NAMES)})", _COPY


def _has_rock_ridge(path: Path) -> bool:
    """Return whether the root folder of the ISO has the mark of Rock Ridge."""
    with open(path, "rb") as stream:
        stream.seek(DESCRIPTORS_AT * BLOCK + _ROOT_AT + 2)
        stream.seek(int.from_bytes(stream.read(4), "little") * BLOCK)
        record = stream.read(BLOCK)
    return _ROCK_RIDGE in record[:record[0]] if record else False


def _left_out(iso: Iso) -> Tuple[IsoFile, ...]:
    """Return the largest files, to which no boot record points.

    Those of names that are no UTF-8 are not known as xorriso(1) needs them.
    """
    needed = _boot_paths(iso)
    large = [file for file in iso.files if file.size_bytes > _SMALL_BYTES
             and file.path not in needed and _UNKNOWN not in file.path]
    large.sort(key=lambda file: file.size_bytes, reverse=True)
    return tuple(large[:_MOST_LEFT_OUT])


def _boot_paths(iso: Iso) -> Set[str]:
    """Return the paths of files to which boot records point."""
    return {image.path for image in iso.boot_images} | {
        match.group(1) for match in map(_PATH.search, iso.system_area) if match}
