"""The MD5 checksum implanted in an ISO, with which its installer can check the medium.

It is text in the application use field of the primary volume descriptor (ECMA-119, 8.4.32).
implantisomd5(1) writes it, and checkisomd5(1) checks it.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadImage
from ..system.run import Polled, Runner, explained

_FIELD_AT, _FIELD_BYTES = 16 * 2048 + 883, 512


@dataclass(frozen=True)
class Checksum:
    """Whether a checksum is ``implanted``, and whether it marks the medium as ``supported``."""

    implanted: bool
    supported: bool


def read_checksum(path: Path) -> Checksum:
    """Return the state of the checksum in the ISO ``path``."""
    with open(path, "rb") as stream:
        stream.seek(_FIELD_AT)
        field = stream.read(_FIELD_BYTES)
    status = re.search(rb"RHLISOSTATUS=(\d)", field)
    return Checksum(b"ISO MD5SUM = " in field, status is not None and status.group(1) == b"1")


def implant(path: Path, *, supported: bool, run: Runner) -> None:
    """Compute the checksum of the ISO ``path`` and write it there."""
    run(["implantisomd5", "--force", *(["--supported-iso"] if supported else []), path])


def check(path: Path, *, run: Runner, polled: Polled = None) -> None:
    """Raise BadImage if the ISO does not match its checksum."""
    with explained(f"the ISO {path} does not match its checksum", BadImage,
                   hint="Download it again."):
        run(["checkisomd5", path], polled=polled)
