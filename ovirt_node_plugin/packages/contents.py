"""The files and accounts of packages: where the files lie, and which of them conflict."""
from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ..system.limits import TEXT_BYTES
from ..system.paths import resolve_inside
from ..system.trees import Relative, folders_above
from . import rpmdb
from .headers import ACCOUNT_LINE, UNSHOWN, Header, PackedFile
from .payload import read_files
from .session import PackageChange

_SYSUSERS_FILES = 16  # that are read of a package
_SYSUSERS_FILE = re.compile(r"/usr/lib/sysusers\.d/[^/]+\.conf")


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


def folder_places(headers: Iterable[Optional[Header]], root: Path) -> Set[str]:
    """Return the places of all folders of packages, relative to ``root``.

    rpm keeps a symbolic link in the place of a folder, changes the folder it leads to, and
    removes the link together with the package. So both are among them.
    """
    relative = Relative(root)
    paths = [file.path for header in headers if header is not None
             for file in header.files if file.is_folder]
    return {*map(relative, paths), *(
        resolve_inside(root, path).relative_to(root).as_posix() for path in paths)} - {"."}


def declared_accounts(packages: Iterable[PackageChange]) -> Tuple[str, ...]:
    """Return the lines of sysusers.d(5) by which arriving packages declare accounts.

    There are none if rpm on this machine creates the accounts itself.
    """
    if rpmdb.creates_accounts():
        return ()
    return _for_sysusers(line for change in packages if change.arrives
                         and change.header is not None for line in change.header.accounts)


def accounts_in_files(packages: Iterable[PackageChange], files: Mapping[str, Path],
                      ) -> Tuple[str, ...]:
    """Return the lines in sysusers.d(5) files of arriving packages that declare nothing else.

    rpm before 4.19 makes such packages: their accounts are created by a trigger, after the
    files were unpacked. ``files`` are the RPM files by NEVRA. Raises NodePluginError for a
    payload that cannot be read.
    """
    lines: List[str] = []
    for change in packages:
        paths = [path for path in change.files if _SYSUSERS_FILE.fullmatch(path)]
        if (paths and change.nevra in files and change.arrives
                and change.header is not None and not change.header.accounts):
            for _, content in read_files(files[change.nevra], paths[:_SYSUSERS_FILES],
                                         max_bytes=TEXT_BYTES):
                lines += content.decode(errors="replace").split("\n")
    return _for_sysusers(line for line in map(str.strip, lines)
                         if ACCOUNT_LINE.match(line) and not UNSHOWN.search(line))


def _for_sysusers(lines: Iterable[str]) -> Tuple[str, ...]:
    """Return each line once, as systemd-sysusers before 257 takes it.

    It does not know "u!", which expires an account besides locking it.
    """
    return tuple(dict.fromkeys(re.sub("^u!", "u", line) for line in lines))


def owners_of(places: Set[str], lists: Iterable[Tuple[str, Sequence[str]]],
              root: Path, *, core: Collection[str] = ()) -> Dict[str, Set[str]]:
    """Return the packages that have files at ``places``: by NEVRA, the paths of those files.

    ``lists`` are the NEVRAs of installed packages, each with the absolute paths of its
    files. A place where nothing is now, such as that of a file that was left out, has no
    owner, except the packages ``core``.
    """
    occupied = {place for place in places if os.path.lexists(root / place)}
    # by whether the package is core
    wanted = {False: occupied, True: places}
    names = {is_core: {os.path.basename(place) for place in wanted[is_core]}
             for is_core in wanted}
    relative = Relative(root)
    owners: Dict[str, Set[str]] = {}
    for nevra, paths in lists if places else ():
        is_core = nevra in core
        for path in paths if wanted[is_core] else ():
            if path[path.rfind("/") + 1:] in names[is_core] and relative(path) in wanted[is_core]:
                owners.setdefault(nevra, set()).add(path)
    return owners


def owners_below(places: Collection[str], lists: Iterable[Tuple[str, Sequence[str]]],
                 root: Path) -> Dict[str, Tuple[str, str]]:
    """Return a package with a file below each of ``places``, and that file, by place.

    The arguments are as in ``owners_of``. Places without such a package are left out.
    """
    relative = Relative(root)
    owners: Dict[str, Tuple[str, str]] = {}
    seen: Set[str] = set()
    for nevra, paths in lists if places else ():
        for path in paths:
            folder = os.path.dirname(path)
            if folder not in seen:
                seen.add(folder)
                owners.update((above, (nevra, path)) for above in folders_above(relative(path))
                              if above in places)
    return owners


def can_share_with_core(file: PackedFile, nevra: str, core_file: PackedFile, core: str) -> bool:
    """Return whether a plugin's package may have a file that the core package ``core`` has.

    This is stricter than rpm: a path that one of them has as ``%ghost`` is not shared.
    """
    return not file.ghost and not core_file.ghost and can_share(file, nevra, core_file, core)


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
