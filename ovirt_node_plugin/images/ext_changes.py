"""Apply the changes of a root to a copy of its ext filesystem: the same changes, the same bytes.

The kernel chooses inodes and blocks by time, processor and random numbers, and it writes its
own times. debugfs(8) does not: it takes the next free inode and block, and its times are
options. What is not changed stays where it was.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict, Iterator, Mapping, Tuple

from ..errors import RolledBack
from ..system.entries import read_xattrs
from ..system.regular_files import opened_regular, same_content
from ..system.run import Runner, explained
from ..system.trees import walk

_TOP = "/"
_HINT = "Unset SOURCE_DATE_EPOCH to let the kernel write the filesystem."
_DEVICES = {stat.S_IFCHR: "c", stat.S_IFBLK: "b", stat.S_IFIFO: "p"}
_SOCKET = ".ovirt-node-plugin-socket"
# debugfs takes what follows BUFSIZ bytes for another command, and some of its commands write files
# of this machine: e2fsprogs, debugfs/debugfs.c, source_file(). BUFSIZ is 8192 in glibc.
_LINE_BYTES = 8000
# The kernel's Documentation/filesystems/ext4/inodes.rst, "Inode Timestamps"
_SECONDS_BITS, _EXTRA_BITS = 32, 2

_Entries = Mapping[str, os.stat_result]


class ExtChanges:
    """The changes from the mounted filesystem ``old`` to ``new``, which began as a copy of it.

    An inode is unchanged if its number and time of change are the same. ``date`` is the time of
    change that changed entries get, in seconds since 1970. ``work`` is a folder for new files.
    """

    def __init__(self, old: Path, new: Path, work: Path, date: int) -> None:
        self._old, self._new, self._work, self._date = old, new, work, date
        self._before, self._after = _entries(old), _entries(new)
        self._values: Dict[bytes, Path] = {}
        self.changed = {path for path, info in self._after.items()
                        if _identity(info) != _identity(self._before.get(path))}

    def apply(self, copy: Path, *, run: Runner) -> None:
        """Change ``copy``, a file with the unmounted filesystem ``old``. Free blocks become holes.

        Raises RolledBack if that fails; ``check`` tells whether the result is complete.
        """
        script = self._work / "debugfs-commands"
        script.write_bytes(b"".join(map(_line, self._commands())))
        with explained("the changes cannot be written to the filesystem image", hint=_HINT):
            run(["debugfs", "-w", "-f", script, copy])
            run(["e2fsck", "-f", "-p", "-E", "discard", copy], ok=(0, 1))  # 1: repaired

    def check(self, result: Path) -> None:
        """Raise RolledBack if the mounted ``result`` of ``apply`` is not the same as ``new``."""
        written = _entries(result)
        different = [path for path in sorted({*self._after, *written})
                     if path not in written or path not in self._after
                     or not self._same(path, result, written[path])]
        if different:
            raise RolledBack(
                f"{ascii(different[0])} cannot be written to the filesystem image by debugfs as"
                " it is in the changed root", hint=_HINT)

    def _same(self, path: str, result: Path, info: os.stat_result) -> bool:
        wanted = self._after[path]
        return _attributes(info) == _attributes(wanted) and (path not in self.changed or (
            read_xattrs(_host(result, path)) == read_xattrs(_host(self._new, path))
            and _same_content(_host(result, path), _host(self._new, path), info)))

    def _commands(self) -> Iterator[str]:
        """Yield the commands of debugfs(8), in an order that depends on paths only."""
        replaced = {path for path in self.changed & self._before.keys()
                    if not (_is_folder(self._before[path]) and _is_folder(self._after[path]))}
        removed = (self._before.keys() - self._after.keys()) | replaced
        for path in sorted(removed, reverse=True):  # entries before their folder
            yield f"{'rmdir' if _is_folder(self._before[path]) else 'rm'} {_quoted(path)}"
        written: Dict[int, str] = {}
        for path in sorted(self.changed):
            info = self._after[path]
            first = written.setdefault(info.st_ino, path)
            if first != path and not _is_folder(info):
                yield f"ln {_quoted(first)} {_quoted(path)}"
                continue
            kept = path in self._before and path not in replaced
            if not kept:
                yield from self._create(path, info)
            yield from self._set_xattrs(path, kept)
        # linking and creating entries changes their folders
        for path in sorted(written.values()):
            yield from self._set_fields(path, path in self._before and path not in replaced)

    def _create(self, path: str, info: os.stat_result) -> Iterator[str]:
        kind, name = stat.S_IFMT(info.st_mode), _quoted(path)
        source = _host(self._new, path)
        if kind == stat.S_IFDIR:
            yield f"mkdir {name}"
        elif kind == stat.S_IFLNK:
            yield f"symlink {name} {_quoted(os.readlink(source))}"
        elif kind == stat.S_IFREG:
            yield f"write {_quoted(source)} {name}"
        elif kind == stat.S_IFSOCK:  # mknod makes none; a link gets the type of its inode
            yield f"mknod {_SOCKET} p"
            yield f"set_inode_field {_SOCKET} mode 0{info.st_mode:o}"
            yield f"ln {_SOCKET} {name}"
            yield f"unlink {_SOCKET}"
        else:  # mknod takes no path
            numbers = (f" {os.major(info.st_rdev)} {os.minor(info.st_rdev)}"
                       if _DEVICES[kind] != "p" else "")
            yield f"cd {_quoted(os.path.dirname(path))}"
            yield f"mknod {_quoted(os.path.basename(path))} {_DEVICES[kind]}{numbers}"
            yield "cd /"

    def _set_xattrs(self, path: str, kept: bool) -> Iterator[str]:
        before = dict(read_xattrs(_host(self._old, path))) if kept else {}
        after = dict(read_xattrs(_host(self._new, path)))
        for name in sorted(before.keys() - after.keys()):
            yield f"ea_rm {_quoted(path)} {_quoted(name)}"
        for name in sorted(name for name in after if before.get(name) != after[name]):
            yield f"ea_set -f {_quoted(self._value(after[name]))} {_quoted(path)} {_quoted(name)}"

    def _value(self, value: bytes) -> str:
        """Return a file with the value of an attribute."""
        if value not in self._values:
            self._values[value] = self._work / f"xattr-{len(self._values)}"
            self._values[value].write_bytes(value)
        return os.fspath(self._values[value])

    def _set_fields(self, path: str, kept: bool) -> Iterator[str]:
        info = self._after[path]
        seconds, nanoseconds = divmod(info.st_mtime_ns, 10**9)
        fields = {"uid": info.st_uid, "gid": info.st_gid, "links_count": info.st_nlink,
                  "mtime_extra": _extra(seconds, nanoseconds), "ctime_extra": _extra(self._date, 0)}
        new_fields = {"uid": 0, "gid": 0, "links_count": 1, "mtime_extra": 0, "ctime_extra": 0}
        if _is_folder(info):
            del fields["links_count"]
        if stat.S_ISREG(info.st_mode):
            fields["size"] = info.st_size  # write ends with the last data
        name = _quoted(path)
        yield f"set_inode_field {name} mode 0{info.st_mode:o}"
        yield f"set_inode_field {name} mtime @{seconds}"
        yield f"set_inode_field {name} ctime @{self._date}"
        for field, value in fields.items():
            if kept or new_fields.get(field) != value:
                yield f"set_inode_field {name} {field} {value}"


def _entries(root: Path) -> _Entries:
    """Return the status of each entry of ``root`` by its absolute path in it."""
    entries = {_TOP: os.lstat(root)}
    entries.update((entry.path[len(os.fspath(root)):], entry.stat(follow_symlinks=False))
                   for entry in walk(root))
    return entries


def _extra(seconds: int, nanoseconds: int) -> int:
    """Return the second word of a time: nanoseconds, and the upper bits of the seconds."""
    upper = (seconds + (1 << _SECONDS_BITS - 1)) >> _SECONDS_BITS
    return nanoseconds << _EXTRA_BITS | upper & (1 << _EXTRA_BITS) - 1


def _identity(info: "os.stat_result | None") -> Tuple[int, ...]:
    return () if info is None else (info.st_ino, info.st_ctime_ns)


def _attributes(info: os.stat_result) -> Tuple[int, ...]:
    size = 0 if _is_folder(info) else info.st_size
    return (info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_rdev, size,
            info.st_mtime_ns)


def _is_folder(info: os.stat_result) -> bool:
    return stat.S_ISDIR(info.st_mode)


def _host(root: Path, path: str) -> str:
    return f"{root}{path}" if path != _TOP else os.fspath(root)


def _same_content(path: str, other: str, info: os.stat_result) -> bool:
    if stat.S_ISLNK(info.st_mode):
        return os.readlink(path) == os.readlink(other)
    if not stat.S_ISREG(info.st_mode):
        return True
    with opened_regular(path) as stream, opened_regular(other) as other_stream:
        return same_content(stream, other_stream)


def _line(command: str) -> bytes:
    line = os.fsencode(command) + b"\n"
    if len(line) > _LINE_BYTES:
        raise RolledBack("a path or the target of a link is too long for debugfs, which writes the"
                         f" filesystem image: {ascii(command[:100])}...", hint=_HINT)
    return line


def _quoted(word: str) -> str:
    """Return a word of a command. ss(3): double quotes, each doubled within.

    Raises RolledBack for a line break, which would end the command.
    """
    if "\n" in word or "\r" in word:
        raise RolledBack(f"debugfs cannot write the name {ascii(word)} to the filesystem image",
                         hint=_HINT)
    return '"' + word.replace('"', '""') + '"'
