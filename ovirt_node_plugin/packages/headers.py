"""RPM headers as plain data: the files of a package, its scriptlets, its signing key."""
from __future__ import annotations

import base64
import contextlib
import os
import re
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple, TypeVar

import dnf.rpm.transaction
import rpm

from ..errors import NodePluginError, Refused
from ..system.limits import HEADER_BYTES, PACKAGE_FILES, PACKAGE_PATHS_CHARACTERS
from ..system.nevra import make_evr, make_nevra, name_of
from ..system.openpgp import issuer_fingerprint
from ..system.words import printable
from .dnf_types import RpmHeader

_Value = TypeVar("_Value")

# rpm(8) and rpm's rpmtag.h: a scriptlet is there if its interpreter is.
_SCRIPTLETS = ("pretrans", "prein", "postin", "preun", "postun", "posttrans", "preuntrans",
               "postuntrans", "verifyscript")
_TRIGGERS = ("trigger", "filetrigger", "transfiletrigger")
# In /lib/modules, weak-modules, depmod and akmods, for example.
_MODULE_WORDS = ("modules", "depmod", "kmod", "dkms")
_EXPANSION = 1 << 0 | 1 << 1  # RPMSCRIPT_FLAG_EXPAND and _QFORMAT of rpm's rpmscript.h
_SIGNATURES = ("OPENPGP", "RSAHEADER", "DSAHEADER", "SIGPGP", "SIGGPG")
# "RSA/SHA256, Mon 01 Jan 2024 …, Key ID 0123456789abcdef"; newer ones give a fingerprint
_KEY = re.compile(r"[Kk]ey (?:ID|[Ff]ingerprint):? ([0-9a-f]{16,64})")
# RPMVSF_MASK_NOSIGNATURES and _NODIGESTS, and no need for a header, of rpmts.h
UNCHECKED = -1
# Control characters of C0 and C1, and those that turn the direction of text
UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
ACCOUNT_LINE = re.compile(r"(?:u!?|g|m)\s")  # not comments, not ranges of ids for all accounts
_ACCOUNT = re.compile(r"(?:user|group|groupmember)\(.+\)")
_ASK = "Do not install it; ask its vendor."
_SONAME = re.compile(r"(lib[^()\s]+\.so(?:\.[^()\s]+)?)\(\)")
_POLICY = re.compile(r"\b(?:semodule|semanage|setsebool|setenforce|selinux_modules_\w+)\b")
_ALGORITHMS: Mapping[object, str] = {
    1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512"}


@dataclass(frozen=True)
class PackedFile:
    """One file of a package, as its header has it.

    ``path`` is absolute, ``mode`` the whole ``st_mode``; ``digest`` is ``TYPE:HEX`` of a
    regular file's content, ``link`` the target of a symbolic link, both empty for others;
    ``capabilities`` are as cap_to_text(3) writes them; ``ghost`` and ``config`` are the
    attributes %ghost and %config of a spec file.
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
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which several packages may have."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_device(self) -> bool:
        """Whether it is a device node."""
        return stat.S_ISCHR(self.mode) or stat.S_ISBLK(self.mode)


@dataclass(frozen=True)
class Header:
    """The header of an RPM.

    ``digest`` is that of the header itself, in hexadecimal, equal for two that are the
    same; ``signer`` the id of the signing key, 16 hexadecimal digits, empty without a
    signature (which is not checked here), and ``fingerprint`` the whole fingerprint of that
    key, empty if the signature does not have it; ``scriptlets`` names such as ``post``;
    ``expanded`` are those of them in which rpm expands macros or tags of the header;
    ``accounts`` the lines of sysusers.d(5) by which rpm 4.19 and later creates users and
    groups before it unpacks the package; ``about_modules`` is whether a scriptlet mentions
    kernel modules; ``libraries`` are the SONAMEs that the package provides; ``policy_lines``
    the lines of scriptlets that mention a program which changes the SELinux policy, each after
    the name of its scriptlet.
    """

    nevra: str
    digest: str
    signer: str
    scriptlets: Tuple[str, ...]
    files: Tuple[PackedFile, ...] = field(repr=False, default=())
    accounts: Tuple[str, ...] = ()
    expanded: Tuple[str, ...] = ()
    about_modules: bool = False
    fingerprint: str = ""
    libraries: Tuple[str, ...] = ()
    policy_lines: Tuple[Tuple[str, str], ...] = ()


def read_header(path: Path) -> Header:
    """Return the header of the RPM file at the host path ``path``; checks no signature.

    Raises NodePluginError if it is no RPM file, or cannot be read, and Refused for a
    header without something that the checks of a plugin need.
    """
    raw = _raw_header(path)
    try:
        _refuse_many_files(raw, path)
        columns = _Columns(raw)
        header = _header(raw, columns)
        _refuse_incomplete(columns, header)
        return header
    except rpm.error as exc:
        raise NodePluginError(f"{path} is no RPM package: {exc}") from exc


def build_time(path: Path) -> int:
    """Return when the RPM file at ``path`` was built, in seconds since 1970; 0 if it is unknown.

    Raises NodePluginError as ``read_header``.
    """
    value = _raw_header(path)["buildtime"]
    return value if isinstance(value, int) else 0


def _raw_header(path: Path) -> RpmHeader:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(UNCHECKED)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise NodePluginError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        _refuse_large(handle, path)
        raw: RpmHeader = transaction.hdrFromFdno(handle)
        return raw
    except rpm.error as exc:
        raise NodePluginError(f"{path} is no RPM package: {exc}") from exc
    finally:
        os.close(handle)


def _refuse_large(handle: int, path: Path) -> None:
    """Refuse a header of more than HEADER_BYTES, which rpm reads as a whole.

    Behind the lead of 96 bytes are two headers, of the signatures and of the package. Each
    begins with its number of entries, of 16 bytes each, and the size of its data; see "Package
    file format" in rpm's documentation.
    """
    place = 96
    for _ in range(2):
        intro = os.pread(handle, 16, place)
        if len(intro) < 16:
            return  # rpm reports it
        entries, data_bytes = struct.unpack(">8xII", intro)
        size_bytes = 16 + 16 * entries + data_bytes
        if size_bytes > HEADER_BYTES:
            raise Refused(
                f"the header of {path} has {size_bytes} bytes; {HEADER_BYTES} are allowed",
                hint=_ASK)
        place += size_bytes + -size_bytes % 8


def _refuse_many_files(raw: RpmHeader, path: Path) -> None:
    """Refuse a header whose paths, which are put together from folders and names, are too large."""
    folders, indexes = texts_of(raw, "dirnames"), numbers_of(raw, "dirindexes")
    lengths = list(map(len, folders))
    characters = sum(lengths[index] for index in indexes if index < len(lengths))
    if len(indexes) > PACKAGE_FILES or characters > PACKAGE_PATHS_CHARACTERS:
        raise Refused(f"the header of {path} has more than {PACKAGE_FILES} files, or paths of more"
                      f" than {PACKAGE_PATHS_CHARACTERS} characters", hint=_ASK)


def installed_headers(root: Path, nevras: Iterable[str]) -> Dict[str, Header]:
    """Return the headers of those of ``nevras`` that the root's rpm database has."""
    return {nevra: _header(raw, _Columns(raw)) for nevra, raw in raw_headers(root, nevras)}


def raw_headers(root: Path, nevras: Iterable[str]) -> Iterator[Tuple[str, RpmHeader]]:
    """Yield those of ``nevras`` that the root's rpm database has, each with rpm's own header."""
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    for nevra in nevras:
        for raw in transaction.dbMatch("name", name_of(nevra)):
            if nevra_of(raw) == nevra:
                yield nevra, raw


def signers(root: Path) -> Dict[str, str]:
    """Return the owners of the keys in the root's rpm database, by key id (16 digits).

    An owner is given as in the key, such as ``ACME <rpm@example.com>``.
    """
    transaction = dnf.rpm.transaction.initReadOnlyTransaction(str(root))
    owners = {}
    for raw in transaction.dbMatch("name", "gpg-pubkey"):
        owner = re.sub(r"^gpg\((.*)\)$|^(.*) public key$", r"\1\2", str(raw["summary"]))
        for key_id in _key_ids(raw):
            owners[key_id] = printable(owner)
    return owners


def _key_ids(raw: RpmHeader) -> List[str]:
    """Return the ids of a key and of what it provides: ``gpg(0123456789abcdef)``."""
    return [match.group(1) for match in (re.fullmatch(r"gpg\(([0-9a-f]{16})\)", name)
                                         for name in texts_of(raw, "providename")) if match]


def nevra_of(raw: RpmHeader) -> str:
    """Return a header's NEVRA as DNF writes it: without an epoch of 0."""
    evr = make_evr(raw["epoch"], raw["version"], raw["release"])
    return make_nevra(raw["name"], evr, raw["arch"])


def texts_of(raw: RpmHeader, tag: str) -> List[str]:
    """Return a tag that is a list of texts; empty where it is not set."""
    values = raw[tag]
    return list(map(str, values)) if isinstance(values, list) else []


def numbers_of(raw: RpmHeader, tag: str) -> List[int]:
    """Return a tag that is a list of numbers; empty where it is not set."""
    values = raw[tag]
    return ([value for value in values if isinstance(value, int)]
            if isinstance(values, list) else [])


def _header(raw: RpmHeader, columns: _Columns) -> Header:
    return Header(nevra=nevra_of(raw), digest=digest_of(raw), signer=_signer(raw),
                  scriptlets=tuple(_scriptlets(raw)),
                  expanded=tuple(_expanded(raw)), files=columns.files(),
                  about_modules=_are_about_modules(raw),
                  accounts=tuple(_accounts(raw)), fingerprint=_fingerprint(raw),
                  libraries=tuple(_libraries(raw)), policy_lines=tuple(_policy_lines(raw)))


def digest_of(raw: RpmHeader) -> str:
    """Return the digest of a header, as ``Header`` has it; empty if it has none."""
    return str(raw["sha256header"] or raw["sha1header"] or "")


def _signer(raw: RpmHeader) -> str:
    for tag in _SIGNATURES:
        try:
            text = raw.sprintf(f"%|{tag}?{{%{{{tag}:pgpsig}}}}|")
        except rpm.error:  # this rpm does not know the tag
            continue
        match = _KEY.search(text)
        if match:
            return match.group(1)[-16:]
    return ""


def _fingerprint(raw: RpmHeader) -> str:
    for tag in _SIGNATURES:
        with contextlib.suppress(ValueError):  # this rpm does not know the tag, or no base64
            value = raw[tag.lower()]
            for signature in value if isinstance(value, list) else [value]:
                data = base64.b64decode(signature) if isinstance(signature, str) else signature
                fingerprint = issuer_fingerprint(bytes(data)) if data else ""
                if fingerprint:
                    return fingerprint
    return ""


def _accounts(raw: RpmHeader) -> Iterable[str]:
    """Yield the accounts in what a package provides: ``user(NAME) = LINE IN BASE64``.

    See rpm-sysusers(7), "TECHNICAL DETAILS". The line is padded with NUL.
    """
    for name, version in zip(texts_of(raw, "providename"), texts_of(raw, "provideversion")):
        if _ACCOUNT.fullmatch(name) and version:
            with contextlib.suppress(ValueError):  # a version of another form
                line = base64.b64decode(version, validate=True).decode().rstrip("\0")
                if ACCOUNT_LINE.match(line) and not UNSHOWN.search(line):
                    yield line


def _scriptlets(raw: RpmHeader) -> Iterable[str]:
    for name in _SCRIPTLETS:
        if _has(raw, name if name == "verifyscript" else f"{name}prog") or _has(raw, name):
            yield name[:-2] if name in ("prein", "postin") else name
    for name in _TRIGGERS:
        if _has(raw, f"{name}scripts") or _has(raw, f"{name}scriptprog"):
            yield name


def _expanded(raw: RpmHeader) -> Iterable[str]:
    """Yield the scriptlets that are marked by ``-e`` or ``-q`` in the spec file."""
    for name in _SCRIPTLETS:
        flags = _value(raw, f"{name}flags")
        if isinstance(flags, int) and flags & _EXPANSION:
            yield name[:-2] if name in ("prein", "postin") else name
    for name in _TRIGGERS:
        flags = _value(raw, f"{name}scriptflags")
        if isinstance(flags, list) and any(value & _EXPANSION for value in flags):
            yield name


def _libraries(raw: RpmHeader) -> Iterable[str]:
    """Yield the SONAMEs among what a package provides, such as ``libacme.so.1()(64bit)``."""
    for name in dict.fromkeys(texts_of(raw, "providename")):
        match = _SONAME.match(name)
        if match:
            yield match.group(1)


def _are_about_modules(raw: RpmHeader) -> bool:
    """Return whether any scriptlet mentions kernel modules, or a program for them."""
    return any(word in text for _, text in _script_texts(raw) for word in _MODULE_WORDS)


def _policy_lines(raw: RpmHeader) -> Iterable[Tuple[str, str]]:
    for name, text in _script_texts(raw):
        if _POLICY.search(text):
            yield from ((name, line.strip()) for line in text.splitlines() if _POLICY.search(line))


def _script_texts(raw: RpmHeader) -> Iterable[Tuple[str, str]]:
    """Yield the text, and the interpreter, of each scriptlet after its name."""
    tags = [(name, tag) for name in _SCRIPTLETS for tag in (name, f"{name}prog")]
    tags += [(name, f"{name}scripts") for name in _TRIGGERS]
    for name, tag in tags:
        value = _value(raw, tag)
        for text in value if isinstance(value, list) else [value or ""]:
            yield name[:-2] if name in ("prein", "postin") else name, str(text)


def _value(raw: RpmHeader, tag: str) -> object:
    """Return the value of a tag; None where this rpm does not know it."""
    try:
        return raw[tag]
    except (KeyError, ValueError, rpm.error):
        return None


def _has(raw: RpmHeader, tag: str) -> bool:
    return bool(_value(raw, tag))


class _Columns:
    """The tags that describe the files of a package: each is a list with a value a file."""

    def __init__(self, raw: RpmHeader) -> None:
        self.names = texts_of(raw, "filenames")
        self._algorithm = _ALGORITHMS.get(raw["filedigestalgo"] or 1, "unknown")
        self._modes = numbers_of(raw, "filemodes")
        self._owners = texts_of(raw, "fileusername")
        self._groups = texts_of(raw, "filegroupname")
        self._sizes = numbers_of(raw, "longfilesizes") or numbers_of(raw, "filesizes")
        self._digests = texts_of(raw, "filedigests")
        self._links = texts_of(raw, "filelinktos")
        self._flags = numbers_of(raw, "fileflags")
        self._capabilities = texts_of(raw, "filecaps")
        self._base_names = len(texts_of(raw, "basenames"))

    @property
    def are_complete(self) -> bool:
        """Return whether each has a value for each file.

        Only capabilities may be missing: rpmbuild leaves them out if no file has any.
        """
        columns: Tuple[Sequence[object], ...] = (
            self._modes, self._owners, self._groups, self._sizes, self._digests, self._links,
            self._flags)
        count = len(self.names)
        return (self._base_names == count
                and all(len(column) == count for column in columns)
                and len(self._capabilities) in (0, count))

    def files(self) -> Tuple[PackedFile, ...]:
        """Return the files; a missing value is 0 or empty."""
        count = len(self.names)
        rows = zip(
            self.names, _padded(self._modes, 0, count), _padded(self._owners, "", count),
            _padded(self._groups, "", count), _padded(self._sizes, 0, count),
            _padded(self._digests, "", count), _padded(self._links, "", count),
            _padded(self._flags, 0, count), _padded(self._capabilities, "", count))
        return tuple(
            PackedFile(path=path, mode=mode & 0xFFFF, owner=owner, group=group,
                       size_bytes=size_bytes,
                       digest=f"{self._algorithm}:{digest}" if digest else "", link=link,
                       capabilities=capabilities.lstrip("= ").strip(),
                       ghost=bool(flags & rpm.RPMFILE_GHOST),
                       config=bool(flags & rpm.RPMFILE_CONFIG))
            for path, mode, owner, group, size_bytes, digest, link, flags, capabilities in rows)


def _padded(column: List[_Value], default: _Value, count: int) -> List[_Value]:
    return [*column[:count], *[default] * (count - len(column))]


def _refuse_incomplete(columns: _Columns, header: Header) -> None:
    """Raise Refused for a header that rpm would install and that does not describe all."""
    shown = [text for file in header.files
             for text in (file.path, file.owner, file.group, file.link, file.capabilities)]
    if not columns.are_complete:
        problem = "does not say of every file what it is"
    elif any(map(UNSHOWN.search, (header.nevra, *shown))):
        problem = "has control characters in names"
    elif not header.digest:
        problem = "has no digest of itself"
    else:
        return
    raise Refused(f"the header of {printable(header.nevra)} {problem}.",
                  hint=_ASK)
