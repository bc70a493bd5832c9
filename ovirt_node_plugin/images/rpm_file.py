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
from typing import Iterator, List, Protocol, Tuple

import rpm

from ..errors import BadImage, UsageError

_MAGIC = b"hsqs"
_CHUNK_BYTES = 1 << 20
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}  # RFC 4880, 9.4
_DAMAGED = "Compare the RPM with its published checksum, or download it again."


@dataclass(frozen=True)
class PackagedFile:
    """A file of an RPM: its ``path`` in the package, and its ``copy`` on this machine."""

    path: str
    copy: Path

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.copy.stat().st_size


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


def copy_squashfs(path: Path, to: Path, *, wanted: str = "") -> PackagedFile:
    """Copy the squashfs in the RPM ``path`` to the new file ``to``.

    ``wanted`` is its path in the package, needed if there are several. Raises BadImage for a
    damaged RPM and for one without a squashfs, UsageError if the squashfs is ambiguous.
    """
    with payload_of(path) as (header, archive):
        algorithm = _ALGORITHMS.get(header["filedigestalgo"] or 1)
        images: List[str] = []
        for file in archive:
            if not stat.S_ISREG(file.mode) or file.size < len(_MAGIC):
                continue
            magic = archive.read(len(_MAGIC))
            if magic != _MAGIC:
                continue
            images.append(file.name)
            if wanted and file.name.lstrip("/") != wanted.lstrip("/"):
                continue
            if not wanted and len(images) > 1:
                continue
            _copy(path, archive, file, magic, to, algorithm)
    return PackagedFile(_chosen(path, images, wanted), to)


@contextlib.contextmanager
def payload_of(path: Path) -> Iterator[Tuple[rpm.hdr, Archive]]:
    """Yield the header and the payload of the RPM ``path``; checks digests, no signature.

    Raises BadImage for an RPM that cannot be read.
    """
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES)
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = transaction.hdrFromFdno(handle)
        # rpm's reader of gzip also reads a payload that is not compressed
        stream = rpm.fd(handle, "r", header["payloadcompressor"] or "gzip")
        yield header, rpm.files(header).archive(stream, write=False)
    except (rpm.error, OSError) as exc:
        raise BadImage(f"the RPM {path} cannot be read: {exc}", hint=_DAMAGED) from exc
    finally:
        os.close(handle)


def _copy(path: Path, archive: Archive, file: ArchivedFile, begin: bytes, to: Path,
          algorithm: object) -> None:
    digest = hashlib.new(algorithm, begin) if isinstance(algorithm, str) else None
    with open(to, "xb") as stream:
        stream.write(begin)
        remaining_bytes = file.size - len(begin)
        while remaining_bytes:
            chunk = archive.read(min(remaining_bytes, _CHUNK_BYTES))
            if not chunk:
                break
            stream.write(chunk)
            if digest is not None:
                digest.update(chunk)
            remaining_bytes -= len(chunk)
    if remaining_bytes or (digest is not None and digest.hexdigest() != file.digest):
        raise BadImage(f"{file.name} in the RPM {path} is damaged: it does not match the digest in"
                       " the RPM's header", hint=_DAMAGED)


def _chosen(path: Path, images: List[str], wanted: str) -> str:
    """Return the path of the squashfs that was copied."""
    names = ", ".join(images) or "none"
    if wanted:
        for name in images:
            if name.lstrip("/") == wanted.lstrip("/"):
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
