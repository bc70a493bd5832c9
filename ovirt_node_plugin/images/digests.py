"""Read an image file once: its digests, and whether it matches its implanted checksum."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Sequence, Tuple

from ..errors import BadImage
from ..system.progress import Progress
from .iso import checksum
from .iso.iso import is_iso

SHA256 = "sha256"
IMPLANTED = "implanted"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Comparison:
    """The comparison of an image with a checksum.

    ``source`` is IMPLANTED, an option, or the path of a list; ``algorithm`` is a name of hashlib.
    ``problem`` says how the image differs, and is empty if it matches. ``signed_by`` is the owner
    of the key that signed the list, empty if that was not checked.
    """

    source: str
    algorithm: str
    problem: str = ""
    signed_by: str = ""

    @property
    def matches(self) -> bool:
        """Whether the image matches the checksum."""
        return not self.problem


@dataclass(frozen=True)
class Digests:
    """The digests of an image, in hex, by the names of their algorithms; none of a folder.

    ``implanted_problem`` says how an ISO differs from its implanted checksum; it is empty if
    it matches, and None if there is none.
    """

    path: Path
    by_algorithm: Mapping[str, str] = field(default_factory=dict)
    implanted_problem: Optional[str] = None

    @property
    def sha256(self) -> str:
        """The SHA-256 in hex, empty for a folder."""
        return self.by_algorithm.get(SHA256, "")

    @property
    def comparisons(self) -> Tuple[Comparison, ...]:
        """The comparisons with the checksums that there are."""
        if self.implanted_problem is None:
            return ()
        return (Comparison(IMPLANTED, "md5", self.implanted_problem),)

    def require(self, source: str, algorithm: str, digest: str) -> None:
        """Raise BadImage if the image does not have the ``digest`` that ``source`` names."""
        if self.by_algorithm[algorithm] != digest:
            raise BadImage(
                f"{self.path} is not the image that {source} names: its {algorithm.upper()} is"
                f" {self.by_algorithm[algorithm]}, not {digest}",
                hint="Download it again, and check that both are of the same version.")

    def require_undamaged(self) -> None:
        """Raise BadImage if the image does not match its implanted checksum."""
        if self.implanted_problem:
            raise BadImage(
                f"the ISO {self.path} does not match its implanted checksum:"
                f" {self.implanted_problem}",
                hint="Download it again. If somebody changed it on purpose, implantisomd5 --force"
                     " writes the checksum of its present content.")


def read_digests(path: Path, algorithms: Sequence[str], progress: Progress) -> Digests:
    """Return the digests of the image file ``path`` by ``algorithms`` of hashlib.

    Nothing is read if there is neither an algorithm nor an implanted checksum.
    """
    if not path.is_file():
        return Digests(path)
    implanted = checksum.implanted_check(path) if is_iso(path) else None
    hashes = {name: hashlib.new(name) for name in algorithms}
    readers = [*(digest.update for digest in hashes.values()),
               *([implanted.update] if implanted is not None else [])]
    if readers:
        with open(path, "rb") as stream, progress.step(
                "digest", f"Reading {path.name}", total=lambda: path.stat().st_size) as advance:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                for update in readers:
                    update(chunk)
                advance(stream.tell())
    return Digests(path, {name: digest.hexdigest() for name, digest in hashes.items()},
                   implanted.problem() if implanted is not None else None)
