"""The base that a plugin is for: roots, images, repositories, saved lists of packages."""
from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from ...errors import BadBundle, BadImage, UsageError
from ...images import unmounted
from ...images.image import image_kind
from ...plugin import archive
from ...system.entries import write_atomic
from ...system.limits import BASE_BYTES
from ...system.rpm_database import find_rpmdb
from ...system.run import Runner
from ...target import identify

FOLDERS = (Path("/usr/share/ovirt-node-plugin/bases"),)
"""Where bases that a package brings are looked for by their version, after the user's own."""
_SUFFIX = ".base.tar.gz"
_VERSION = re.compile(r"[0-9][0-9A-Za-z._~^+-]{0,63}")
_RELEASE = 'VARIANT_ID="ovirt-node"\n'
_FORMS = ("Give the folder of a repository or of an unpacked root, an image, a saved base, or the"
          " version of one.")


@dataclass(frozen=True)
class Base:
    """What a plugin is for: folders of ``repos``, and a root or none.

    ``packages`` is a folder with a copy of the package database of the root, so that nothing
    writes beside that; ``root`` is the root itself, None if only its packages are known.
    ``empty`` is a root without anything, to use where there is no other.
    """

    empty: Path
    repos: Tuple[Path, ...] = ()
    packages: Optional[Path] = None
    root: Optional[Path] = None

    @property
    def is_known(self) -> bool:
        """Whether there is a base."""
        return bool(self.repos) or self.packages is not None

    @property
    def place(self) -> Path:
        """The root, or what is known of it, or an empty Node."""
        return self.root or self.packages or self.empty


@contextlib.contextmanager
def opened(against: Sequence[Path], *, run: Runner, own: Optional[Path] = None,
           ) -> Iterator[Base]:
    """Yield the base that paths and versions of ``against`` are, at most one of them a root.

    ``own`` is the folder of the user's own saved bases.

    Raises UsageError for one that is no base, and for several roots; BadImage for an image or a
    saved base that cannot be read.
    """
    repos: List[Path] = []
    roots: List[Path] = []
    with tempfile.TemporaryDirectory(
            prefix="node-plugin-", dir=os.environ.get("TMPDIR") or "/var/tmp") as name:
        work = Path(os.path.realpath(name))
        for path in against:
            if (path / "repodata/repomd.xml").is_file():
                repos.append(path)
            else:
                roots.append(path)
        if len(roots) > 1:
            raise UsageError(f"--against: {roots[0]} and {roots[1]} are two roots; only one can be"
                             " given", hint="Run lint once for each.")
        for root in roots:
            (work / "base").mkdir()
            _take(root, work / "base", run, own)
        yield Base(_empty(work / "empty"), tuple(repos), work / "base" if roots else None,
                   next((root.resolve() for root in roots if root.is_dir()), None))


def save(base: Base, folder: Path) -> Path:
    """Write the package list of the root of ``base`` to a file in ``folder``; return its path.

    Raises UsageError without a root, or for one whose version is not known.
    """
    if base.packages is None:
        raise UsageError("--save-base: there is no root whose packages could be saved",
                         hint="Give a root or an image with --against.")
    version = identify(base.packages).version
    if not _VERSION.fullmatch(version):
        raise UsageError("--save-base: the root has no version to save its packages by",
                         hint="Its os-release has to tell the version.")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, \
            tarfile.open(fileobj=stream, mode="w") as tar:
        for path in unmounted.files_in(base.packages):
            _add(tar, path, (base.packages / path).read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{version}{_SUFFIX}"
    write_atomic(file, packed.getvalue(), mode=0o644)
    return file


def own_folder() -> Path:
    """Return the folder of the user's own saved bases."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return Path(data) / "ovirt-node-plugin/bases"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _take(path: Path, into: Path, run: Runner, own: Optional[Path]) -> None:
    """Copy the packages of the root or image at ``path``, or of a saved base, to ``into``."""
    file = path if path.exists() else _saved(str(path), own)
    if file.is_dir():
        database = find_rpmdb(file.resolve())
        if database is None:
            raise UsageError(f"--against: {path} is neither the folder of a repository nor that of"
                             " a root", hint=_FORMS)
        unmounted.copy_of_root(file.resolve(), database, into)
    elif image_kind(file):
        unmounted.copy_packages(file, into, run=run)
    else:
        try:
            archive.unpack(file, into, run=run, limit_bytes=BASE_BYTES, name=str(file))
        except BadBundle as exc:
            raise BadImage(f"--against: {file} is neither an image nor a saved base", hint=_FORMS,
                           ) from exc
        unmounted.add_merged_links(into)
    if find_rpmdb(into) is None:
        raise BadImage(f"--against: {file} has no list of packages", hint=_FORMS)


def _saved(version: str, own: Optional[Path]) -> Path:
    """Return the file of the saved base of this version. Raises UsageError if there is none."""
    folders = [own or own_folder(), *FOLDERS]
    for folder in folders:
        file = folder / f"{version}{_SUFFIX}"
        if _VERSION.fullmatch(version) and file.is_file():
            return file
    known = sorted({path.name[:-len(_SUFFIX)] for folder in folders if folder.is_dir()
                    for path in folder.glob(f"*{_SUFFIX}")})
    raise UsageError(f"--against: there is no file {version}, and no saved base of that version",
                     hint=f"Saved bases: {', '.join(known) or 'none'}. Save one from an image:"
                          " ovirt-node-plugin lint PATH --against IMAGE --save-base")


def _empty(root: Path) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(_RELEASE, encoding="utf-8")
    unmounted.add_merged_links(root)
    return root
