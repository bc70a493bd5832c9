"""Atomic writes, the state of one directory entry, and the lock of a root."""
from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Dict, Iterator, Optional, Tuple, Union

from ..errors import Locked, Refused
from .limits import DIGEST_BYTES, EDITED_BYTES, TEXT_BYTES
from .paths import resolve_inside
from .regular_files import TooLarge, opened_regular, read_regular

Xattrs = Tuple[Tuple[str, bytes], ...]
LABEL = "security.selinux"
"""The attribute with the SELinux label, which ends with a NUL byte."""
# Others, such as system.nfs4_acl or btrfs.*, are computed by the filesystem.
_XATTRS = ("security.", "user.", "trusted.", "system.posix_acl_")

_TOO_LARGE = "Find out what made it, and replace it by a smaller one."
_KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "dir"}


@dataclass(frozen=True)
class Entry:
    """The state of one directory entry: a file, a link or a folder.

    ``kind`` is ``file``, ``link``, ``dir`` or ``other`` (device, fifo, socket); ``mode``
    are the permission bits; ``digest`` is the SHA-256, in hexadecimal, of a file's content
    or a link's target, else empty; ``content`` is that content or target, or None where
    only the digest is kept. ``xattrs`` is sorted by name.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    digest: str = ""
    content: Optional[bytes] = None
    xattrs: Xattrs = ()

    def same(self, other: Optional[Entry]) -> bool:
        """Return whether both describe the same entry, whether or not content is kept."""
        return other is not None and self.without_content() == other.without_content()

    def without_content(self) -> Entry:
        """Return this entry without its content; the digest stays."""
        return dataclasses.replace(self, content=None)


def kind_of(mode: int) -> str:
    """Return the kind of an entry, as ``Entry`` has it, by its ``st_mode``."""
    return _KINDS.get(stat.S_IFMT(mode), "other")


def same_entry(one: Optional[Entry], other: Optional[Entry]) -> bool:
    """Return whether both are absent, or both describe the same entry."""
    return other is None if one is None else one.same(other)


def read_entry(root: Path, path: str, *, content: bool = True,
               max_bytes: int = EDITED_BYTES) -> Optional[Entry]:
    """Return the entry at ``path``, relative to ``root``, or None if there is none.

    Parents are resolved inside the root; a link in the last component is not followed.
    Without ``content``, only its digest is kept.

    Raises Refused for content of more than ``max_bytes``, and a digest of more than DIGEST_BYTES.
    """
    where = resolve_inside(root, path, follow_last=False)
    try:
        info = os.lstat(where)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = kind_of(info.st_mode)
    data: Optional[bytes] = None
    digest = ""
    if kind == "file":
        if content:
            data = _content(where, path, root, max_bytes)
        else:
            if info.st_size > DIGEST_BYTES:
                raise Refused(f"/{path} in {root} is larger than {DIGEST_BYTES} bytes, the most of"
                              " which a digest is made", hint=_TOO_LARGE)
            digest = _digest(where)
    elif kind == "link":
        data = os.fsencode(os.readlink(where))
    if data is not None:
        digest = hashlib.sha256(data).hexdigest()
    return Entry(kind=kind, mode=stat.S_IMODE(info.st_mode), uid=info.st_uid, gid=info.st_gid,
                 digest=digest, content=data if content else None, xattrs=read_xattrs(where))


def read_text(root: Path, path: str) -> Optional[bytes]:
    """Return the content of a configuration file, as ``read_entry``, None if it is no file.

    Raises Refused if it has more than TEXT_BYTES.
    """
    entry = read_entry(root, path, max_bytes=TEXT_BYTES)
    return entry.content if entry is not None and entry.kind == "file" else None


def write_entry(root: Path, path: str, entry: Optional[Entry]) -> None:
    """Write ``entry`` to ``path``, relative to ``root``.

    None removes what is there; a folder is removed only when it is empty. Missing parents
    are not made. Files and links are replaced atomically.

    Raises OSError from the system, and ValueError for an entry without its content.
    """
    where = resolve_inside(root, path, follow_last=False)
    if entry is None:
        if where.is_dir() and not where.is_symlink():
            where.rmdir()
        else:
            where.unlink(missing_ok=True)
        sync_dir(where.parent)
    elif entry.kind == "dir":
        where.mkdir(exist_ok=True)
        _dress(where, entry)
    elif entry.content is None:
        raise ValueError(f"the content of {path} was not kept")
    elif entry.kind == "link":
        _replace_link(where, entry)
    else:
        write_atomic(where, entry.content, mode=entry.mode, owner=(entry.uid, entry.gid),
                     xattrs=entry.xattrs)


def write_atomic(path: Path, data: Union[bytes, IO[bytes]], *, mode: int = 0o644,
                 owner: Optional[Tuple[int, int]] = None, xattrs: Xattrs = ()) -> None:
    """Write ``data``, or the rest of that file, to the host path ``path`` atomically.

    ``mode`` are the permission bits; ``owner`` is uid and gid, by default those of this
    process. File and folder are synced to disk.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with open(handle, "wb") as stream:
            if isinstance(data, bytes):
                stream.write(data)
            else:
                shutil.copyfileobj(data, stream, 1 << 20)
            stream.flush()
            if owner is not None:
                os.fchown(stream.fileno(), *owner)
            os.fchmod(stream.fileno(), mode)
            for key, value in xattrs:
                os.setxattr(stream.fileno(), key, value)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def sync_dir(path: Path) -> None:
    """Sync the entries of a folder to disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the exclusive lock of ``root``, an existing folder.

    The lock is a flock(2) on the folder itself: no file is left in the root, and the
    kernel releases the lock when the process ends.

    Raises Locked if another process holds it.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Locked(f"another process is changing plugins in {root}",
                         hint="Wait until it has finished, then try again.") from exc
        yield
    finally:
        os.close(handle)


def _replace_link(where: Path, entry: Entry) -> None:
    temporary = where.with_name(f".{where.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    os.symlink(os.fsdecode(entry.content or b""), temporary)
    os.lchown(temporary, entry.uid, entry.gid)
    for key, value in entry.xattrs:
        os.setxattr(temporary, key, value, follow_symlinks=False)
    os.replace(temporary, where)
    sync_dir(where.parent)


def _dress(where: Path, entry: Entry) -> None:
    os.chown(where, entry.uid, entry.gid)
    os.chmod(where, entry.mode)
    for key, value in entry.xattrs:
        os.setxattr(where, key, value)


def read_xattrs(where: Union[str, Path]) -> Xattrs:
    """Return the extended attributes that are stored with an entry, sorted by name."""
    try:
        names = os.listxattr(where, follow_symlinks=False)
    except OSError:
        return ()
    values: Dict[str, bytes] = {}
    for name in names:
        if name.startswith(_XATTRS):
            with contextlib.suppress(OSError):
                values[name] = os.getxattr(where, name, follow_symlinks=False)
    return tuple(sorted(values.items()))


def _content(where: Path, path: str, root: Path, max_bytes: int) -> bytes:
    try:
        return read_regular(where, max_bytes=max_bytes)
    except TooLarge as exc:
        raise Refused(f"/{path} in {root} is {exc.strerror}, the most that is read of it",
                      hint=_TOO_LARGE) from exc


def _digest(where: Path) -> str:
    """Return the SHA-256 of a regular file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    with opened_regular(where) as stream:
        for data in iter(lambda: stream.read(1 << 20), b""):
            digest.update(data)
    return digest.hexdigest()
