"""The checksums that a command line names for its image: a SHA-256, or a signed or plain list."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ...errors import Refused, UsageError
from ...images.digests import SHA256, Comparison, Digests, read_digests
from ...images.rpm.rpm_file import is_rpm
from ...system.checksum_lists import ListedDigest, bare_digest, listed_digests
from ...system.limits import CHECKSUM_LIST_BYTES, KEY_BYTES
from ...system.openpgp import SIGNATURE_SUFFIXES, clear_signed_text, is_clear_signed, read_keys
from ...system.progress import Progress
from ...system.regular_files import read_regular
from ...system.run import Runner
from ...system.signatures import verified_text, verify_detached
from ...system.words import first_names

OPTION = "--sha256"
_COMPARED = ("sha512", "sha384", SHA256)  # collisions of the others are known, or possible
_MOST_NAMES = 5  # that a message has


@dataclass(frozen=True)
class NamedChecksums:
    """The checksums that a command line names.

    ``sha256`` is in hex, lower case, or empty; ``file`` is a list of checksums, and ``key`` a
    file with the public keys that may have signed it.
    """

    sha256: str = ""
    file: Optional[Path] = None
    key: Optional[Path] = None


NO_CHECKSUMS = NamedChecksums()


@dataclass(frozen=True)
class CheckedImage:
    """The digests of an image, and their comparisons with checksums.

    ``notes`` tell what was not checked.
    """

    digests: Digests
    comparisons: Tuple[Comparison, ...] = ()
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class _List:
    """A list of checksums; ``signed_by`` is the owner of the key, empty if it was not checked."""

    path: Path
    text: bytes
    signed_by: str = ""
    notes: Tuple[str, ...] = ()


def named_checksums(sha256: str, file: Optional[Path], key: Optional[Path]) -> NamedChecksums:
    """Return the values of the options. Raises UsageError for an invalid one."""
    digest = sha256.strip().lower()
    if sha256 and not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(f"{OPTION}: {sha256} is not a SHA-256, which has 64 hexadecimal digits",
                         hint="Copy it from the place where the image was published.")
    if key is not None and file is None:
        raise UsageError("--checksum-key names the key of a list, and there is none",
                         hint="Name the list with --checksum-file.")
    return NamedChecksums(digest, file, key)


def check_image(path: Path, named: NamedChecksums, *, run: Runner,
                progress: Progress, algorithms: Sequence[str] = ()) -> CheckedImage:
    """Read the image ``path`` once, and compare it with the checksums that there are.

    ``algorithms`` are further ones of the digests. The implanted checksum is only compared, see
    ``Digests.require_undamaged``. Raises BadImage if the image differs from a named checksum, and
    UsageError or Refused for a list that cannot be used.
    """
    if path.is_dir() and (named.sha256 or named.file is not None):
        raise UsageError(f"{path} is a folder, which has no checksum",
                         hint=f"Leave {OPTION} and --checksum-file out.")
    if not path.is_file():
        return CheckedImage(Digests(path))
    expected: List[Tuple[Comparison, str]] = []
    if named.sha256:
        expected.append((Comparison(OPTION, SHA256), named.sha256))
    notes: Tuple[str, ...] = ()
    if named.file is not None:
        checksums = _read_list(named.file, named.key, run)
        expected += [(Comparison(str(named.file), algorithm, signed_by=checksums.signed_by), digest)
                     for algorithm, digest in _of_image(checksums, path).items()]
        notes = checksums.notes
    digests = read_digests(path, tuple(dict.fromkeys((
        *algorithms, *(comparison.algorithm for comparison, _ in expected)))), progress)
    for comparison, digest in expected:
        digests.require(comparison.source, comparison.algorithm, digest)
    comparisons = (*digests.comparisons, *(comparison for comparison, _ in expected))
    if not comparisons and not is_rpm(path):
        notes = (f"There is no checksum to compare {path} with; {OPTION} and --checksum-file name"
                 " one.",)
    return CheckedImage(digests, comparisons, notes)


def _read_list(path: Path, key: Optional[Path], run: Runner) -> _List:
    """Read a list of checksums, and check its signature if there is a key."""
    data = _read(path, CHECKSUM_LIST_BYTES)
    clear_signed = is_clear_signed(data)
    signature = None if clear_signed else _detached(path)
    if key is None:
        return _unchecked(path, data, signature)
    keys = _read(key, KEY_BYTES)
    if not read_keys(keys):
        raise UsageError(f"{key} contains no OpenPGP public key",
                         hint="Give the publisher's public keys, as gpg --export writes them.")
    if not clear_signed and signature is None:
        name = f"{path.name}{SIGNATURE_SUFFIXES[0]}"
        raise Refused(f"{path} is not signed, and has no signature beside it",
                      hint=f"Download its signature, such as {name}, to the folder of the list, or"
                           " name a list that contains its signature.")
    try:
        if signature is None:
            text, signer = verified_text(data, keys, run=run)
        else:
            text, signer = data, verify_detached(_read(signature, CHECKSUM_LIST_BYTES), data,
                                                 [keys], run=run)
    except Refused as exc:
        raise Refused(f"the signature of {path} was not accepted: {exc.message}",
                      hint=f"Download the list again, and check that {key} is its publisher's"
                           " key.") from exc
    return _List(path, text, signed_by=signer.owner)


def _unchecked(path: Path, data: bytes, signature: Optional[Path]) -> _List:
    """Return a list whose signature is not checked, with a note if there is one."""
    if not is_clear_signed(data):
        note = f"The signature {signature} of {path} was not checked; --checksum-key names its key."
        return _List(path, data, notes=(note,) if signature is not None else ())
    try:
        text = clear_signed_text(data)
    except ValueError as exc:
        raise Refused(f"{path} contains {exc}", hint="Download the list again.") from exc
    return _List(path, text, notes=(
        f"The signature in {path} was not checked; --checksum-key names its key.",))


def _detached(path: Path) -> Optional[Path]:
    """Return the signature beside the list ``path``; a clear-signed copy of it is none."""
    for suffix in SIGNATURE_SUFFIXES:
        signature = path.with_name(path.name + suffix)
        if signature.is_file() and not is_clear_signed(_read(signature, CHECKSUM_LIST_BYTES)):
            return signature
    return None


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        return read_regular(path, max_bytes=max_bytes, follow=True)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}") from exc


def _of_image(checksums: _List, image: Path) -> Mapping[str, str]:
    """Return the digests of the image in the list, in lower case, by algorithm.

    The lines are found by the file name of the image, or of the file to which it is a link.
    """
    listed = list(listed_digests(checksums.text))
    names = [os.fsencode(path.name) for path in (image, image.resolve())]
    single = bare_digest(checksums.text, names[0])
    listed += [single] if single is not None else []
    lines = next((lines for name in names for lines in [_lines_of(listed, name)] if lines), [])
    if not lines:
        others = sorted({os.fsdecode(line.name) for line in listed})
        raise UsageError(
            f"{checksums.path} has no checksum of {image.name}" + (
                f"; it has those of {first_names(others, _MOST_NAMES)}" if others else ""),
            hint="The line is found by the file name. Name the list of this image, or give the"
                 " image the name that it was published with.")
    digests: Dict[str, str] = {}
    for line in lines:
        if digests.setdefault(line.algorithm, line.digest.lower()) != line.digest.lower():
            raise Refused(f"{checksums.path} has two different {line.algorithm.upper()} checksums"
                          f" of {image.name}", hint="Name a list with one line for each file.")
    compared = {name: digests[name] for name in _COMPARED if name in digests}
    if not compared:
        raise Refused(
            f"{checksums.path} has only {', '.join(map(str.upper, digests))} of {image.name},"
            " with which a changed image can be made to agree",
            hint="Name a list with SHA-256 or SHA-512.")
    return compared


def _lines_of(listed: Sequence[ListedDigest], name: bytes) -> List[ListedDigest]:
    return [line for line in listed if line.name.rpartition(b"/")[2] == name]
