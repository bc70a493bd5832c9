"""Verify texts that are signed by OpenPGP, with gpgv(1): clear-signed, or by another file.

A clear-signed text is RFC 9580, section 7. The lines that gpgv prints for programs are those of
GnuPG's doc/DETAILS, "Format of the --status-fd output".
"""
from __future__ import annotations

import re
from pathlib import Path
from typing import List, Tuple

from ..errors import Refused
from ..system import openpgp
from ..system.run import Runner, StrPath

_BEGIN = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?$", re.MULTILINE)
_SIGNATURE = re.compile(rb"^-----BEGIN PGP SIGNATURE-----[ \t]*\r?$", re.MULTILINE)
_HEADERS_END = re.compile(rb"^[ \t]*\r?\n", re.MULTILINE)
_STATUS = "[GNUPG:] "
_EVERY_STATUS = range(256)
_REASONS = {
    "BADSIG": "it was made for another content", "EXPSIG": "it has expired",
    "EXPKEYSIG": "its key has expired", "REVKEYSIG": "its key was revoked",
    "NO_PUBKEY": "the named keys do not contain its key"}


def is_clear_signed(data: bytes) -> bool:
    """Return whether ``data`` contains a clear-signed text."""
    return _BEGIN.search(data) is not None


def clear_signed_text(data: bytes) -> bytes:
    """Return the text in clear-signed ``data``, without a check of its signature.

    Raises ValueError for several such texts, or an incomplete one.
    """
    begins = list(_BEGIN.finditer(data))
    start = _HEADERS_END.search(data, begins[0].end() + 1) if len(begins) == 1 else None
    end = _SIGNATURE.search(data, start.end()) if start is not None else None
    if start is None or end is None:
        raise ValueError("several signed texts" if len(begins) > 1 else "an incomplete signed text")
    return re.sub(rb"^- ", b"", data[start.end():end.start()], flags=re.MULTILINE)


def verified_text(data: bytes, signature: bytes, keys: bytes, work: Path, *,
                  run: Runner) -> Tuple[bytes, str]:
    """Return the signed text and the owner of the key that signed it.

    ``data`` is clear-signed if ``signature`` is empty, otherwise the text itself. ``keys`` are
    public keys, with armor or without; ``work`` is a folder for copies. Raises Refused with the
    reason if no key made a valid signature, or if any signature is bad.
    """
    folder = work / "signature"
    folder.mkdir(mode=0o700)
    files = {"keys": openpgp.unarmored(keys), "data": data, "signature": signature}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    signed: List[StrPath] = ["--", folder / "signature", folder / "data"] if signature else [
        "--output", folder / "text", "--", folder / "data"]
    output = run(["gpgv", "--homedir", folder, "--keyring", folder / "keys", "--status-fd", "1",
                  *signed], ok=_EVERY_STATUS)
    lines = [line[len(_STATUS):].split(" ", 2) for line in output.splitlines()
             if line.startswith(_STATUS)]
    words = [line[0] for line in lines]
    if "GOODSIG" not in words or {"BADSIG", "ERROR"}.intersection(words) or (
            not signature and words.count("PLAINTEXT") != 1):
        raise Refused(next((_REASONS[word] for word in _REASONS if word in words),
                           "gpgv cannot read it"))
    owner = next(line[2] for line in lines if line[0] == "GOODSIG")
    return data if signature else (folder / "text").read_bytes(), owner
