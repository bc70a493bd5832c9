"""Verify texts that are signed by OpenPGP, with gpgv(1): clear-signed, or by another file.

The lines that gpgv prints for programs are those of GnuPG's doc/DETAILS, "Format of the
--status-fd output".
"""
from __future__ import annotations

from pathlib import Path
from typing import List, Tuple

from ...errors import Refused
from ...system import openpgp
from ...system.run import Runner, StrPath

_STATUS = "[GNUPG:] "
_EVERY_STATUS = range(256)
_REASONS = {
    "BADSIG": "it was made for another content", "EXPSIG": "it has expired",
    "EXPKEYSIG": "its key has expired", "REVKEYSIG": "its key was revoked",
    "NO_PUBKEY": "the named keys do not contain its key"}


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
