"""Unpack the tar of a bundle, with every member checked and its size limited."""
from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Callable, Dict, Iterator, Mapping, Optional, Tuple, cast

from ..errors import BadBundle, CommandError, NodePluginError
from ..system.limits import BUNDLE_BYTES, BUNDLE_ENTRIES, FOLDER_DEPTH
from ..system.run import Runner, size_limited

_MAX_HEADER_BYTES = 1 << 20  # of one member, with its long name and pax records
_BLOCK = 1 << 20
SUFFIXES: Mapping[str, str] = {
    ".tar": ".tar", ".tar.gz": ".tar.gz", ".tgz": ".tar.gz", ".tar.xz": ".tar.xz",
    ".txz": ".tar.xz", ".tar.zst": ".tar.zst", ".tzst": ".tar.zst"}
"""The suffixes of a bundle's tar, each with the long form of it."""
_FORMS = ".tar, .tar.gz, .tar.xz or .tar.zst"
_MAGIC = {b"\x1f\x8b": "gz", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst"}
_DAMAGE = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile,
           ValueError, OverflowError, RecursionError)

Parts = Tuple[str, ...]


def unpack(archive: Path, into: Path, *, run: Runner, limit_bytes: int = BUNDLE_BYTES,
           name: str = "") -> Path:
    """Unpack the tar ``archive`` into the empty folder ``into``; return the bundle's folder.

    That is ``into``, or the only folder in it if the archive has a single top folder. Files
    get mode 0644 or 0755 and the user of this process. The compression is detected from the
    content. ``name`` is the name of the archive in messages, instead of its path.

    Raises BadBundle, naming archive and member, for an invalid archive, and for members
    other than files, folders and links that stay inside; CommandError if zstd is missing.
    """
    name = name or str(archive)
    with _opened(archive, into, name, run=run, limit_bytes=limit_bytes) as stream:
        meter = _Meter(stream, f"{name}: ", limit_bytes)
        _Unpacking(name, into, meter, limit_bytes).unpack()
    entries = sorted(into.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        return entries[0]
    return into


@contextlib.contextmanager
def _opened(archive: Path, into: Path, name: str, *, run: Runner,
            limit_bytes: int) -> Iterator[BinaryIO]:
    """Yield a stream of the decompressed tar."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(archive, "rb"))
        magic = raw.read(6)
        raw.seek(0)
        form = next((form for start, form in _MAGIC.items() if magic.startswith(start)), "tar")
        if form == "gz":
            yield cast(BinaryIO, stack.enter_context(gzip.open(raw, "rb")))
        elif form == "xz":
            yield cast(BinaryIO, stack.enter_context(lzma.open(raw, "rb")))
        elif form == "zst":
            work = stack.enter_context(tempfile.TemporaryDirectory(
                prefix=f".{into.name}.", dir=into.parent))
            plain = Path(work) / "bundle.tar"
            _decompress_zst(archive, plain, name, run=run, limit_bytes=limit_bytes)
            yield stack.enter_context(open(plain, "rb"))
        else:
            yield raw


def _decompress_zst(archive: Path, plain: Path, name: str, *, run: Runner,
                    limit_bytes: int) -> None:
    """Decompress with zstd(1), with its output limited by prlimit(1).

    The size in the frame's header may be false, so it is not used.
    """
    if shutil.which("zstd") is None:
        raise CommandError(f"{name} is compressed with zstd, but the program zstd is "
                           "missing", argv=("zstd",), returncode=None,
                           hint="Install the package zstd, then try again.")
    most = limit_bytes + _MAX_HEADER_BYTES
    try:
        run(size_limited(["zstd", "-d", "-q", "--no-progress", "--no-sparse", "-o", plain, "--",
                          archive], most_bytes=most))
    except CommandError as exc:
        if exc.returncode is None:
            raise
        if plain.exists() and plain.stat().st_size >= most:
            raise _too_big(f"{name}: ", limit_bytes) from exc
        raise BadBundle(f"{name} cannot be decompressed: {exc.output or 'zstd failed'}",
                        hint=f"A bundle is a folder or a {_FORMS} of one.") from exc


def _too_big(origin: str, limit_bytes: int) -> BadBundle:
    return BadBundle(f"{origin}unpacked it is larger than {limit_bytes} bytes",
                     hint="Ask the vendor for a smaller bundle.")


class _Meter:
    """A stream with a limit for the whole archive, and one for each step.

    tarfile reads a member's long name or pax header into memory, whatever its size; the
    limit of the step keeps that small.
    """

    def __init__(self, stream: BinaryIO, origin: str, limit_bytes: int) -> None:
        self._stream = stream
        self._origin = origin
        self._limit_bytes = limit_bytes
        self._remaining = limit_bytes + _MAX_HEADER_BYTES
        self._step_remaining = 0

    def allow(self, size_bytes: int) -> None:
        """Set the limit of the next step."""
        self._step_remaining = size_bytes

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, never more than one block at a time."""
        data = self._stream.read(min(size, _BLOCK) if size >= 0 else _BLOCK)
        self._remaining -= len(data)
        self._step_remaining -= len(data)
        if self._remaining < 0:
            raise _too_big(self._origin, self._limit_bytes)
        if self._step_remaining < 0:
            raise BadBundle(f"{self._origin}a member's header is larger than "
                            f"{_MAX_HEADER_BYTES} bytes")
        return data


class _Unpacking:
    """A pass over the members of an archive that unpacks each."""

    def __init__(self, archive: str, into: Path, meter: _Meter, limit_bytes: int) -> None:
        self._archive = archive
        self._into = into
        self._meter = meter
        self._limit_bytes = limit_bytes
        self._kinds: Dict[Parts, str] = {(): "dir"}
        self._size_bytes = 0

    def unpack(self) -> None:
        members = 0
        try:
            self._meter.allow(_MAX_HEADER_BYTES)
            with tarfile.open(fileobj=cast(IO[bytes], self._meter), mode="r|",
                              bufsize=_MAX_HEADER_BYTES // 4) as tar:
                member = _first(tar)
                while member is not None:
                    members += 1
                    self._unpack_member(tar, member)
                    # with the folders that no member names
                    if max(members, len(self._kinds) - 1) > BUNDLE_ENTRIES:
                        raise BadBundle(f"{self._archive} has more than {BUNDLE_ENTRIES} members",
                                        hint="Ask the vendor for a smaller bundle.")
                    tar.members = []  # type: ignore[attr-defined]  # else all are kept in memory
                    self._meter.allow(_MAX_HEADER_BYTES)
                    member = tar.next()
        except _DAMAGE as exc:
            raise BadBundle(f"{self._archive} is damaged, or not an archive: {exc}",
                            hint=f"A bundle is a folder or a {_FORMS} of one.") from exc
        if not members:
            raise BadBundle(f"{self._archive} is an empty archive")

    def _unpack_member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = self._parts(member)
        if not parts and member.isdir():
            return
        steps: Dict[str, Callable[[], None]] = {
            "dir": lambda: self._dir(parts),
            "file": lambda: self._file(tar, member, parts),
            "link": lambda: self._link(member, parts),
            "hardlink": lambda: self._hardlink(member, parts),
        }
        kind = _kind(member)
        if kind not in steps or not parts:
            raise self._bad(member, f"is a {kind}; a bundle has files, folders and links only")
        self._place(member, parts, kind)
        try:
            steps[kind]()
        except OSError as exc:
            if isinstance(exc, _DAMAGE):
                raise
            raise NodePluginError(
                f"{self._archive} cannot be unpacked: {member.name!r}: {exc.strerror}",
                hint="Set TMPDIR to a folder with more space.") from exc

    def _bad(self, member: tarfile.TarInfo, why: str) -> BadBundle:
        return BadBundle(f"{self._archive}: the member {member.name[:200]!r} {why}",
                         hint="Nothing was unpacked into the system.")

    def _parts(self, member: tarfile.TarInfo) -> Parts:
        name = member.name
        if name.startswith("/"):
            raise self._bad(member, "has an absolute name")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise self._bad(member, "has '..' in its name")
        if len(parts) > FOLDER_DEPTH:
            raise self._bad(member, f"is below more than {FOLDER_DEPTH} levels of folders")
        if "\0" in name or len(name) > 4000 or any(len(os.fsencode(p)) > 255 for p in parts):
            raise self._bad(member, "has a name that is too long or has a NUL")
        return parts

    def _place(self, member: tarfile.TarInfo, parts: Parts, kind: str) -> None:
        """Check that the path is free and its parents are folders; make missing parents."""
        for depth in range(1, len(parts)):
            parent = parts[:depth]
            present = self._kinds.get(parent)
            if present is None:
                self._dir(parent)
                self._kinds[parent] = "dir"
            elif present != "dir":
                raise self._bad(member, f"is below {'/'.join(parent)!r}, which is a {present}")
        present = self._kinds.get(parts)
        if present is not None and not (present == kind == "dir"):
            raise self._bad(member, "is in the archive twice")
        self._kinds[parts] = kind

    def _dir(self, parts: Parts) -> None:
        folder = self._into.joinpath(*parts)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, parts: Parts) -> None:
        self._size_bytes += member.size
        if member.size < 0 or self._size_bytes > self._limit_bytes:
            raise _too_big(f"{self._archive}: ", self._limit_bytes)
        self._meter.allow(member.size + _MAX_HEADER_BYTES)
        source = tar.extractfile(member)
        assert source is not None
        mode = 0o755 if member.mode & 0o111 else 0o644
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self._into.joinpath(*parts), flags, mode), "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
            os.fchmod(target.fileno(), mode)

    def _link(self, member: tarfile.TarInfo, parts: Parts) -> None:
        # '..' only in front: then every step leads to a real folder, and no other link can
        # redirect it
        steps = [part for part in member.linkname.split("/") if part not in ("", ".")]
        up = next((i for i, part in enumerate(steps) if part != ".."), len(steps))
        if (member.linkname.startswith("/") or ".." in steps[up:] or up > len(parts) - 1
                or not member.linkname or len(member.linkname) > 4000):
            raise self._bad(member, f"is a link to {member.linkname[:200]!r}, which may lead "
                                    "out of the bundle")
        os.symlink(member.linkname, self._into.joinpath(*parts))

    def _hardlink(self, member: tarfile.TarInfo, parts: Parts) -> None:
        target = tuple(p for p in PurePosixPath(member.linkname).parts if p != ".")
        if self._kinds.get(target) not in ("file", "hardlink"):
            raise self._bad(member, f"is a hard link to {member.linkname[:200]!r}, which is not "
                                    "a file of the bundle")
        os.link(self._into.joinpath(*target), self._into.joinpath(*parts),
                follow_symlinks=False)


def _first(tar: tarfile.TarFile) -> Optional[tarfile.TarInfo]:
    """Return the first member, None for an empty archive.

    Python 3.9 and 3.10 raise StreamError for one, as they seek before the stream.
    """
    try:
        return tar.next()
    except tarfile.StreamError:
        return None


def _kind(member: tarfile.TarInfo) -> str:
    if member.issparse():
        return "sparse file"
    known = (("file", member.isreg()), ("dir", member.isdir()), ("link", member.issym()),
             ("hardlink", member.islnk()), ("fifo", member.isfifo()), ("device", member.isdev()))
    return next((name for name, is_it in known if is_it), "member of an unknown type")
