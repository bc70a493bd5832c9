"""Files of catalogs: made, changed, signed."""
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from ...catalog import document
from ...catalog.model import Catalog
from ...catalog.places import SIGNATURE_SUFFIX
from ...errors import UsageError
from ...system import source_date
from ...system.entries import write_atomic
from ...system.limits import CATALOG_BYTES
from ...system.regular_files import read_regular
from ...system.run import Runner
from ...system.signing import find_key, sign_file

_DAY_S = 24 * 60 * 60
_MOST_DAYS = 36_500


def create(path: Path, title: str) -> Catalog:
    """Make the file of an empty catalog. Raises UsageError if there is one, or for the title."""
    if os.path.lexists(path):
        raise UsageError(f"{path} exists already", hint="Give another name, or remove it.")
    return write(path, Catalog(title=title, serial=0,
                               date=document.date_text(source_date.now())))


def read(path: Path) -> Catalog:
    """Return the catalog in a file, whose signature is not checked.

    Raises UsageError for a file that cannot be read, Refused for one that is no catalog.
    """
    try:
        data = read_regular(path, max_bytes=CATALOG_BYTES, follow=True)
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}",
                         hint="Make one: ovirt-node-plugin catalog create FILE --title TEXT"
                         ) from exc
    return document.parse(data, origin=str(path))


def write(path: Path, catalog: Catalog) -> Catalog:
    """Write a catalog, and remove its signature, which is no longer valid; return the catalog.

    Raises UsageError for a catalog that could not be read again, such as with two lines of a note.
    """
    data = document.write(catalog)
    document.check(data)
    signature(path).unlink(missing_ok=True)
    write_atomic(path, data, mode=0o644)
    return catalog


def sign(path: Path, key: str, *, valid_days: int, run: Runner) -> Catalog:
    """Sign a catalog with the secret key ``key`` of GnuPG; return it with its new serial and date.

    ``valid_days`` are the days until it expires, 0 for never.
    """
    found = find_key(key, run=run)
    if not 0 <= valid_days <= _MOST_DAYS:
        raise UsageError(f"--valid-days is {valid_days}, not 1 to {_MOST_DAYS}")
    old, now = read(path), source_date.now()
    catalog = write(path, replace(
        old, serial=old.serial + 1, date=document.date_text(now),
        expires=document.date_text(now + valid_days * _DAY_S) if valid_days else ""))
    sign_file(path, signature(path), found, run=run)
    return catalog


def signature(path: Path) -> Path:
    """Return the place of the signature of a catalog."""
    return path.with_name(path.name + SIGNATURE_SUFFIX)
