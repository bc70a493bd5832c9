"""The MD5 sum in an ISO, by which its installer can check the medium: isomd5sum.

It is text in the application use field of the primary volume descriptor (ECMA-119, 8.4.32),
written by implantisomd5(1) and checked by checkisomd5(1).
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadImage, CommandError
from ..system.run import Polled, Runner

_FIELD_AT, _FIELD_BYTES = 16 * 2048 + 883, 512


@dataclass(frozen=True)
class Checksum:
    """Whether a sum is ``implanted``, and whether it says that the medium is ``supported``."""

    implanted: bool
    supported: bool


def read_checksum(path: Path) -> Checksum:
    """Return what is said of the ISO's checksum in its descriptor."""
    with open(path, "rb") as stream:
        stream.seek(_FIELD_AT)
        field = stream.read(_FIELD_BYTES)
    status = re.search(rb"RHLISOSTATUS=(\d)", field)
    return Checksum(b"ISO MD5SUM = " in field, status is not None and status.group(1) == b"1")


def implant(path: Path, *, supported: bool, run: Runner) -> None:
    """Write the checksum into the ISO ``path``."""
    run(["implantisomd5", "--force", *(["--supported-iso"] if supported else []), path])


def check(path: Path, *, run: Runner, polled: Polled = None) -> None:
    """Raise BadImage if the ISO is not what its checksum says."""
    try:
        run(["checkisomd5", path], polled=polled)
    except CommandError as exc:
        if exc.returncode is None:
            raise
        raise BadImage(f"the ISO {path} is not what its checksum says",
                       hint="Get it anew.") from exc
