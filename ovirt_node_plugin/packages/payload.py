"""Read files in the payload of RPM packages."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Collection, Iterator, Tuple

import rpm

from ..errors import NodePluginError


def read_files(package: Path, paths: Collection[str], *,
               max_bytes: int) -> Iterator[Tuple[str, bytes]]:
    """Yield the path and content of the files ``paths`` in an RPM file of this machine.

    Files that it does not have, and those of more than ``max_bytes``, are left out. Raises
    NodePluginError for a payload that cannot be read.
    """
    missing = set(paths)
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)
    handle = os.open(package, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = transaction.hdrFromFdno(handle)
        archive = rpm.files(header).archive(
            rpm.fd(handle, "r", header["payloadcompressor"] or "gzip"), write=False)
        for file in archive:
            if not missing:
                break
            if file.name in missing and stat.S_ISREG(file.mode) and file.size <= max_bytes:
                yield file.name, archive.read(file.size)
            missing.discard(file.name)
    except (rpm.error, OSError) as exc:
        raise NodePluginError(f"the payload of {package} cannot be read: {exc}",
                              hint="Do not install it; ask its vendor.") from exc
    finally:
        os.close(handle)
