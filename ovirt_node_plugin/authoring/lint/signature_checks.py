"""What is wrong with the keys and signatures of a bundle, by its own keys and nothing else."""
from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence

from ...plugin.bundle import Bundle
from ...system.limits import KEY_BYTES
from ...system.openpgp import read_keys, weak_keys
from ...system.regular_files import NotRegular, TooLarge, read_regular
from ...system.run import Runner, StrPath
from ...system.signatures import BadSignature, Fault, verify_detached
from .findings import LintFinding, found

_INDEX = "repodata/repomd.xml"
_SUFFIX = ".asc"
_ANY_STATUS = range(256)
_STATES = {"e": "has expired", "r": "was revoked", "i": "is not valid"}
# rpmkeys -v: what is wrong with one signature or digest of an RPM
_WRONG = re.compile(r"\s+(.+): (BAD|NOTTRUSTED|EXPIRED)\b.*")


def checked(path: Path, bundle: Bundle, rpms: Sequence[Path], *,
            run: Runner) -> Iterator[LintFinding]:
    """Yield the findings about the bundle at ``path``, a folder or tar, with the RPMs ``rpms``.

    Without keys of its own, nothing can be checked.
    """
    keys = {key: read_regular(key, max_bytes=KEY_BYTES, follow=True) for key in bundle.keys}
    for key, data in keys.items():
        yield from _key(key, data, run)
    if not keys:
        return
    if path.is_file():
        yield from _detached(path, path.name + _SUFFIX, "", list(keys.values()), run)
    if bundle.repository is not None:
        yield from _detached(bundle.repository / _INDEX, f"repo/{_INDEX}{_SUFFIX}",
                             f"repo/{_INDEX}{_SUFFIX}", list(keys.values()), run)
        yield from _packages(bundle.repository, list(keys), rpms, run)


def _key(path: Path, data: bytes, run: Runner) -> Iterator[LintFinding]:
    """Yield what is wrong with the keys in a file as of now."""
    file = f"keys/{path.name}"
    weak = weak_keys(data)
    for key in read_keys(data):
        if key.fingerprint in weak:
            yield found("keys/state", f"the key {key.text} is too weak: {weak[key.fingerprint]}",
                        file=file)
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as home:
        listing = run(["gpg", "--homedir", home, "--batch", "--no-options", "--no-auto-key-locate",
                       "--with-colons", "--import-options", "show-only", "--import", path],
                      ok=_ANY_STATUS)
    states: Dict[str, str] = {}
    state = ""
    for words in (line.split(":") for line in listing.splitlines()):
        if words[0] == "pub":
            state = words[1]
        elif words[0] == "fpr" and state and len(words) > 9:
            states.setdefault(words[9].lower(), state)
            state = ""
    for key in read_keys(data):
        told = _STATES.get(states.get(key.fingerprint, ""))
        if told:
            yield found("keys/state", f"the key {key.text} {told}", file=file)


def _detached(signed: Path, shown: str, file: str, keys: List[bytes],
              run: Runner) -> Iterator[LintFinding]:
    """Yield what is wrong with the signature beside the file ``signed``, if there is one."""
    try:
        signature = read_regular(Path(f"{signed}{_SUFFIX}"), follow=True)
    except FileNotFoundError:
        return
    except (NotRegular, TooLarge) as exc:
        yield found("signature/invalid", f"{shown} is {exc.strerror}", file=file)
        return
    try:
        verify_detached(signature, signed, keys, run=run)
    except BadSignature as exc:
        code = "signature/key" if exc.fault == Fault.UNKNOWN else "signature/invalid"
        yield found(code, f"the signature {shown}: {exc.message}", file=file)


def _packages(repository: Path, keys: Sequence[Path], rpms: Sequence[Path],
              run: Runner) -> Iterator[LintFinding]:
    """Yield the RPMs whose signatures or digests are wrong by the library of rpm itself.

    That is told by a database of packages of its own, with the keys and nothing else. Signatures
    by other keys are reported elsewhere.
    """
    if not rpms:
        return
    paths = {os.fspath(rpm): rpm.relative_to(repository).as_posix() for rpm in rpms}
    with tempfile.TemporaryDirectory(prefix="node-plugin-") as database:
        argv: List[StrPath] = ["rpmkeys", f"--dbpath={database}"]
        run([*argv, "--import", *keys], ok=_ANY_STATUS)
        text = run([*argv, "--verbose", "--checksig", *paths], ok=_ANY_STATUS)
    for path, wrong in _wrong(text, paths).items():
        yield found("packages/signature", f"rpm refuses it: {'; '.join(wrong)}",
                    file=f"repo/{paths[path]}")


def _wrong(text: str, paths: Mapping[str, str]) -> Dict[str, List[str]]:
    wrong: Dict[str, List[str]] = {}
    current: Optional[str] = None
    for line in text.splitlines():
        match = _WRONG.fullmatch(line)
        if line.endswith(":") and line[:-1] in paths:
            current = line[:-1]
        elif match is not None and current is not None:
            wrong.setdefault(current, []).append(f"{match.group(1)}: {match.group(2)}")
    return wrong
