"""Compare two trees by entry: type, owner, mode, attributes, links and content."""
from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Container, Dict, Iterator, List, Optional, Tuple

from ..errors import Refused
from ..system import limits
from ..system.progress import Advance
from ..system.regular_files import opened_regular, same_content

ADDED, REMOVED, CHANGED = "added", "removed", "changed"

_TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link",
          stat.S_IFCHR: "character device", stat.S_IFBLK: "block device",
          stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
# Others, such as system.nfs4_acl, are computed by the filesystem.
_XATTRS = ("security.", "user.", "trusted.", "system.posix_acl_")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SHOWN_BYTES = 64  # the longest value of an attribute to show
_PATH_CHARACTERS = 1000  # of at most four bytes each; PATH_MAX is 4096


@dataclass(frozen=True)
class Difference:
    """One entry that differs between two trees.

    ``path`` is relative to the root, which is ``.``, and decoded by ``os.fsdecode``.
    ``kind`` is ADDED, REMOVED or CHANGED. ``details`` are for CHANGED only: ``type``,
    ``mode``, ``owner``, ``size``, ``mtime``, ``target``, ``device``, ``links`` or
    ``xattr NAME``, each followed by the old value, ``->`` and the new value; or ``content``,
    where only that differs.
    """

    path: str
    kind: str
    details: Tuple[str, ...] = ()

    def text(self, top: str = "/") -> str:
        """Return a line for people, in which ``top`` is before the path."""
        path = top + self.path
        path = path if path.isprintable() else ascii(path)
        details = f" ({', '.join(self.details)})" if self.details else ""
        return f"{path} was {self.kind}{details}"


def differences(old: Path, new: Path, *, content_limit_bytes: Optional[int],
                times: bool = False, trusted: Container[str] = (),
                advance: Advance = lambda _: None) -> Iterator[Difference]:
    """Yield the differences between the trees ``old`` and ``new``, which must not change.

    A folder comes before its entries, and these are in the order of their bytes. Links are
    not followed. Times are compared only with ``times``, to the second and for regular
    files only.

    Content is compared for regular files of equal size of at most ``content_limit_bytes``
    (None: no limit, 0: never); for ``trusted`` paths only if their times differ.
    ``advance`` gets the number of entries that were compared.

    Raises OSError, with the path, for an unreadable entry, and Refused if the files whose
    content is to be compared have more than COMPARED_BYTES together.
    """
    with contextlib.ExitStack() as stack:
        trees = [stack.enter_context(_opened(root)) for root in (old, new)]
        rules = _Options(content_limit_bytes, times, trusted)
        yield from _Walk(trees[0], trees[1], rules, advance).differences()


@dataclass(frozen=True)
class _Options:
    content_limit_bytes: Optional[int]
    times: bool
    trusted: Container[str]


@dataclass(frozen=True)
class _OpenRoot:
    """An open root: its path and its file descriptor."""

    root: str
    handle: int

    def folder(self, path: str) -> int:
        """Return a file descriptor of the folder ``path``, which may be longer than PATH_MAX."""
        here, rest = self.handle, path
        while True:
            cut = len(rest) if len(rest) <= _PATH_CHARACTERS else rest.rfind(
                "/", 0, _PATH_CHARACTERS)
            try:
                below = os.open(rest[:cut], _FOLDER, dir_fd=here)
            finally:
                if here != self.handle:
                    os.close(here)
            here, rest = below, rest[cut + 1:]
            if not rest:
                return here


@dataclass(frozen=True)
class _OpenEntry:
    """One entry of an open folder, with its lstat(2)."""

    info: os.stat_result
    handle: int
    name: str

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.info.st_mode)

    def xattrs(self) -> Dict[str, bytes]:
        # through the open folder: no call takes a descriptor, and a path may be too long
        place = f"/proc/self/fd/{self.handle}/{self.name}"
        try:
            names = os.listxattr(place, follow_symlinks=False)
        except OSError as exc:
            if exc.errno == errno.ENOTSUP:
                return {}
            raise
        return {name: os.getxattr(place, name, follow_symlinks=False)
                for name in names if name.startswith(_XATTRS)}


@dataclass(frozen=True)
class _PathComparison:
    """The result for one path, and on which sides it is a folder."""

    path: str
    difference: Optional[Difference]
    in_old: bool
    in_new: bool


class _Walk:
    """A walk through both trees that keeps only the present folder open."""

    def __init__(self, old: _OpenRoot, new: _OpenRoot, rules: _Options, advance: Advance) -> None:
        self._old, self._new = old, new
        self._rules = rules
        self._advance = advance
        self._seen = 0
        self._compared_bytes = 0
        self._links = _Links()

    def differences(self) -> Iterator[Difference]:
        todo = [iter([self._top()])]
        while todo:
            step = next(todo[-1], None)
            if step is None:
                todo.pop()
                continue
            if step.difference is not None:
                yield step.difference
            if step.in_old or step.in_new:
                todo.append(iter(self._below(step)))

    def _top(self) -> _PathComparison:
        old, new = (_OpenEntry(os.fstat(tree.handle), tree.handle, ".")
                    for tree in (self._old, self._new))
        return _PathComparison(".", self._compared(".", old, new), True, True)

    def _below(self, step: _PathComparison) -> List[_PathComparison]:
        """Return the entries of a folder that differ or are folders, in order."""
        with contextlib.ExitStack() as stack:
            old, new = (
                stack.enter_context(_listed(tree, step.path)) if present else {}
                for tree, present in ((self._old, step.in_old), (self._new, step.in_new)))
            names = sorted({*old, *new}, key=os.fsencode)
            start = "" if step.path == "." else f"{step.path}/"
            compared = [self._compare_path(start + name, old.get(name), new.get(name))
                        for name in names]
        self._seen += len(names)
        self._advance(self._seen)
        return [comparison for comparison in compared if comparison.difference is not None
                or comparison.in_old or comparison.in_new]

    def _compare_path(self, path: str, old: Optional[_OpenEntry],
                      new: Optional[_OpenEntry]) -> _PathComparison:
        if old is not None and new is not None:
            difference = self._compared(path, old, new)
        else:
            difference = Difference(path, ADDED if old is None else REMOVED)
        return _PathComparison(path, difference, old is not None and old.is_folder,
                               new is not None and new.is_folder)

    def _compared(self, path: str, old: _OpenEntry, new: _OpenEntry) -> Optional[Difference]:
        with _naming(f"{self._old.root}/{path}"):
            details = (*_attributes(old, new), *self._by_type(path, old, new))
        return Difference(path, CHANGED, details) if details else None

    def _by_type(self, path: str, old: _OpenEntry, new: _OpenEntry) -> Iterator[str]:
        kind = stat.S_IFMT(old.info.st_mode)
        if kind != stat.S_IFMT(new.info.st_mode):
            return
        if kind == stat.S_IFREG:
            yield from self._file(path, old, new)
        elif kind == stat.S_IFLNK:
            yield from _changed("target", *(os.readlink(entry.name, dir_fd=entry.handle)
                                            for entry in (old, new)))
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            yield from _changed("device", *(
                f"{os.major(entry.info.st_rdev)}:{os.minor(entry.info.st_rdev)}"
                for entry in (old, new)))

    def _file(self, path: str, old: _OpenEntry, new: _OpenEntry) -> Iterator[str]:
        rules = self._rules
        times = [entry.info.st_mtime_ns // 10**9 for entry in (old, new)]
        size = old.info.st_size
        if size != new.info.st_size:
            yield from _changed("size", str(size), str(new.info.st_size))
        elif ((rules.content_limit_bytes is None or size <= rules.content_limit_bytes)
              and not (times[0] == times[1] and path in rules.trusted)
              and not self._links.same(old, new, self._same_content)):
            yield "content"
        if rules.times:
            yield from _changed("mtime", str(times[0]), str(times[1]))
        yield from self._links.details(path, old, new)

    def _same_content(self, old: _OpenEntry, new: _OpenEntry) -> bool:
        self._compared_bytes += old.info.st_size
        if self._compared_bytes > limits.COMPARED_BYTES:
            raise Refused(f"{new.name} in {self._new.root}: the files to compare have more than"
                          f" {limits.COMPARED_BYTES} bytes together",
                          hint="Look for sparse files, which have more bytes than they take up on"
                               " disk.")
        return _same_content(old, new)


class _Links:
    """Hard links: reads each file once, and compares which names are links to one file."""

    def __init__(self) -> None:
        self._read: Dict[Tuple[int, ...], bool] = {}
        self._first: Tuple[Dict[Tuple[int, int], str], ...] = ({}, {})

    def same(self, old: _OpenEntry, new: _OpenEntry,
             compare: Callable[[_OpenEntry, _OpenEntry], bool]) -> bool:
        """Return the result of ``compare``, which is called once for two files."""
        if old.info.st_nlink == 1 or new.info.st_nlink == 1:
            return compare(old, new)
        key = (*_identity(old), *_identity(new))
        if key not in self._read:
            self._read[key] = compare(old, new)
        return self._read[key]

    def details(self, path: str, old: _OpenEntry, new: _OpenEntry) -> Iterator[str]:
        """Yield the link counts if they differ, else the first names if these differ."""
        counts = [entry.info.st_nlink for entry in (old, new)]
        if counts == [1, 1]:
            return
        # only names that both sides have, so that the first ones can be compared
        first = [names.setdefault(_identity(entry), path)
                 for names, entry in zip(self._first, (old, new))]
        if counts[0] != counts[1]:
            yield from _changed("links", str(counts[0]), str(counts[1]))
        else:
            yield from _changed("links", first[0], first[1])


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[_OpenRoot]:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _OpenRoot(os.fspath(root), handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _listed(tree: _OpenRoot, path: str) -> Iterator[Dict[str, _OpenEntry]]:
    """Yield the entries of a folder by name, and keep it open meanwhile."""
    with _naming(f"{tree.root}/{path}"):
        handle = tree.folder(path)
        try:
            with os.scandir(handle) as listing:
                entries = {
                    entry.name: _OpenEntry(entry.stat(follow_symlinks=False), handle, entry.name)
                    for entry in listing}
        except BaseException:
            os.close(handle)
            raise
    try:
        yield entries
    finally:
        os.close(handle)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Raise an OSError again with ``path`` as its file name."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, path) from exc


def _attributes(old: _OpenEntry, new: _OpenEntry) -> Iterator[str]:
    """Yield the differences in attributes that entries of every type have."""
    infos = old.info, new.info
    if old.info.st_mode != new.info.st_mode:
        yield from _changed("type", *map(_type, infos))
        yield from _changed("mode", *(f"{stat.S_IMODE(info.st_mode):04o}"
                                      for info in infos))
    yield from _changed("owner", *(f"{info.st_uid}:{info.st_gid}" for info in infos))
    before, after = old.xattrs(), new.xattrs()
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"xattr {name} {_values(before.get(name), after.get(name))}"


def _changed(what: str, old: str, new: str) -> Iterator[str]:
    if old != new:
        yield f"{what} {old} -> {new}"


def _type(info: os.stat_result) -> str:
    return _TYPES.get(stat.S_IFMT(info.st_mode), "unknown")


def _identity(entry: _OpenEntry) -> Tuple[int, int]:
    return entry.info.st_dev, entry.info.st_ino


def _values(old: Optional[bytes], new: Optional[bytes]) -> str:
    """Return two values of an attribute as texts that differ."""
    texts = [_text(value) for value in (old, new)]
    if texts[0] == texts[1]:
        texts = [_coded(value or b"") for value in (old, new)]
    return f"{texts[0]} -> {texts[1]}"


def _text(value: Optional[bytes]) -> str:
    if value is None:
        return "none"
    bare = value[:-1] if value.endswith(b"\0") else value  # as SELinux labels do
    text = bare.decode("ascii", errors="replace")
    return text if text.isprintable() and bare and len(bare) <= _SHOWN_BYTES and (
        text.isascii()) else _coded(value)


def _coded(value: bytes) -> str:
    if len(value) <= _SHOWN_BYTES:
        return f"0x{value.hex()}"
    return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()[:16]}"


def _same_content(old: _OpenEntry, new: _OpenEntry) -> bool:
    with opened_regular(old.name, dir_fd=old.handle) as before, opened_regular(
            new.name, dir_fd=new.handle) as after:
        return same_content(before, after)
