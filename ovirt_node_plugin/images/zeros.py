"""Find where a range of a file is not zero."""
from __future__ import annotations

from pathlib import Path
from typing import Optional

_CHUNK_BYTES = 1 << 20


def first_not_zero(path: Path, start: int, end: int) -> Optional[int]:
    """Return the position of the first byte of ``path`` from ``start`` to ``end`` that is not 0."""
    with open(path, "rb") as stream:
        stream.seek(start)
        while start < end:
            chunk = stream.read(min(_CHUNK_BYTES, end - start))
            if not chunk:
                break
            rest = chunk.lstrip(b"\0")
            if rest:
                return start + len(chunk) - len(rest)
            start += len(chunk)
    return None
