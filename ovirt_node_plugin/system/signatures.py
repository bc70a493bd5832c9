"""Verify signatures of OpenPGP with gpgv(1): beside a file, or around a clear-signed text.

The lines that gpgv prints for programs are those of GnuPG's doc/DETAILS, "Format of the
--status-fd output". What gpgv accepts although it can be forged is refused here: signatures by
SHA-1, and keys that the crypto policy DEFAULT of EL9 refuses.
"""
from __future__ import annotations

import contextlib
import enum
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from ..errors import Refused
from . import openpgp
from .run import Runner, StrPath
from .words import printable

_STATUS = "[GNUPG:] "
_EVERY_STATUS = range(256)
_BINARY, _TEXT = "00", "01"  # classes of signatures; of a text, line ends and spaces may differ
_BAD_KEY = "6"  # gpg-error's GPG_ERR_BAD_PUBKEY
# RFC 9580, "Hash Algorithms"
_WEAK_DIGESTS = {"1": "MD5", "2": "SHA-1", "3": "RIPEMD-160"}
_RESULTS = ("GOODSIG", "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG")


class Fault(enum.Enum):
    """Why a signature is not accepted; the value is the reason as words for people."""

    ALTERED = "it was made for another content"
    REVOKED = "its key was revoked"
    EXPIRED_KEY = "its key has expired"
    EXPIRED = "it has expired"
    WEAK = "it is too weak"
    UNKNOWN = "the known keys do not contain its key"
    FUTURE = "its time is in the future by the clock of this machine"
    UNREADABLE = "gpgv cannot read it"


@dataclass(frozen=True)
class Signer:
    """Who made a valid signature.

    ``fingerprint`` is that of the primary key and ``signed_by`` that of the key or subkey that
    signed, both in lower-case hexadecimal; ``owner`` is what the key itself says.
    """

    fingerprint: str
    owner: str = ""
    signed_by: str = ""

    @property
    def text(self) -> str:
        """The fingerprint and the owner, as words for people."""
        return f"{self.fingerprint} {self.owner}".rstrip()


_FAULTS: Mapping[str, Fault] = {
    "REVKEYSIG": Fault.REVOKED, "EXPKEYSIG": Fault.EXPIRED_KEY, "EXPSIG": Fault.EXPIRED}


class BadSignature(Refused):
    """A signature that is not accepted.

    The message is a part of a sentence about it: ``its key has expired (FINGERPRINT OWNER)``.
    ``key`` is the fingerprint or the id of its key, empty if the signature names none.
    """

    code = "signature/invalid"

    def __init__(self, fault: Fault, *, key: str = "", detail: str = "") -> None:
        super().__init__(fault.value + (f" ({detail})" if detail else ""))
        self.fault = fault
        self.key = key


@dataclass(frozen=True)
class _Result:
    """What gpgv says of one signature: the words of its lines, by the first word."""

    words: Mapping[str, Sequence[str]]

    @property
    def kind(self) -> str:
        return next((name for name in _RESULTS if name in self.words), "")

    @property
    def key(self) -> str:
        """Return the fingerprint, or else the id, of the key that signed."""
        for name, place in (("VALIDSIG", 0), ("ERRSIG", 6)):
            word = self._word(name, place)
            if word not in ("", "-"):
                return word.lower()
        return self._word(self.kind, 0).lower()

    @property
    def primary(self) -> str:
        return (self._word("VALIDSIG", 9) or self._word("VALIDSIG", 0)).lower()

    @property
    def digest(self) -> str:
        return self._word("VALIDSIG", 7) or self._word("ERRSIG", 2)

    @property
    def signature_class(self) -> str:
        return self._word("VALIDSIG", 8)

    @property
    def owner(self) -> str:
        return " ".join(self.words.get(self.kind, ())[1:])

    @property
    def is_in_the_future(self) -> bool:
        made = self._word("ERRSIG", 4)
        return self._word("ERRSIG", 5) == _BAD_KEY and made.isdigit() and int(made) > time.time()

    def _word(self, name: str, place: int) -> str:
        words = self.words.get(name, ())
        return words[place] if place < len(words) else ""


class _Known(NamedTuple):
    """What is weak about the known keys, by fingerprint, and their fingerprints, by id."""

    weak: Mapping[str, str]
    fingerprints: Mapping[str, str]


def verify_detached(signature: bytes, signed: Union[Path, bytes], keys: Sequence[bytes], *,
                    run: Runner) -> Signer:
    """Return who made the detached ``signature`` of a file, or of bytes, ``signed``.

    ``signature`` and each of ``keys``, which are files of public keys, are with armor or without.
    Several files may have the same key, in different states: a revocation in any of them counts,
    and so does a later date of expiry. One valid signature of several is sufficient, unless
    another does not fit the content. Raises BadSignature with the reason otherwise.
    """
    packets = openpgp.signature_packets(signature)
    if not packets:
        raise BadSignature(Fault.UNREADABLE)
    with _folder() as folder:
        (folder / "signature").write_bytes(packets)
        if isinstance(signed, bytes):
            (folder / "data").write_bytes(signed)
        place = folder / "data" if isinstance(signed, bytes) else Path(os.path.abspath(signed))
        results = [result for data in keys or [b""] for result in _results(_status_lines(
            ["--", folder / "signature", place], data, folder, run))]
    return _judge(results, keys, {_BINARY})


def verified_text(data: bytes, keys: bytes, *, run: Runner) -> Tuple[bytes, Signer]:
    """Return the text in clear-signed ``data`` and who signed it. Raises as ``verify_detached``."""
    with _folder() as folder:
        (folder / "data").write_bytes(data)
        text = folder / "text"
        lines = _status_lines(["--output", text, "--", folder / "data"], keys, folder, run)
        signer = _judge(_results(lines), [keys], {_BINARY, _TEXT})
        if sum(words[0] == "PLAINTEXT" for words in lines) != 1:
            raise BadSignature(Fault.UNREADABLE)
        return text.read_bytes(), signer


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder that only this user can enter."""
    with tempfile.TemporaryDirectory(prefix="ovirt-node-plugin-") as name:
        yield Path(name)


def _status_lines(words: Sequence[StrPath], keys: bytes, folder: Path,
                  run: Runner) -> List[List[str]]:
    """Return the words of each line that gpgv prints for programs."""
    (folder / "keys").write_bytes(openpgp.unarmored(keys))
    output = run(["gpgv", "--homedir", folder, "--keyring", folder / "keys", "--status-fd", "1",
                  *words], ok=_EVERY_STATUS)
    lines = [line[len(_STATUS):].split(" ") for line in output.splitlines()
             if line.startswith(_STATUS)]
    return lines if all("ERROR" not in words[0] for words in lines) else []


def _results(lines: Sequence[Sequence[str]]) -> List[_Result]:
    """Return what gpgv says of each signature."""
    results: List[Dict[str, Sequence[str]]] = []
    for name, *words in lines:
        if name == "NEWSIG":
            results.append({})
        elif results:
            results[-1].setdefault(name, words)
    return [_Result(words) for words in results]


def _judge(results: Sequence[_Result], keys: Sequence[bytes], classes: Set[str]) -> Signer:
    """Return who made a valid signature. Raises BadSignature if none is, or if one is bad."""
    known = _Known(
        {name: text for data in keys for name, text in openpgp.weak_keys(data).items()},
        {openpgp.key_id(name): name for data in keys for key in openpgp.read_keys(data)
         for name in key.fingerprints})
    faults = [_fault(result, known, classes) for result in results]
    revoked = {result.primary for result in results if result.kind == "REVKEYSIG"}
    good = next((result for result, fault in zip(results, faults)
                 if fault is None and result.primary not in revoked), None)
    order = list(Fault)
    found = sorted((fault for fault in faults if fault is not None),
                   key=lambda fault: order.index(fault.fault))
    if found and (good is None or found[0].fault is Fault.ALTERED):
        raise found[0]
    if good is None:
        raise BadSignature(Fault.UNREADABLE)
    return Signer(good.primary, printable(good.owner), good.key)


def _fault(result: _Result, known: _Known, classes: Set[str]) -> Optional[BadSignature]:
    """Return what is wrong with one signature; None if it is valid."""
    def bad(fault: Fault, detail: str = "") -> BadSignature:
        key = known.fingerprints.get(result.key, result.key)
        text = f"{key} {printable(result.owner)}".rstrip()
        return BadSignature(fault, key=key, detail=", ".join(filter(None, (text, detail))))

    kind = result.kind
    if kind == "BADSIG":
        return bad(Fault.ALTERED)
    if result.digest in _WEAK_DIGESTS:
        return bad(Fault.WEAK, f"by {_WEAK_DIGESTS[result.digest]}")
    for name in (result.key, result.primary):
        if name in known.weak:
            return bad(Fault.WEAK, f"by a key of {known.weak[name]}")
    if kind in _FAULTS:
        return bad(_FAULTS[kind])
    if "NO_PUBKEY" in result.words:
        return bad(Fault.UNKNOWN)
    if result.is_in_the_future:
        return bad(Fault.FUTURE)
    if kind != "GOODSIG" or result.signature_class not in classes or not result.primary:
        return bad(Fault.UNREADABLE)
    return None
