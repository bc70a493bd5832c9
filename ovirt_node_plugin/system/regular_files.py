"""Regular files opened and read; links, fifos, devices and endless files are refused.

What lies in a root or a bundle is hostile input: opening a fifo or a device can block, or
change a device, and what is not limited can fill the memory. Imports next to nothing, as
programs that others wait for use it.
"""
from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

SMALL_BYTES = 1 << 20
_GUARDED = os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """A path names something else than a regular file."""


class TooLarge(OSError):
    """A file is larger than its reader allows."""


@contextmanager
def opened_handle(path: str | os.PathLike[str], *, follow: bool = False,
                  flags: int = os.O_RDONLY, dir_fd: int | None = None) -> Iterator[int]:
    """Yield a descriptor of the regular file at ``path``, closed at the end.

    A link in the last place is refused, unless ``follow`` is true; links before it are
    always followed. ``flags`` and ``dir_fd`` are those of open(2) and openat(2).

    Raises NotRegular for anything else, and OSError as the system does.
    """
    handle = os.open(path, flags | _GUARDED | (0 if follow else os.O_NOFOLLOW), dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise NotRegular(errno.EINVAL, "no regular file", os.fspath(path))
        yield handle
    finally:
        os.close(handle)


@contextmanager
def opened_regular(path: str | os.PathLike[str], *, follow: bool = False,
                   flags: int = os.O_RDONLY, dir_fd: int | None = None,
                   ) -> Iterator[BufferedReader]:
    """Yield the regular file at ``path`` to be read as bytes; as ``opened_handle``."""
    with opened_handle(path, follow=follow, flags=flags, dir_fd=dir_fd) as handle:
        with open(handle, "rb", closefd=False) as stream:
            yield stream


def read_regular(path: str | os.PathLike[str], *, max_bytes: int = SMALL_BYTES,
                 follow: bool = False, flags: int = os.O_RDONLY) -> bytes:
    """Return the content of the regular file at ``path``; as ``opened_handle``.

    Raises TooLarge for more than ``max_bytes``, after at most one byte more was read.
    """
    with opened_regular(path, follow=follow, flags=flags) as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(errno.EFBIG, f"larger than {max_bytes} bytes", os.fspath(path))
    return data
