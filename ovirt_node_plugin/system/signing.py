"""Sign files and RPMs with a secret key of GnuPG, by gpg(1) and rpmsign(8)."""
from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence

from ..errors import RolledBack, UsageError
from .openpgp import PublicKey, read_keys
from .run import Runner, explained, require_program
from .signatures import BadSignature, verify_detached

_HINT = "Give --sign a secret key that gpg --list-secret-keys shows, and its passphrase if asked."
_UNUSABLE = {"e": "has expired", "r": "is revoked", "d": "is disabled", "i": "is not valid"}
_EVERY_STATUS = range(256)
_RPMS_AT_ONCE = 500  # which fit into an argument list


@dataclass(frozen=True)
class SigningKey:
    """A secret key of GnuPG: the ``name`` by which it was given, and its public key.

    ``armored`` is the public key as a text.
    """

    name: str
    public: PublicKey
    armored: bytes


def find_key(name: str, *, run: Runner) -> SigningKey:
    """Return the secret key of GnuPG that ``name`` names: a fingerprint, or a part of an owner.

    It signs a file as a trial, for which a passphrase may be asked. Raises UsageError if there is
    none, if there are several, or if it cannot be used; CommandError without gpg.
    """
    listing = [line.split(":") for line in run(
        [*_gpg(), "--with-colons", "--list-secret-keys", "--", name],
        ok=_EVERY_STATUS).splitlines()]
    keys = [number for number, fields in enumerate(listing) if fields[0] == "sec"]
    # GnuPG's doc/DETAILS: the tenth field of the line "fpr" after a key
    prints = [next(fields[9] for fields in listing[number:] if fields[0] == "fpr")
              for number in keys]
    if not prints:
        raise UsageError(f"GnuPG has no secret key {name}", hint=_HINT)
    if len(prints) > 1:
        raise UsageError(f"GnuPG has several secret keys {name}: {', '.join(prints)}",
                         hint="Give --sign one of these fingerprints.")
    state = _UNUSABLE.get(listing[keys[0]][1][:1])
    if state:
        raise UsageError(f"the key {prints[0]} {state}", hint="Sign with another key.")
    armored = run([*_gpg(), "--armor", "--export-options", "export-minimal", "--export", "--",
                   prints[0]]).encode()
    public = read_keys(armored)
    if not public:
        raise UsageError(f"gpg exports no public key {prints[0]}", hint=_HINT)
    key = SigningKey(name, public[0], armored)
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as work:
        trial = Path(work, "trial")
        trial.touch()
        try:
            sign_file(trial, Path(work, "signature"), key, run=run)
        except RolledBack as exc:
            raise UsageError(exc.message, hint=exc.hint) from exc
    return key


def sign_file(path: Path, signature: Path, key: SigningKey, *, run: Runner) -> None:
    """Write the armored detached signature of a file to the new file ``signature``.

    Raises RolledBack if gpg fails, and if the signature is not one that an installation accepts.
    """
    with explained(f"the key {key.name} cannot sign", hint=_HINT):
        run([*_gpg(), "--quiet", "--local-user", key.name, "--armor", "--detach-sign", "--output",
             signature, "--", path])
    try:
        verify_detached(signature.read_bytes(), path, [key.armored], run=run)
    except BadSignature as exc:
        raise RolledBack(f"the key {key.public.text} cannot be used: {exc.message}",
                         hint="Sign with another key, such as one of RSA with 4096 bits.") from exc


def sign_rpms(paths: Sequence[Path], name: str, *, run: Runner) -> None:
    """Sign RPM files in place with the secret key ``name``, instead of their own signatures.

    Raises RolledBack if rpmsign fails.
    """
    subject = "the RPM" if len(paths) == 1 else "the RPMs"
    for start in range(0, len(paths), _RPMS_AT_ONCE):
        with explained(f"{subject} cannot be signed with {name}", RolledBack, hint=_HINT):
            run(["rpmsign", *_gnupg(), "--define", f"_gpg_name {name}", "--addsign",
                 *paths[start:start + _RPMS_AT_ONCE]])


def _gpg() -> List[str]:
    return ["gpg", "--batch", "--no-tty"]


def _gnupg() -> List[str]:
    """Return the options by which rpmsign finds GnuPG, none if its own macro names a program.

    The macro of Debian names gpg2, which no package of Debian contains. Raises CommandError
    without GnuPG.
    """
    import rpm  # here, because importing it is slow and most runs do not need it

    if shutil.which(rpm.expandMacro("%{__gpg}")) or rpm.expandMacro("%{?_openpgp_sign}") == "sq":
        return []
    require_program("gpg")
    return ["--define", f"__gpg {shutil.which('gpg')}"]
