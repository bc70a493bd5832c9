"""Save entries of a root in a folder, with all metadata, and restore them."""
from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, Mapping, Optional, Tuple

from ..errors import RecordError
from ..system import beneath
from ..system.entries import Entry, Xattrs, read_xattrs, sync_dir
from ..system.json_data import Data, number_of, text_of
from ..system.paths import resolve_inside
from ..system.regular_files import opened_handle
from ..system.trees import Stat, remove_new, stat_of, state_of

CONTENT = "content"
# Small files are saved one after another in one file: many files are slow.
_SMALL_BYTES = 256 * 1024
_CHUNK_BYTES = 1024 * 1024
# The largest content that is read into memory, and so into undo data.
_ENTRY_BYTES = 64 * 1024 * 1024
_REQUIRED = ("stat", "kind", "mtime_ns")


@dataclass(frozen=True)
class SavedEntry:
    """One saved entry.

    ``kind`` is as in ``entries.Entry``; ``target`` is that of a link, ``device`` the number
    of a device. A file's content is in CONTENT at ``offset``, or, if ``number`` is not 0,
    in the file of that name, which with ``linked`` is a hard link to the file itself.
    ``twin`` is a path, saved before this one, that was a hard link to the same file.
    """

    stat: Stat
    kind: str
    mtime_ns: int
    xattrs: Xattrs = ()
    target: str = ""
    device: int = 0
    offset: int = 0
    size_bytes: int = 0
    number: int = 0
    linked: bool = False
    twin: str = ""

    @property
    def mode(self) -> int:
        """The permission bits."""
        return stat.S_IMODE(self.stat[0])

    @property
    def owner(self) -> Tuple[int, int]:
        """The uid and the gid."""
        return self.stat[1], self.stat[2]

    def dump(self) -> Data:
        """Return this as data for JSON."""
        data = {name: value for name, value in vars(self).items() if value or name in _REQUIRED}
        if self.xattrs:
            data["xattrs"] = [[name, base64.b64encode(value).decode()]
                              for name, value in self.xattrs]
        return data

    @classmethod
    def load(cls, data: Mapping[str, object]) -> SavedEntry:
        """Return the entry in ``data``, the inverse of ``dump``.

        Raises ValueError, TypeError or KeyError for invalid data.
        """
        state, mtime_ns, xattrs = data["stat"], data["mtime_ns"], data.get("xattrs", [])
        if (not isinstance(state, list) or len(state) < 4 or not isinstance(mtime_ns, int)
                or not all(isinstance(number, int) for number in state)
                or not isinstance(xattrs, list)):
            raise ValueError("the description of a file is invalid")
        return cls(
            stat=tuple(state), kind=text_of(data, "kind"), mtime_ns=mtime_ns,
            xattrs=tuple((str(name), base64.b64decode(value)) for name, value in xattrs),
            target=text_of(data, "target", ""), device=number_of(data, "device", 0),
            offset=number_of(data, "offset", 0), size_bytes=number_of(data, "size_bytes", 0),
            number=number_of(data, "number", 0), linked=bool(data.get("linked")),
            twin=text_of(data, "twin", ""))


class SnapshotWriter:
    """A writer of entries of ``root`` to ``folder``; ``close`` syncs them to disk."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = os.fspath(root)
        self._folder = folder
        self._content = _new_file(folder / CONTENT)
        self._copies: List[BinaryIO] = []
        self._end = 0
        self._count = 0
        self._first: Dict[Tuple[int, int], str] = {}

    def keep(self, path: str, *, copy_bytes: int) -> Optional[SavedEntry]:
        """Save the entry ``path``, relative to the root; return None if there is none.

        A file larger than ``copy_bytes`` is saved as a hard link, which costs nothing, but
        is lost when a program writes into the file; rpm and careful programs replace it.
        """
        source = f"{self._root}/{path}"
        try:
            info = os.lstat(source)
            xattrs = read_xattrs(source)
            if not stat.S_ISDIR(info.st_mode):
                return self._keep(path, source, info, xattrs, copy_bytes)
            return SavedEntry(state_of(info), "dir", info.st_mtime_ns, xattrs)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def close(self) -> None:
        """Sync all saved entries to disk."""
        with contextlib.ExitStack() as stack:
            for stream in (self._content, *self._copies):
                stack.enter_context(stream)
                stream.flush()
                os.fsync(stream.fileno())
        sync_dir(self._folder)

    def _keep(self, path: str, source: str, info: os.stat_result, xattrs: Xattrs,
              copy_bytes: int) -> SavedEntry:
        twin = self._twin(path, info)
        if stat.S_ISLNK(info.st_mode):
            return SavedEntry(state_of(info), "link", info.st_mtime_ns, xattrs,
                              target=os.readlink(source), twin=twin)
        if not stat.S_ISREG(info.st_mode):
            return SavedEntry(state_of(info), "other", info.st_mtime_ns, xattrs,
                              device=info.st_rdev, twin=twin)
        offset, size_bytes, number, linked = 0, info.st_size, 0, False
        if not twin and size_bytes <= _SMALL_BYTES:
            offset, size_bytes = self._append(source)
        elif not twin:
            self._count += 1
            number = self._count
            linked = size_bytes > copy_bytes and self._link(source, number)
            if linked:
                info = os.lstat(source)  # the link changed its ctime
            else:
                size_bytes = self._copy(source, number)
        return SavedEntry(state_of(info), "file", info.st_mtime_ns, xattrs, offset=offset,
                          size_bytes=size_bytes, number=number, linked=linked, twin=twin)

    def _twin(self, path: str, info: os.stat_result) -> str:
        if info.st_nlink < 2:
            return ""
        first = self._first.setdefault((info.st_dev, info.st_ino), path)
        return "" if first == path else first

    def _append(self, path: str) -> Tuple[int, int]:
        with opened_handle(path) as source:
            data = os.read(source, _SMALL_BYTES)
        self._content.write(data)
        self._end += len(data)
        return self._end - len(data), len(data)

    def _link(self, path: str, number: int) -> bool:
        try:
            os.link(path, self._folder / str(number), follow_symlinks=False)
        except OSError:  # another filesystem, or one without hard links
            return False
        return True

    def _copy(self, path: str, number: int) -> int:
        self._copies.append(_new_file(self._folder / str(number)))
        with opened_handle(path) as source:
            return _pump(source, self._copies[-1].fileno(), os.fstat(source).st_size)


def restore(root: Path, path: str, kept: SavedEntry, folder: Path) -> None:
    """Restore the entry ``path`` of ``root`` from ``folder``; idempotent.

    Its parents must have been restored before.

    Raises OSError from the system, RecordError if a parent became a link, and OutsideRoot
    if a mount is in a folder that is to be replaced.
    """
    target = root / path
    if resolve_inside(root, path, follow_last=False) != target:
        raise RecordError(f"{target} cannot be restored: a folder above it became a symbolic link",
                          hint="Restore that folder.")
    with beneath.parent_opened(root, path) as entry:
        _restore_at(entry, root, path, kept, folder)


def _restore_at(where: Path, root: Path, path: str, kept: SavedEntry, folder: Path) -> None:
    """Restore the entry ``path`` at ``where``, which stays in its folder."""
    now = stat_of(where)
    is_dir = now is not None and stat.S_ISDIR(now[0])
    if kept.kind == "dir":
        if not is_dir:
            where.unlink(missing_ok=True)
            where.mkdir(mode=0o700)
        _dress(where, kept)
        return
    if is_dir:
        remove_new(root, [path])
    if kept.kind == "other" and not (kept.device or stat.S_ISFIFO(kept.stat[0])):
        return  # a socket: the program that listens on it makes it
    temporary = where.with_name(f".{where.name[:200]}.{os.getpid()}.back")
    temporary.unlink(missing_ok=True)
    try:
        if _make(root, temporary, kept, folder):
            _dress(temporary, kept)
        if os.path.lexists(where) and os.path.samestat(os.lstat(where), os.lstat(temporary)):
            return
        os.replace(temporary, where)
    finally:
        temporary.unlink(missing_ok=True)


def entry_of(root: Path, path: str, kept: SavedEntry, folder: Path) -> Optional[Entry]:
    """Return a saved entry as an ``Entry``; None if its content is lost or too large."""
    data: Optional[bytes] = None
    if kept.kind == "link":
        data = os.fsencode(kept.target)
    elif kept.kind == "file":
        if kept.size_bytes > _ENTRY_BYTES or (kept.linked and _is_there(root / path, kept)):
            return None
        with _content(kept, folder) as source:
            data = b"".join(_chunks(source, kept.size_bytes))
        if len(data) != kept.size_bytes:
            raise _cut_off()
    digest = hashlib.sha256(data).hexdigest() if data is not None else ""
    uid, gid = kept.owner
    return Entry(kind=kept.kind, mode=kept.mode, uid=uid, gid=gid, digest=digest, content=data,
                 xattrs=kept.xattrs)


def _is_there(path: Path, kept: SavedEntry) -> bool:
    """Return whether the saved file is still in its place, and may have been written to."""
    now = stat_of(path)
    return now is not None and now[-1] == kept.stat[-1]


def _make(root: Path, temporary: Path, kept: SavedEntry, folder: Path) -> bool:
    """Make an entry at ``temporary``; return whether its metadata is still to be set."""
    if kept.twin:
        if resolve_inside(root, kept.twin, follow_last=False) != root / kept.twin:
            raise RecordError(f"a folder above {root / kept.twin} became a symbolic link",
                              hint="Restore that folder.")
        with beneath.parent_opened(root, kept.twin) as twin:
            os.link(twin, temporary, follow_symlinks=False)
        return False
    if kept.kind == "link":
        os.symlink(kept.target, temporary)
        return True
    if kept.kind == "other":
        os.mknod(temporary, kept.stat[0], kept.device)
        return True
    if kept.number:
        # A hard link needs no room, and the disk may be full.
        saved = folder / str(kept.number)
        with contextlib.suppress(OSError):
            if stat.S_ISREG(os.lstat(saved).st_mode):
                os.link(saved, temporary, follow_symlinks=False)
                return True
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with _content(kept, folder) as source:
            if _pump(source, handle, kept.size_bytes) != kept.size_bytes:
                raise _cut_off()
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def _dress(path: Path, kept: SavedEntry) -> None:
    os.chown(path, *kept.owner, follow_symlinks=False)
    if kept.kind != "link":
        os.chmod(path, kept.mode)
    for name in {name for name, _ in read_xattrs(path)} - {name for name, _ in kept.xattrs}:
        os.removexattr(path, name, follow_symlinks=False)
    for name, value in kept.xattrs:
        os.setxattr(path, name, value, follow_symlinks=False)
    os.utime(path, ns=(kept.mtime_ns, kept.mtime_ns), follow_symlinks=False)


def _new_file(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return open(handle, "wb", buffering=_CHUNK_BYTES)


@contextlib.contextmanager
def _content(kept: SavedEntry, folder: Path) -> Iterator[int]:
    path = folder / (str(kept.number) if kept.number else CONTENT)
    if not path.exists():
        raise _cut_off()
    with opened_handle(path) as source:
        os.lseek(source, kept.offset, os.SEEK_SET)
        yield source


def _chunks(source: int, size_bytes: int) -> Iterator[bytes]:
    while size_bytes > 0:
        data = os.read(source, min(size_bytes, _CHUNK_BYTES))
        if not data:
            return
        size_bytes -= len(data)
        yield data


def _pump(source: int, handle: int, size_bytes: int) -> int:
    """Copy up to ``size_bytes`` from ``source`` to ``handle``; return the number copied.

    copy_file_range(2) shares blocks on filesystems that can.
    """
    remaining = size_bytes
    with contextlib.suppress(OSError):  # ENOSYS, EXDEV, EINVAL: the rest is read and written
        while remaining > 0:
            done = os.copy_file_range(source, handle, min(remaining, 1 << 30))
            if not done:
                break
            remaining -= done
    for data in _chunks(source, remaining):
        _write(handle, data)
        remaining -= len(data)
    return size_bytes - remaining


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data):]


def _cut_off() -> RecordError:
    return RecordError("the journal is incomplete: saved content is missing",
                       hint="Unpack the root again.")
