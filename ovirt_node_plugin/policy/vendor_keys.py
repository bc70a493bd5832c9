"""The keys that a site has bound to vendors of plugins.

They are in ``*.conf`` in folders of node-plugin.conf, with a section for each vendor:

    [ACME Storage Inc.]
    fingerprint = 0123456789abcdef0123456789abcdef01234567
    key = /etc/pki/rpm-gpg/RPM-GPG-KEY-acme

The name is that in the descriptor, to the letter. No plugin of another name gets the keys.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Tuple

from ..errors import UsageError
from ..system import openpgp
from ..system.limits import KEY_BYTES, SITE_PARAMETER_FILES, TEXT_BYTES
from ..system.regular_files import opened_regular, read_regular
from ..system.words import printable

_FILES = "dnf-node-plugin(8), FILES, describes the files of vendors.d."


@dataclass(frozen=True)
class VendorKeys:
    """The keys of one vendor: fingerprints of primary keys, and the contents of files of keys."""

    fingerprints: FrozenSet[str] = frozenset()
    files: Tuple[bytes, ...] = ()


NO_KEYS = VendorKeys()


def read_vendors(folders: Iterable[Path]) -> Dict[str, VendorKeys]:
    """Return the keys in all ``*.conf`` files of ``folders``, by vendor.

    Several files may have keys of one vendor. Raises UsageError for a file that is not valid, that
    another user than root may change, or that names a file without keys.
    """
    paths = [path for folder in folders for path in sorted(folder.glob("*.conf"))]
    if len(paths) > SITE_PARAMETER_FILES:
        raise UsageError(f"there are more than {SITE_PARAMETER_FILES} files of vendors",
                         hint="Join some of them.")
    vendors: Dict[str, VendorKeys] = {}
    for path in paths:
        for vendor, keys in _read_file(path):
            old = vendors.get(vendor, NO_KEYS)
            vendors[vendor] = VendorKeys(old.fingerprints | keys.fingerprints,
                                         old.files + keys.files)
    return vendors


def binding_lines(vendor: str, fingerprints: Iterable[str]) -> List[str]:
    """Return the lines that bind keys to a vendor."""
    return [f"[{vendor}]", *(f"fingerprint = {name}" for name in sorted(fingerprints))]


def _read_file(path: Path) -> Iterator[Tuple[str, VendorKeys]]:
    vendor = ""
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.strip()
        place = f"{path}:{number}"
        if not words or words.startswith(("#", ";")):
            continue
        name, equals, value = (word.strip() for word in words.partition("="))
        if words.startswith("[") and words.endswith("]") and words[1:-1].strip():
            vendor = words[1:-1].strip()
        elif vendor and equals and name == "fingerprint":
            try:
                yield vendor, VendorKeys(frozenset([openpgp.read_fingerprint(value)]))
            except ValueError as exc:
                raise UsageError(f"{place}: {exc}", hint=_FILES) from exc
        elif vendor and equals and name == "key":
            yield vendor, _keys_in(value, place)
        else:
            raise UsageError(f"{place}: {printable(words)!a} is neither [VENDOR] nor, in such a"
                             " section, fingerprint = FINGERPRINT or key = FILE", hint=_FILES)


def _keys_in(name: str, place: str) -> VendorKeys:
    try:
        data = read_regular(Path(name), max_bytes=KEY_BYTES, follow=True)
    except OSError as exc:
        raise UsageError(f"{place}: {name} cannot be read: {exc.strerror}", hint=_FILES) from exc
    keys = openpgp.read_keys(data)
    if not keys or not os.path.isabs(name):
        raise UsageError(f"{place}: {name} is not the absolute path of a file of public keys",
                         hint=_FILES)
    return VendorKeys(frozenset(key.fingerprint for key in keys), (data,))


def _text(path: Path) -> str:
    try:
        with opened_regular(path, follow=True) as stream:
            state = os.fstat(stream.fileno())
        if state.st_mode & 0o022 or state.st_uid not in (0, os.geteuid()):
            raise UsageError(f"the file of vendors {path} can be changed by others than root",
                             hint=f"chown root:root {path}; chmod 644 {path}")
        return read_regular(path, max_bytes=TEXT_BYTES, follow=True).decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"the file of vendors {path} cannot be read: {exc}", hint=_FILES) from exc
