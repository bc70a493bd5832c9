"""Open and read regular files; links, fifos, devices and too large files are refused.

Files in a root or a bundle are hostile input: opening a fifo or a device can block or
change the device, and reading without a limit can fill the memory. This module imports
little, as VDSM waits for a program that uses it.
"""
from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

from .limits import TEXT_BYTES

_CHUNK_BYTES = 1 << 20
_GUARDED = os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """The path of an entry that is not a regular file."""


class TooLarge(OSError):
    """A file that is larger than its reader allows."""


@contextmanager
def opened_handle(path: str | os.PathLike[str], *, follow: bool = False,
                  flags: int = os.O_RDONLY, dir_fd: int | None = None) -> Iterator[int]:
    """Yield a file descriptor of the regular file at ``path``.

    A link in the last component is refused unless ``follow`` is true; links in the others
    are followed. ``flags`` and ``dir_fd`` are those of open(2) and openat(2).

    Raises NotRegular for other types of entry, and OSError from the system.
    """
    handle = os.open(path, flags | _GUARDED | (0 if follow else os.O_NOFOLLOW), dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotRegular(errno.EINVAL, "not a regular file", os.fspath(path))
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened_regular(path: str | os.PathLike[str], *, follow: bool = False,
                   flags: int = os.O_RDONLY, dir_fd: int | None = None,
                   ) -> Iterator[BufferedReader]:
    """Yield a stream of the bytes of the regular file at ``path``; see ``opened_handle``."""
    with opened_handle(path, follow=follow, flags=flags, dir_fd=dir_fd) as handle:
        with open(handle, "rb", closefd=False) as stream:
            yield stream


def read_regular(path: str | os.PathLike[str], *, max_bytes: int = TEXT_BYTES,
                 follow: bool = False, flags: int = os.O_RDONLY) -> bytes:
    """Return the content of the regular file at ``path``; see ``opened_handle``.

    Raises TooLarge for a file of more than ``max_bytes``, without reading the rest.
    """
    with opened_regular(path, follow=follow, flags=flags) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(errno.EFBIG, f"larger than {max_bytes} bytes", os.fspath(path))
    return data


def same_content(first: BufferedReader, second: BufferedReader) -> bool:
    """Return whether two streams have the same bytes from their positions to their ends."""
    while True:
        chunk = first.read(_CHUNK_BYTES)
        if chunk != second.read(_CHUNK_BYTES):
            return False
        if not chunk:
            return True
