"""Read files of a repository's metadata: decompressed, up to a limit of size."""
from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import resource
import tempfile
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import Callable, Iterator, Mapping

import libdnf.utils

from ..errors import BadBundle

LIMIT_BYTES = 1024 * 1024

_READERS: Mapping[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile, ".xz": lzma.LZMAFile, ".bz2": bz2.BZ2File}


def read_metadata(path: Path) -> bytes:
    """Return the content of the file ``path``, decompressed by its suffix.

    Raises BadBundle for one that is damaged or larger than LIMIT_BYTES.
    """
    try:
        if path.suffix in (".zst", ".zck"):
            data = _by_libdnf(path)
        else:
            reader = _READERS.get(path.suffix)
            with reader(path) if reader else open(path, "rb") as stream:
                data = stream.read(LIMIT_BYTES + 1)
    except (EOFError, OSError, RuntimeError, lzma.LZMAError, zlib.error) as exc:
        raise BadBundle(f"the descriptor in {path} cannot be read: {exc}",
                        hint="Refresh the repository's metadata: dnf clean metadata") from exc
    if len(data) > LIMIT_BYTES:
        raise BadBundle(f"the descriptor in {path} is larger than {LIMIT_BYTES} bytes")
    return bytes(data)


def _by_libdnf(path: Path) -> bytes:
    """Decompress what Python's library cannot, into a file of a limited size."""
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        plain = Path(work) / path.stem
        with _largest_file(LIMIT_BYTES + 1):
            libdnf.utils.decompress(str(path), str(plain), 0o600)
        return plain.read_bytes()


@contextlib.contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """Limit the files that this process writes; a write beyond it fails (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
