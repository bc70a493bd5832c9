"""The files on two ISOs compared, and the partitions behind them."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Container, Dict, Iterator, Tuple

from ..images.iso import Iso, Span, span_chunks
from ..system.progress import Advance
from .trees import ADDED, CHANGED, REMOVED, Difference

# Where xorriso(1) and mkisofs(8) write to boot images where on the ISO they lie, from byte
# to byte: "-boot-info-table", and the block address at 2548 of GRUB 2
_WRITTEN = (("boot-info-table", 8, 64), ("grub2-boot-info", 2548, 2556))
_PATH = re.compile(r"El Torito img path :\s*(\d+)\s+(/.*)")
_OPTIONS = re.compile(r"El Torito img opts :\s*(\d+)\s+(.*)")

Blanks = Tuple[Tuple[int, int], ...]


def iso_differences(old: Tuple[Path, Iso], new: Tuple[Path, Iso], *, besides: Container[str],
                    advance: Advance = lambda _: None) -> Iterator[Difference]:
    """Yield what differs between two ISOs, each a path and what is on it, sorted by path.

    Files by their absolute paths on the ISO, and partitions as ``partition N``; those
    ``besides`` are passed over. Of files of the same size the content is compared, but for
    what a boot image says of its own place. ``advance`` is told the bytes that were read.

    Raises BadImage for an ISO that is cut off.
    """
    left, right = _spans(old[1]), _spans(new[1])
    read_bytes = 0
    for path in sorted({*left, *right}, key=os.fsencode):
        if path in besides:
            continue
        one, other = left.get(path), right.get(path)
        if one is None or other is None:
            yield Difference(path, ADDED if one is None else REMOVED)
            continue
        if one.size_bytes != other.size_bytes:
            yield Difference(path, CHANGED, (f"size {one.size_bytes} -> {other.size_bytes}",))
            continue
        blanks = tuple({*_blanks(old[1], path), *_blanks(new[1], path)})
        for first, second in zip(span_chunks(old[0], one), span_chunks(new[0], other)):
            if _blanked(first, blanks) != _blanked(second, blanks):
                yield Difference(path, CHANGED, ("content",))
                break
            blanks = ()  # they are all in the first chunk
            read_bytes += len(first)
            advance(read_bytes)


def _spans(iso: Iso) -> Dict[str, Span]:
    spans: Dict[str, Span] = {file.path: file for file in iso.files}
    spans.update((f"partition {one.number}", one) for one in iso.partitions)
    return spans


def _blanks(iso: Iso, path: str) -> Blanks:
    """Return which bytes of the boot image ``path`` were written when the ISO was."""
    numbers = {match.group(1) for line in iso.el_torito for match in [_PATH.match(line)]
               if match and match.group(2).strip() == path}
    words = {word for line in iso.el_torito for match in [_OPTIONS.match(line)]
             if match and match.group(1) in numbers for word in match.group(2).split()}
    return tuple((start, end) for word, start, end in _WRITTEN if word in words)


def _blanked(chunk: bytes, blanks: Blanks) -> bytes:
    for start, end in blanks:
        chunk = chunk[:start] + bytes(len(chunk[start:end])) + chunk[end:]
    return chunk
