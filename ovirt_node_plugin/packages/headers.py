"""RPM headers as plain data: the files of a package, its scriptlets, who signed it."""
from __future__ import annotations

import base64
import contextlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple

import dnf.rpm.transaction
import rpm

from ..errors import NodePluginError, Refused
from ..system.nevra import make_evr, make_nevra, name_of

# rpm(8) and rpm's rpmtag.h: a scriptlet is there if its interpreter is.
_SCRIPTLETS = ("pretrans", "prein", "postin", "preun", "postun", "posttrans", "preuntrans",
               "postuntrans", "verifyscript")
_TRIGGERS = ("trigger", "filetrigger", "transfiletrigger")
_SIGNATURES = ("OPENPGP", "RSAHEADER", "DSAHEADER", "SIGPGP", "SIGGPG")
# "RSA/SHA256, Mon 01 Jan 2024 …, Key ID 0123456789abcdef"; newer ones give a fingerprint
_KEY = re.compile(r"[Kk]ey (?:ID|[Ff]ingerprint):? ([0-9a-f]{16,64})")
# RPMVSF_MASK_NOSIGNATURES and _NODIGESTS, and no need for a header, of rpmts.h
_UNCHECKED = -1
# Control characters of C0 and C1, and those that turn the direction of text
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_ACCOUNT_LINE = re.compile(r"(?:u!?|g|m)\s")  # not comments, not ranges of ids for all accounts
_ACCOUNT = re.compile(r"(?:user|group|groupmember)\(.+\)")
_MOST_FILES = 500_000
_ALGORITHMS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}


@dataclass(frozen=True)
class PackedFile:
    """One file of a package, as its header has it.

    ``path`` is absolute, ``mode`` the whole ``st_mode``; ``digest`` is ``TYPE:HEX`` of a
    regular file's content, ``link`` where a symbolic link leads, both empty for others;
    ``capabilities`` are as cap_to_text(3) writes them. ``ghost``: only the name is the
    package's, ``config``: meant to be changed.
    """

    path: str
    mode: int
    owner: str
    group: str
    size_bytes: int
    digest: str = ""
    link: str = ""
    capabilities: str = ""
    ghost: bool = False
    config: bool = False

    @property
    def is_regular(self) -> bool:
        """Say if it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """Say if it is a folder, which packages share."""
        return stat.S_ISDIR(self.mode)

    @property
    def sets_id(self) -> bool:
        """Say if whoever runs it gets its owner's or its group's rights."""
        return self.is_regular and bool(self.mode & (stat.S_ISUID | stat.S_ISGID))


@dataclass(frozen=True)
class Header:
    """What an RPM says of itself.

    ``digest`` is that of the header itself, in hexadecimal, equal for two that are the
    same; ``signer`` the id of the signing key, 16 hexadecimal digits, empty without a
    signature (which is not checked here); ``scriptlets`` names such as ``post``;
    ``accounts`` the lines of sysusers.d(5) by which rpm 4.19 and later creates users and
    groups before it unpacks the package.
    """

    nevra: str
    digest: str
    signer: str
    scriptlets: Tuple[str, ...]
    files: Tuple[PackedFile, ...] = field(repr=False, default=())
    accounts: Tuple[str, ...] = ()


def read_header(path: Path) -> Header:
    """Return the header of the RPM file at the host path ``path``; checks no signature.

    Raises NodePluginError if it is no RPM file, or cannot be read, and Refused for a
    header that leaves something out which the checks of a plugin need.
    """
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(_UNCHECKED)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise NodePluginError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        raw = transaction.hdrFromFdno(handle)
        header = _header(raw)
        _refuse_odd(raw, header)
        return header
    except rpm.error as exc:
        raise NodePluginError(f"{path} is no RPM package: {exc}") from exc
    finally:
        os.close(handle)


def installed_headers(root: Path, nevras: Iterable[str]) -> Dict[str, Header]:
    """Return the headers of those of ``nevras`` that the root's rpm database has."""
    return {nevra: _header(raw) for nevra, raw in raw_headers(root, nevras)}


def raw_headers(root: Path, nevras: Iterable[str]) -> Iterator[Tuple[str, Any]]:
    """Yield those of ``nevras`` that the root's rpm database has, each with rpm's own header."""
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    for nevra in nevras:
        for raw in transaction.dbMatch("name", name_of(nevra)):
            if nevra_of(raw) == nevra:
                yield nevra, raw


def signers(root: Path) -> Dict[str, str]:
    """Return who the keys in the root's rpm database are, by key id (16 digits).

    The words are those of the key's owner, such as ``ACME <rpm@example.com>``.
    """
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    found = {}
    for raw in transaction.dbMatch("name", "gpg-pubkey"):
        words = re.sub(r"^gpg\((.*)\)$|^(.*) public key$", r"\1\2", str(raw["summary"]))
        for key in _key_ids(raw):
            found[key] = printable(words)
    return found


def _key_ids(raw: Any) -> List[str]:
    """Return the ids of a key and of what it provides: ``gpg(0123456789abcdef)``."""
    provided = [str(name) for name in raw["providename"]]
    return [match.group(1) for match in
            (re.fullmatch(r"gpg\(([0-9a-f]{16})\)", name) for name in provided) if match]


def nevra_of(raw: Any) -> str:
    """Return a header's NEVRA as DNF writes it: without an epoch of 0."""
    evr = make_evr(raw["epoch"], raw["version"], raw["release"])
    return make_nevra(raw["name"], evr, raw["arch"])


def _header(raw: Any) -> Header:
    return Header(nevra_of(raw), digest_of(raw), _signer(raw), tuple(_scriptlets(raw)),
                  _files(raw), tuple(_accounts(raw)))


def digest_of(raw: Any) -> str:
    """Return the digest of a header, as ``Header`` has it; empty if it has none."""
    return str(raw["sha256header"] or raw["sha1header"] or "")


def _signer(raw: Any) -> str:
    for tag in _SIGNATURES:
        try:
            text = raw.sprintf(f"%|{tag}?{{%{{{tag}:pgpsig}}}}|")
        except rpm.error:  # this rpm does not know the tag
            continue
        match = _KEY.search(text)
        if match:
            return match.group(1)[-16:]
    return ""


def _accounts(raw: Any) -> Iterable[str]:
    """Yield the accounts in what a package provides: ``user(NAME) = LINE IN BASE64``.

    See rpm-sysusers(7), "TECHNICAL DETAILS". The line is padded with NUL.
    """
    for name, version in zip(raw["providename"] or (), raw["provideversion"] or ()):
        if _ACCOUNT.fullmatch(str(name)) and version:
            with contextlib.suppress(ValueError):  # a version that is none of these
                line = base64.b64decode(str(version), validate=True).decode().rstrip("\0")
                if _ACCOUNT_LINE.match(line) and not _UNSHOWN.search(line):
                    yield line


def _scriptlets(raw: Any) -> Iterable[str]:
    for name in _SCRIPTLETS:
        if _tag(raw, name if name == "verifyscript" else f"{name}prog") or _tag(raw, name):
            yield name[:-2] if name in ("prein", "postin") else name
    for name in _TRIGGERS:
        if _tag(raw, f"{name}scripts") or _tag(raw, f"{name}scriptprog"):
            yield name


def _tag(raw: Any, name: str) -> Any:
    try:
        return raw[name]
    except (KeyError, ValueError, rpm.error):  # this rpm does not know it
        return None


def _files(raw: Any) -> Tuple[PackedFile, ...]:
    names: Sequence[str] = raw["filenames"] or ()
    algorithm = _ALGORITHMS.get(raw["filedigestalgo"] or 1, "unknown")
    columns = [_padded(column, default, len(names)) for column, default in _columns(raw)]
    return tuple(
        PackedFile(str(path), mode & 0xFFFF, str(owner), str(group), int(size),
                   f"{algorithm}:{digest}" if digest else "", str(link),
                   str(caps).lstrip("= ").strip(), bool(flags & rpm.RPMFILE_GHOST),
                   bool(flags & rpm.RPMFILE_CONFIG))
        for path, mode, owner, group, size, digest, link, flags, caps in zip(names, *columns))


def _columns(raw: Any) -> List[Tuple[Sequence[Any], Any]]:
    """Return what a header says of its files, tag by tag, with what a lacking one means."""
    return [(raw["filemodes"], 0), (raw["fileusername"], ""), (raw["filegroupname"], ""),
            (raw["longfilesizes"] or raw["filesizes"], 0), (raw["filedigests"], ""),
            (raw["filelinktos"], ""), (raw["fileflags"], 0), (raw["filecaps"], "")]


def _padded(column: Sequence[Any], default: Any, count: int) -> Sequence[Any]:
    return [*column[:count], *[default] * (count - len(column))]


def _refuse_odd(raw: Any, header: Header) -> None:
    """Raise Refused for a header that rpm would install and of which not all can be told.

    Only capabilities may be left out: rpmbuild leaves them out where there are none.
    """
    names = raw["filenames"] or ()
    lengths = {len(column) for column, _ in _columns(raw)[:-1]} | {len(raw["basenames"] or ())}
    shown = [text for file in header.files
             for text in (file.path, file.owner, file.group, file.link, file.capabilities)]
    if lengths - {len(names)} or len(raw["filecaps"] or ()) not in (0, len(names)):
        problem = "does not say of every file what it is"
    elif len(names) > _MOST_FILES:
        problem = f"has more than {_MOST_FILES} files"
    elif any(map(_UNSHOWN.search, (header.nevra, *shown))):
        problem = "has control characters in names"
    elif not header.digest:
        problem = "has no digest of itself"
    else:
        return
    raise Refused(f"the header of {printable(header.nevra)} {problem}.",
                  hint="Do not install it; ask its vendor.")


def printable(text: str) -> str:
    """Return ``text`` with characters that a terminal would obey, or hide, as escapes."""
    return _UNSHOWN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
