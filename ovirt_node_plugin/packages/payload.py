"""Read files in the payload of RPM packages."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Collection, Dict

import rpm

from ..errors import NodePluginError


def read_files(package: Path, paths: Collection[str], *, max_bytes: int) -> Dict[str, bytes]:
    """Return the content of the files ``paths`` in the RPM file at the host path ``package``.

    Files that it does not have are left out, and those with which there would be more than
    ``max_bytes``. Raises NodePluginError for a payload that cannot be read.
    """
    missing = set(paths)
    contents: Dict[str, bytes] = {}
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
                contents[file.name] = archive.read(file.size)
                max_bytes -= file.size
            missing.discard(file.name)
    except (rpm.error, OSError) as exc:
        raise NodePluginError(f"the payload of {package} cannot be read: {exc}",
                              hint="Do not install it; ask its vendor.") from exc
    finally:
        os.close(handle)
    return contents
