"""Read files of a repository's metadata, and measure them: decompressed, up to a limit."""
from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import resource
import tempfile
import zlib
from pathlib import Path
from typing import IO, Callable, Dict, Iterable, Iterator, Mapping, cast

import libdnf.utils

from ..errors import BadBundle
from ..plugin import bundle_files
from ..system import run as programs
from ..system.limits import METADATA_BYTES, SOURCE_TAR_BYTES, TEXT_BYTES
from ..system.regular_files import opened_regular
from ..system.run import Runner

_READERS: Mapping[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda raw: cast(IO[bytes], gzip.open(raw)), ".xz": lambda raw: lzma.open(raw),
    ".bz2": lambda raw: cast(IO[bytes], bz2.open(raw))}
_DAMAGE = (EOFError, OSError, RuntimeError, lzma.LZMAError, zlib.error)


def read_metadata(path: Path) -> bytes:
    """Return the content of the file ``path``, decompressed by its suffix.

    Raises BadBundle for one that is damaged or larger than TEXT_BYTES.
    """
    return _read(path, f"the descriptor in {path}", TEXT_BYTES)


def read_bundle_files(path: Path, *, repo_id: str,
                      run: Runner = programs.run) -> Dict[str, bytes]:
    """Return the files of a plugin, by ``files/NAME``, in the tar ``path`` of a repository.

    Raises BadBundle for a tar that is damaged or has anything else, and beyond the limits.
    """
    source = f"{bundle_files.FOLDER}/ of repo {repo_id}"
    data = _read(path, source, SOURCE_TAR_BYTES)
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        tar = Path(work) / "files.tar"
        tar.write_bytes(data)
        return bundle_files.read_tar(tar, source=source, run=run)


def _read(path: Path, shown: str, limit_bytes: int) -> bytes:
    """Return the content of a file, decompressed; ``shown`` is its name in messages."""
    try:
        with _opened(path, limit_bytes) as stream:
            data = stream.read(limit_bytes + 1)
    except _DAMAGE as exc:
        raise BadBundle(f"{shown} cannot be read: {exc}",
                        hint="Refresh the repository's metadata: dnf clean metadata") from exc
    if len(data) > limit_bytes:
        raise BadBundle(f"{shown} is larger than {limit_bytes} bytes")
    return bytes(data)


def check_sizes(files: Iterable[Path]) -> None:
    """Raise BadBundle if metadata is larger than METADATA_BYTES in sum, decompressed.

    A file that is missing or damaged is left to DNF, which reports it.
    """
    remaining_bytes = METADATA_BYTES
    for path in sorted(set(files)):
        with contextlib.suppress(*_DAMAGE), _opened(path, METADATA_BYTES) as stream:
            for part in iter(lambda: stream.read(1 << 20), b""):
                remaining_bytes -= len(part)
                if remaining_bytes < 0:
                    raise BadBundle(f"{path} and the metadata beside it are larger than"
                                    f" {METADATA_BYTES} bytes, decompressed",
                                    hint="Ask the vendor for a smaller bundle.")


@contextlib.contextmanager
def _opened(path: Path, limit_bytes: int) -> Iterator[IO[bytes]]:
    """Yield the content of a regular file, decompressed by its suffix.

    What libdnf has to decompress ends one byte behind the limit.
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(opened_regular(path, follow=True))
        reader = _READERS.get(path.suffix)
        if path.suffix not in (".zst", ".zck"):
            yield stack.enter_context(reader(raw)) if reader else raw
            return
        work = stack.enter_context(tempfile.TemporaryDirectory(prefix="node-plugin-"))
        plain = Path(work) / "plain"
        try:
            with _largest_file(limit_bytes + 1):
                libdnf.utils.decompress(str(path), str(plain), 0o600)
        except RuntimeError:
            if not plain.exists() or plain.stat().st_size <= limit_bytes:
                raise
        yield stack.enter_context(open(plain, "rb"))


@contextlib.contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """Limit the files that this process writes; a write beyond it fails (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
