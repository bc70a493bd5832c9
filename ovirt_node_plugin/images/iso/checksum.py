"""The MD5 checksum implanted in an ISO, with which its installer can check the medium.

It is text in the application use field of the primary volume descriptor (ECMA-119, 8.4.32).
implantisomd5(1) writes it, and checkisomd5(1) checks it. The format is that of isomd5sum,
libcheckisomd5.c and utilities.c.
"""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

from ...errors import BadImage
from ...system.run import Polled, Runner, explained
from ...system.words import size

_DESCRIPTOR_AT, _BLOCK = 16 * 2048, 2048
_FIELD_AT, _FIELD_BYTES = 883, 512  # in the descriptor
_BLOCKS_AT = 84  # ECMA-119, 8.4.8: the size of the volume, big-endian
_PIECE_BYTES = 32 << 10  # isomd5sum looks for the end of a fragment after each piece
_FRAGMENT_DIGITS = 60  # of all fragments together
_WORDS = re.compile(rb"ISO MD5SUM|SKIPSECTORS = |FRAGMENT SUMS = |RHLISOSTATUS=")
_MD5 = re.compile(rb"ISO MD5SUM = ([0-9a-f]{32})")
_SKIPPED = re.compile(rb"SKIPSECTORS = (\d{1,9});")
_FRAGMENTS = re.compile(rb"FRAGMENT SUMS = ([^;]{60});FRAGMENT COUNT = (\d{1,2});")


@dataclass(frozen=True)
class Checksum:
    """Whether a checksum is ``implanted``, and whether it marks the medium as ``supported``."""

    implanted: bool
    supported: bool


class ImplantedCheck:
    """Compares an ISO with its implanted checksum while it is read.

    The checksum covers the ISO up to some blocks before the end of its volume; the field that
    contains it counts as blanks. Checksums of the beginnings of the ISO, 20 as a rule, tell where
    the damage begins.
    """

    def __init__(self, descriptor: bytes) -> None:
        """``descriptor`` is the primary volume descriptor."""
        text = descriptor[_FIELD_AT:_FIELD_AT + _FIELD_BYTES]
        md5, skipped = _MD5.search(text), _SKIPPED.search(text)
        self._expected = md5.group(1).decode() if md5 and skipped else ""
        blocks = int.from_bytes(descriptor[_BLOCKS_AT:_BLOCKS_AT + 4], "big")
        skipped_blocks = int(skipped.group(1)) if skipped else 0
        self._covered_bytes = max(blocks - skipped_blocks, 0) * _BLOCK
        self._fragments = _fragments(text)
        self._fragment_bytes = self._covered_bytes // (len(self._fragments) + 1)
        if self._fragment_bytes < _PIECE_BYTES:  # isomd5sum cannot check these itself
            self._fragments = ()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._read_bytes = self._correct_bytes = 0
        self._damaged_before: Optional[int] = None

    def update(self, data: bytes) -> None:
        """Add the next bytes of the ISO, a multiple of 32 KiB except at the end."""
        data = _blanked(data, self._read_bytes)
        view = memoryview(data)[:max(self._covered_bytes - self._read_bytes, 0)]
        for start in range(0, len(view), _PIECE_BYTES):
            piece = view[start:start + _PIECE_BYTES]
            self._md5.update(piece)
            self._check_fragment(self._read_bytes, len(piece))
            self._read_bytes += len(piece)

    def problem(self) -> str:
        """Return how the ISO differs from its checksum, after all of it was read; or empty."""
        if not self._expected:
            return "its implanted checksum cannot be read"
        if self._read_bytes < self._covered_bytes:
            return f"it is truncated: at least {self._covered_bytes - self._read_bytes} bytes" \
                   " are missing"
        if self._damaged_before is not None:
            return (f"the damage begins between {size(self._correct_bytes)} and"
                    f" {size(self._damaged_before)}")
        if self._md5.hexdigest() == self._expected:
            return ""
        return f"the damage is after {size(self._correct_bytes)}"

    def _check_fragment(self, offset: int, size_bytes: int) -> None:
        """Compare with the checksum of a fragment if the piece at ``offset`` is its last one."""
        if not self._fragments or self._damaged_before is not None:
            return
        number = offset // self._fragment_bytes
        if number == max(offset - _PIECE_BYTES, 0) // self._fragment_bytes:
            return
        expected = self._fragments[number - 1]
        # the first digit of each byte without leading zeros, as C's "%01x" prints it
        digits = "".join(f"{byte:x}"[0] for byte in self._md5.digest()[:len(expected)])
        if digits == expected:
            self._correct_bytes = offset + size_bytes
        else:
            self._damaged_before = offset + size_bytes


def _fragments(text: bytes) -> Tuple[str, ...]:
    """Return the checksums of fragments; none if their number does not divide the digits."""
    match = _FRAGMENTS.search(text)
    count = int(match.group(2)) if match else 0
    if match is None or not count or _FRAGMENT_DIGITS % count:
        return ()
    digits, width = match.group(1).decode("latin-1"), _FRAGMENT_DIGITS // count
    return tuple(digits[start:start + width] for start in range(0, _FRAGMENT_DIGITS, width))


def _blanked(data: bytes, offset: int) -> bytes:
    """Return ``data``, which begins at ``offset`` of the ISO, with blanks for the field."""
    start = max(_DESCRIPTOR_AT + _FIELD_AT - offset, 0)
    end = min(_DESCRIPTOR_AT + _FIELD_AT + _FIELD_BYTES - offset, len(data))
    return data if start >= end else data[:start] + b" " * (end - start) + data[end:]


def implanted_check(path: Path) -> Optional[ImplantedCheck]:
    """Return the check of the ISO ``path``, None if no checksum is implanted."""
    descriptor = _descriptor(path)
    return ImplantedCheck(descriptor) if _is_implanted(descriptor) else None


def read_checksum(path: Path) -> Checksum:
    """Return the state of the checksum in the ISO ``path``."""
    descriptor = _descriptor(path)
    return Checksum(_is_implanted(descriptor), b"RHLISOSTATUS=1" in descriptor)


def _descriptor(path: Path) -> bytes:
    with open(path, "rb") as stream:
        stream.seek(_DESCRIPTOR_AT)
        return stream.read(_BLOCK)


def _is_implanted(descriptor: bytes) -> bool:
    """Return whether there is a checksum, also one that is damaged."""
    return _WORDS.search(descriptor[_FIELD_AT:_FIELD_AT + _FIELD_BYTES]) is not None


def implant(path: Path, *, supported: bool, run: Runner) -> None:
    """Compute the checksum of the ISO ``path`` and write it there."""
    run(["implantisomd5", "--force", *(["--supported-iso"] if supported else []), path])


def check(path: Path, *, run: Runner, polled: Polled = None) -> None:
    """Raise BadImage if the ISO does not match its checksum."""
    with explained(f"the ISO {path} does not match its checksum", BadImage,
                   hint="Download it again."):
        run(["checkisomd5", path], polled=polled)
