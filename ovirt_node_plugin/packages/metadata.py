"""Files out of a repository's metadata, decompressed, and no larger than they may be."""
from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import resource
import tempfile
import zlib
from pathlib import Path
from typing import Any, Iterator

import libdnf.utils

from ..errors import BadBundle

LIMIT_BYTES = 1024 * 1024

_OPENERS: Any = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def read_metadata(path: Path) -> bytes:
    """Return the content of the file ``path``, decompressed as its suffix says.

    Raises BadBundle for one that is damaged or larger than LIMIT_BYTES.
    """
    try:
        if path.suffix in (".zst", ".zck"):
            data = _by_libdnf(path)
        else:
            with _OPENERS.get(path.suffix, open)(path, "rb") as stream:
                data = stream.read(LIMIT_BYTES + 1)
    except (EOFError, OSError, RuntimeError, lzma.LZMAError, zlib.error) as exc:
        raise BadBundle(f"the descriptor in {path} cannot be read: {exc}",
                        hint="Refresh the repository's metadata: dnf clean metadata") from exc
    if len(data) > LIMIT_BYTES:
        raise BadBundle(f"the descriptor in {path} is larger than {LIMIT_BYTES} bytes")
    return bytes(data)


def _by_libdnf(path: Path) -> bytes:
    """Decompress what Python's own library cannot read, into a file that cannot grow too large."""
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        plain = Path(work) / path.stem
        with _largest_file(LIMIT_BYTES + 1):
            libdnf.utils.decompress(str(path), str(plain), 0o600)
        return plain.read_bytes()


@contextlib.contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """Limit the files that this process writes; a write beyond fails (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
