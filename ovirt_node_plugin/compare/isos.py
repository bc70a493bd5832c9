"""Compare the files on two ISOs, and the partitions behind them."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Container, Dict, Iterator, Tuple

from ..images.iso import Iso, Span, span_chunks
from ..system.progress import Advance
from .trees import ADDED, CHANGED, REMOVED, Difference

# The bytes of a boot image into which xorriso(1) and mkisofs(8) write its position on the
# ISO: "-boot-info-table", and the block address at 2548 of GRUB 2
_WRITTEN = (("boot-info-table", 8, 64), ("grub2-boot-info", 2548, 2556))
_PATH = re.compile(r"El Torito img path :\s*(\d+)\s+(/.*)")
_OPTIONS = re.compile(r"El Torito img opts :\s*(\d+)\s+(.*)")

Blanks = Tuple[Tuple[int, int], ...]


def iso_differences(old: Tuple[Path, Iso], new: Tuple[Path, Iso], *, ignored: Container[str],
                    advance: Advance = lambda _: None) -> Iterator[Difference]:
    """Yield the differences between two ISOs, each a path and its content, sorted by path.

    A file is named by its absolute path on the ISO, a partition by ``partition N``. Names in
    ``ignored`` are not compared. Files of equal size are compared by content, except for the
    position that is written into a boot image. ``advance`` gets the number of bytes read.

    Raises BadImage for a truncated ISO.
    """
    old_spans, new_spans = _spans(old[1]), _spans(new[1])
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


def _spans(iso: Iso) -> Dict[str, Span]:
    spans: Dict[str, Span] = {file.path: file for file in iso.files}
    spans.update((f"partition {partition.number}", partition) for partition in iso.partitions)
    return spans


def _blanks(iso: Iso, path: str) -> Blanks:
    """Return the bytes of the boot image ``path`` that were written with the ISO."""
    numbers = {match.group(1) for line in iso.el_torito for match in [_PATH.match(line)]
               if match and match.group(2).strip() == path}
    words = {word for line in iso.el_torito for match in [_OPTIONS.match(line)]
             if match and match.group(1) in numbers for word in match.group(2).split()}
    return tuple((start, end) for word, start, end in _WRITTEN if word in words)


def _blanked(chunk: bytes, blanks: Blanks) -> bytes:
    for start, end in blanks:
        chunk = chunk[:start] + bytes(len(chunk[start:end])) + chunk[end:]
    return chunk
