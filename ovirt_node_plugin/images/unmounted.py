"""Read the list of packages of an image without mounts, so without privileges.

Only few files are copied out of the image: its package database and os-release. They make a
folder that is a root for whatever asks for packages only.
"""
from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Iterator, List, Sequence

from ..errors import BadImage, OutsideRoot
from ..system.limits import DIGEST_BYTES, OS_RELEASE_BYTES, RPMDB_BYTES
from ..system.path_sets import MERGED, RPM_DATABASES
from ..system.paths import read_inside
from ..system.regular_files import NotRegular, TooLarge, opened_regular, read_regular
from ..system.run import Runner, StrPath, explained, size_limited
from .filesystem import EXT, read_filesystem
from .image import FILESYSTEM_IMAGES, Layout, outer_layout

# A Node has links to the first one
_RELEASES = ("usr/lib/os.release.d/ovirt-release-host-node", "usr/lib/os-release",
             "etc/os-release")
# Of rpm's databases: sqlite, ndb, and bdb, of which rpm reads the file of packages only
_DATABASE = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Index.db", "Packages")
_DATABASES = tuple(f"{folder}/{name}" for folder in RPM_DATABASES for name in _DATABASE)
_COPIED = ("os-release", *_DATABASE)
_WANTED = (*_RELEASES, *_DATABASES)
_DAMAGED = "Compare the image with its published checksum, or download it again."
_UNPACK = ("As root, unpack it by ovirt-node-plugin extract IMAGE / -o DIR, and give the folder"
           " DIR.")


def copy_packages(path: Path, into: Path, *, run: Runner) -> None:
    """Copy the package database and os-release of the image ``path`` into the folder ``into``.

    ``into`` is empty, and then a root without any other file. Beside it, in a temporary folder, is
    what has to be unpacked for that; a filesystem image in a squashfs is so as a whole.

    Raises UsageError if there is no image or it has several roots, BadImage for one that cannot
    be read or has no package database.
    """
    with tempfile.TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as name:
        work = Path(name)
        layout = outer_layout(path, "", work / "payload", run)
        source = _unsquashed(layout, work / "outer", _WANTED, RPMDB_BYTES, run)
        if not any(_regular(source, _DATABASES)):
            source = _of_filesystem(layout, work, run)
        _take(source, into)
    if not (into / "etc/os-release").is_file() or not any(_regular(into, _DATABASES)):
        raise BadImage(f"{path} contains no root with os-release and a package database",
                       hint="Give an image of oVirt Node, or the folder of an unpacked root.")


def copy_of_root(root: Path, database: str, into: Path) -> None:
    """Copy what ``copy_packages`` copies out of an unpacked root; ``database`` is relative to it.

    rpm would write to the files beside a database that it only reads.
    """
    (into / "etc").mkdir()
    with contextlib.suppress(OSError, OutsideRoot):
        (into / "etc/os-release").write_bytes(
            read_inside(root, "etc/os-release", max_bytes=OS_RELEASE_BYTES))
    (into / database).mkdir(parents=True)
    for name in _DATABASE:
        with contextlib.suppress(FileNotFoundError), \
                opened_regular(root / database / name) as stream, \
                open(into / database / name, "wb") as copy:
            shutil.copyfileobj(stream, copy)
    add_merged_links(into)


def files_in(root: Path) -> List[str]:
    """Return what was copied into ``root``, relative to it, sorted."""
    return sorted(entry.relative_to(root).as_posix() for entry in root.rglob("*")
                  if entry.is_file() and not entry.is_symlink() and entry.name in _COPIED)


def add_merged_links(root: Path) -> None:
    """Make the links to folders of usr that packages of Enterprise Linux expect in ``root``."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(root / name):
            (root / name).symlink_to(f"usr/{name}")


def _unsquashed(layout: Layout, to: Path, names: Sequence[str], most_bytes: int,
                run: Runner) -> Path:
    """Return the folder ``to`` with those files ``names`` that the squashfs has."""
    argv: List[StrPath] = ["unsquashfs", "-no-progress", "-quiet", "-no-xattrs", "-dest", to]
    if layout.payload_offset:
        argv += ["-offset", str(layout.payload_offset)]
    with explained(f"the squashfs in {layout.path} cannot be read", BadImage, hint=_DAMAGED):
        run(size_limited([*argv, layout.squashfs_file, *names], most_bytes=most_bytes))
    return to


def _of_filesystem(layout: Layout, work: Path, run: Runner) -> Path:
    """Return a folder with the wanted files of the filesystem image in the squashfs."""
    outer = _unsquashed(layout, work / "filesystem", FILESYSTEM_IMAGES, DIGEST_BYTES, run)
    images = list(_regular(outer, FILESYSTEM_IMAGES))
    files = work / "files"
    for image in images[:1]:
        kind = read_filesystem(outer / image, run=run).kind
        if kind not in EXT:
            raise BadImage(f"{layout.path} contains a filesystem {kind}, which cannot be read"
                           " without a mount", hint=_UNPACK)
        for name in _WANTED:
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            # debugfs says that there is no such file, and ends with the status 0
            run(size_limited(["debugfs", "-R", f'dump "/{name}" "{files / name}"', outer / image],
                             most_bytes=RPMDB_BYTES))
    return files


def _regular(folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Yield those of ``names`` that are regular files with content in ``folder``."""
    for name in names:
        try:
            info = os.lstat(folder / name)
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode) and info.st_size:
            yield name


def _take(source: Path, into: Path) -> None:
    """Move the wanted files to ``into``; links and anything else stay behind."""
    for name in _regular(source, _DATABASES):
        if any(filecmp.cmp(source / name, into / taken, shallow=False)
               for taken in _regular(into, _DATABASES)):
            continue  # one folder of the image is a link to the other
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(os.fspath(source / name), into / name)
        os.chmod(into / name, 0o644)
    for name in list(_regular(source, _RELEASES))[:1]:
        (into / "etc").mkdir()
        with contextlib.suppress(NotRegular, TooLarge):
            (into / "etc/os-release").write_bytes(
                read_regular(source / name, max_bytes=OS_RELEASE_BYTES))
    add_merged_links(into)
