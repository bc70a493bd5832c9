"""The files and accounts of packages: where the files lie, and which of them conflict."""
from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Set, Tuple

from ..system.trees import Relative
from . import rpmdb
from .headers import PackedFile
from .session import PackageChange


def removed_paths(packages: Sequence[PackageChange]) -> List[str]:
    """Return the paths of packages that leave, without those that arriving packages have."""
    arriving = {path for change in packages if change.arrives for path in change.files}
    return [path for change in packages if not change.arrives for path in change.files
            if path not in arriving]


def replacements(packages: Iterable[PackageChange]) -> Dict[str, PackageChange]:
    """Return the package of the same name that replaces each one, by the NEVRA that leaves."""
    packages = list(packages)
    arriving = {change.name: change for change in packages if change.arrives}
    return {change.nevra: arriving[change.name] for change in packages
            if not change.arrives and change.name in arriving}


def resolved_paths(packages: Iterable[PackageChange], root: Path) -> Set[str]:
    """Return the paths of all files of ``packages``, relative to ``root``, links resolved."""
    relative = Relative(root)
    return {relative(path) for change in packages for path in change.files}


def declared_accounts(packages: Iterable[PackageChange]) -> Tuple[str, ...]:
    """Return the lines of sysusers.d(5) by which arriving packages declare accounts.

    There are none if rpm on this machine creates the accounts itself.
    """
    if rpmdb.creates_accounts():
        return ()
    # systemd before 257 does not know "u!", which expires an account besides locking it
    return tuple(dict.fromkeys(
        re.sub("^u!", "u", line) for change in packages
        if change.arrives and change.header is not None for line in change.header.accounts))


def owners_of(places: Set[str], lists: Iterable[Tuple[str, Sequence[str]]],
              root: Path) -> Dict[str, Set[str]]:
    """Return the packages that have files at ``places``: by NEVRA, the paths of those files.

    ``lists`` are the NEVRAs of installed packages, each with the absolute paths of its
    files. A place where nothing is now, such as that of a file that was left out, has no
    owner.
    """
    occupied = {place for place in places if os.path.lexists(root / place)}
    names = {os.path.basename(place) for place in occupied}
    relative = Relative(root)
    owners: Dict[str, Set[str]] = {}
    for nevra, paths in lists if occupied else ():
        for path in paths:
            if path[path.rfind("/") + 1:] in names and relative(path) in occupied:
                owners.setdefault(nevra, set()).add(path)
    return owners


def can_share(file: PackedFile, nevra: str, other: PackedFile, other_nevra: str) -> bool:
    """Return whether rpm lets two packages have a file of one path.

    These are the rules of rpm's rpmfilesCompare(), except for programs for several
    architectures, between which rpm chooses itself.
    """
    if file.ghost or other.ghost or file.is_folder and other.is_folder:
        return True
    if stat.S_ISLNK(file.mode) and stat.S_ISLNK(other.mode):
        return file.link == other.link
    archs = {each.rpartition(".")[2] for each in (nevra, other_nevra)} - {"noarch"}
    if file.is_regular and other.is_regular and len(archs) == 2:
        return True
    return ((file.mode, file.owner, file.group, file.digest)
            == (other.mode, other.owner, other.group, other.digest))
