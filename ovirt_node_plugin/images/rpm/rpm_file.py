"""Copy the squashfs image out of an RPM, such as ovirt-node-ng-image-update.

The payload of such an RPM is not compressed, but is mostly a gzip stream of level 0
(``w0.gzdio``): it has a header every 64 KiB, so the image in it cannot be mounted in place.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Protocol

import rpm

from ...errors import BadImage, RolledBack, UsageError
from ..workspace import DISK_HINT

_MAGIC = b"hsqs"
_LEAD = b"\xed\xab\xee\xdb"  # rpm's doc/manual/format_v4.md, "Lead"
_CHUNK_BYTES = 1 << 20
_IMAGE_BYTES = 64 << 20  # a file of this size may be an image whatever its name is
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}  # RFC 4880, 9.4
_DAMAGED = "Compare the RPM with its published checksum, or download it again."


@dataclass(frozen=True)
class PackagedFile:
    """A file of an RPM: its ``path`` and size in the package, its ``copy`` on this machine."""

    path: str
    copy: Path
    size_bytes: int


class ArchivedFile(Protocol):
    """A file that the payload of an RPM contains, as rpm's bindings give it."""

    name: str
    mode: int
    size: int
    digest: str


class Archive(Protocol):
    """The payload of an RPM, as rpm's bindings give it. ``read`` reads the present file."""

    def read(self, size: int) -> bytes: ...

    def __iter__(self) -> Iterator[ArchivedFile]: ...


@dataclass(frozen=True)
class Payload:
    """The open RPM ``path``: its ``header``, and the ``archive`` of its files."""

    path: Path
    header: rpm.hdr
    archive: Archive

    def copy(self, file: ArchivedFile, to: Path, *, begin: bytes = b"") -> None:
        """Copy the present ``file`` of the archive, whose bytes ``begin`` were read, to ``to``.

        Raises BadImage if it does not match its digest in the header.
        """
        algorithm = _ALGORITHMS.get(self.header["filedigestalgo"] or 1, "")
        digest = hashlib.new(algorithm, begin) if algorithm else None
        with open(to, "wb") as stream:
            stream.write(begin)
            remaining_bytes = file.size - len(begin)
            while remaining_bytes:
                chunk = self.archive.read(min(remaining_bytes, _CHUNK_BYTES))
                if not chunk:
                    break
                stream.write(chunk)
                if digest is not None:
                    digest.update(chunk)
                remaining_bytes -= len(chunk)
        if remaining_bytes or (digest is not None and digest.hexdigest() != file.digest):
            raise BadImage(f"{file.name} in the RPM {self.path} is damaged: it does not match the"
                           " digest in the RPM's header", hint=_DAMAGED)


def is_rpm(path: Path) -> bool:
    """Return whether ``path`` is a file that begins as an RPM."""
    if not path.is_file():
        return False
    with open(path, "rb") as stream:
        return stream.read(len(_LEAD)) == _LEAD


def may_hold_image(path: Path) -> bool:
    """Return whether the RPM ``path`` contains a squashfs image, as an update RPM of Node does.

    The files are read only if one has the name or the size of an image. A damaged RPM may hold
    one: who reads the image reports the damage.
    """
    try:
        with opened_rpm(path) as payload:
            return any(map(_may_be_image, rpm.files(payload.header))) and any(
                payload.archive.read(len(_MAGIC)) == _MAGIC for file in payload.archive
                if stat.S_ISREG(file.mode) and file.size >= len(_MAGIC))
    except BadImage:
        return True


def _may_be_image(file: ArchivedFile) -> bool:
    return stat.S_ISREG(file.mode) and (
        file.size >= _IMAGE_BYTES or file.name.endswith((".img", ".squashfs")))


@contextlib.contextmanager
def opened_rpm(path: Path) -> Iterator[Payload]:
    """Open the RPM ``path``. Its digests are checked, but no signature.

    Raises BadImage for an RPM that cannot be read, and RolledBack if its files cannot be written.
    """
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = transaction.hdrFromFdno(handle)
        for tag in ("name", "version", "release", "arch"):
            if header[tag] is None:
                raise BadImage(f"the RPM {path} has no {tag} in its header", hint=_DAMAGED)
        # rpm's reader of gzip also reads a payload that is not compressed
        stream = rpm.fd(handle, "r", header["payloadcompressor"] or "gzip")
        yield Payload(path, header, rpm.files(header).archive(stream, write=False))
    except (rpm.error, OSError) as exc:
        # the numbers of rpm's own errors are negative
        if isinstance(exc, OSError) and (exc.errno or 0) > 0:
            raise RolledBack(f"the files of the RPM {path} cannot be written: {exc.strerror}",
                             hint=DISK_HINT) from exc
        reason = "its payload is damaged" if isinstance(exc, OSError) else exc
        raise BadImage(f"the RPM {path} cannot be read: {reason}", hint=_DAMAGED) from exc
    finally:
        os.close(handle)


def copy_squashfs(path: Path, to: Path, *, wanted: str = "") -> PackagedFile:
    """Copy the squashfs in the RPM ``path`` to the new file ``to``.

    ``wanted`` is its path in the package, needed if there are several. Raises BadImage for a
    damaged RPM and for one without a squashfs, UsageError if the squashfs is ambiguous.
    """
    images: List[str] = []
    with opened_rpm(path) as payload:
        for file in payload.archive:
            if not stat.S_ISREG(file.mode) or file.size < len(_MAGIC):
                continue
            magic = payload.archive.read(len(_MAGIC))
            if magic != _MAGIC:
                continue
            images.append(file.name)
            if _is_wanted(file.name, wanted) if wanted else len(images) == 1:
                payload.copy(file, to, begin=magic)
    return PackagedFile(_chosen(path, images, wanted), to, to.stat().st_size)


def _chosen(path: Path, images: List[str], wanted: str) -> str:
    """Return the path of the squashfs that was copied."""
    names = ", ".join(images) or "none"
    if wanted:
        for name in images:
            if _is_wanted(name, wanted):
                return name
        raise UsageError(f"{path} contains no squashfs {wanted}; its squashfs images: {names}",
                         hint="Give one of these with --image.")
    if not images:
        raise BadImage(f"the RPM {path} contains no squashfs image",
                       hint="ovirt-node-ng-image-update contains one.")
    if len(images) > 1:
        raise UsageError(f"{path} contains several squashfs images: {names}",
                         hint="Select one with --image PATH.")
    return images[0]


def _is_wanted(name: str, wanted: str) -> bool:
    return name.lstrip("/") == wanted.lstrip("/")
