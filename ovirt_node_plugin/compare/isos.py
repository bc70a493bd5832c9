"""Compare the files on two ISOs, the partitions behind them, and hidden boot images."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Container, Iterator, Tuple

from ..images.iso.iso import Iso, span_chunks
from ..system.progress import Advance
from .trees import ADDED, CHANGED, REMOVED, Difference

# The bytes of a boot image into which xorriso(1) and mkisofs(8) write its position on the
# ISO: "-boot-info-table", and the block address at 2548 of GRUB 2
_WRITTEN = (("boot-info-table", 8, 64), ("grub2-boot-info", 2548, 2556))

Blanks = Tuple[Tuple[int, int], ...]


def iso_differences(old: Tuple[Path, Iso], new: Tuple[Path, Iso], *, ignored: Container[str],
                    advance: Advance = lambda _: None) -> Iterator[Difference]:
    """Yield the differences between two ISOs, each a path and its content, sorted by path.

    The names are those of ``Iso.spans``. Names in ``ignored`` are not compared. Files of equal
    size are compared by content, except for the position that is written into a boot image.
    ``advance`` gets the number of bytes read.

    Raises BadImage for a truncated ISO.
    """
    old_spans, new_spans = old[1].spans, new[1].spans
    read_bytes = 0
    for path in sorted({*old_spans, *new_spans}, key=os.fsencode):
        if path in ignored:
            continue
        before, after = old_spans.get(path), new_spans.get(path)
        if before is None or after is None:
            yield Difference(path, ADDED if before is None else REMOVED)
            continue
        if before.size_bytes != after.size_bytes:
            yield Difference(path, CHANGED, (f"size {before.size_bytes} -> {after.size_bytes}",))
            continue
        blanks = tuple({*_blanks(old[1], path), *_blanks(new[1], path)})
        for first, second in zip(span_chunks(old[0], before), span_chunks(new[0], after)):
            if _blanked(first, blanks) != _blanked(second, blanks):
                yield Difference(path, CHANGED, ("content",))
                break
            blanks = ()  # they are all in the first chunk
            read_bytes += len(first)
            advance(read_bytes)


def _blanks(iso: Iso, path: str) -> Blanks:
    """Return the bytes of the boot image ``path`` that were written with the ISO."""
    words = {word for image in iso.boot_images if image.path == path for word in image.options}
    return tuple((start, end) for word, start, end in _WRITTEN if word in words)


def _blanked(chunk: bytes, blanks: Blanks) -> bytes:
    for start, end in blanks:
        chunk = chunk[:start] + bytes(len(chunk[start:end])) + chunk[end:]
    return chunk
