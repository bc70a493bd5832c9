"""Open folders beneath a root without following a link, for programs that undo changes.

``openat2`` is asked to stay beneath the root. Where the kernel has no such call, each folder is
opened by the descriptor of the one above it.
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Iterator

_OPENAT2 = 437  # the same number on every architecture, since Linux 5.6
# <linux/openat2.h>
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_UNSUPPORTED = (errno.ENOSYS, errno.EPERM)  # EPERM: filters of system calls in containers

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def parent_opened(root: Path, path: str) -> Iterator[Path]:
    """Yield a path that leads to the entry ``path``, relative to ``root``, and nowhere else.

    Its folder is open: links that replace the folder or one above it are not followed. The
    entry itself may be a link, or missing.

    Raises OSError if the folder cannot be opened, with ELOOP or ENOTDIR for a link.
    """
    folder, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise OSError(errno.EINVAL, f"{path!r} is no name in a root")
    with opened(root, follow=True) as top, opened_folder(top, folder) as parent:
        yield Path(path_of(parent), name)


@contextlib.contextmanager
def opened(folder: Path, *, follow: bool = False) -> Iterator[int]:
    """Yield a descriptor of ``folder``, which may be a link only if ``follow`` is given."""
    descriptor = os.open(folder, _FLAGS & ~os.O_NOFOLLOW if follow else _FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened_folder(top: int, folder: str) -> Iterator[int]:
    """Yield a descriptor of ``folder`` as ``open_folder`` returns it; empty means ``top``."""
    descriptor = open_folder(top, folder or ".")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def path_of(descriptor: int) -> str:
    """Return the path by which a descriptor of this process can be opened again; proc(5)."""
    return f"/proc/self/fd/{descriptor}"


def open_folder(top: int, folder: str, *, has_openat2: bool = True) -> int:
    """Return a descriptor of ``folder``, a path without links beneath the descriptor ``top``."""
    if has_openat2:
        how = struct.pack("QQQ", _FLAGS, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGICLINKS)
        descriptor: int = _libc.syscall(_OPENAT2, top, os.fsencode(folder), how,
                                        ctypes.c_size_t(len(how)))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code), folder)
    descriptor = os.dup(top)
    for part in folder.split("/"):
        if part == "..":
            os.close(descriptor)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), folder)
        above = descriptor
        try:
            descriptor = os.open(part or ".", _FLAGS, dir_fd=above)
        finally:
            os.close(above)
    return descriptor
