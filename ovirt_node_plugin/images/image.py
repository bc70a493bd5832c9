"""An image file opened for reading: what lies in what, found by looking, and the root in it."""
from __future__ import annotations

import contextlib
import dataclasses
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from ..errors import BadImage, UsageError
from ..system.paths import resolve_inside
from ..system.run import Runner
from .filesystem import Filesystem, mount_options, read_filesystem
from .iso import Iso, IsoFile, is_iso, read_iso
from .mounts import bound, loop_mounted
from .squashfs import Superblock, read_superblock

FOLDER, SQUASHFS, ISO, RPM = "folder", "squashfs", "iso", "rpm"
# oVirt Node's names, and those of lorax and livecd-tools: livemedia-creator(1)
_INNER = ("LiveOS/rootfs.img", "LiveOS/ext3fs.img")
# Anaconda's own system and its updates: squashfs or not, never what gets installed
_INSTALLER = ("/images/install.img", "/images/product.img", "/images/updates.img")
_MAGIC = b"hsqs"
_RPM_MAGIC = b"\xed\xab\xee\xdb"  # rpm's doc/manual/format_v4.md, "Lead"


@dataclass(frozen=True)
class Layout:
    """What an image is made of, from the outside in.

    ``kind`` is FOLDER, SQUASHFS, ISO or RPM, which is only for reading; ``payload`` the
    squashfs in the ISO, ``in_rpm`` where in bytes it begins in an RPM; ``inner`` the path,
    relative to the squashfs, of the filesystem image in it, empty where the squashfs holds
    the root tree itself.
    """

    path: Path
    kind: str
    iso: Optional[Iso] = None
    payload: Optional[IsoFile] = None
    squashfs: Optional[Superblock] = None
    inner: str = ""
    filesystem: Optional[Filesystem] = None
    in_rpm: int = 0

    @property
    def nesting(self) -> Tuple[str, ...]:
        """The containers from the outside in, such as ``iso``, ``squashfs``, ``ext4``."""
        words = [self.kind]
        if self.kind in (ISO, RPM):
            words.append(SQUASHFS)
        if self.filesystem is not None:
            words.append(self.filesystem.kind)
        return tuple(words)

    @property
    def payload_offset(self) -> int:
        """Where in the file the squashfs begins, in bytes."""
        return self.payload.offset if self.payload is not None else self.in_rpm

    @property
    def payload_size(self) -> int:
        """The size of the squashfs in bytes, as far as its container knows it."""
        if self.payload is not None:
            return self.payload.size_bytes
        return self.path.stat().st_size if self.kind == SQUASHFS else 0


@dataclass(frozen=True)
class Image:
    """An open image: its layout, and host paths of what is mounted read-only.

    ``outer`` is the tree of the squashfs, ``root`` the root in it; for a folder both are
    the folder.
    """

    layout: Layout
    outer: Path
    root: Path

    @property
    def name(self) -> str:
        """What a folder can be called that the root is shown in; dnf takes no blank or comma."""
        return re.sub(r"[^\w.+-]", "_", self.layout.path.resolve().name) or "root"


@contextlib.contextmanager
def opened(path: Path, work: Path, *, payload: str = "", run: Runner) -> Iterator[Image]:
    """Open the image ``path`` read-only, with mounts in the folder ``work``.

    ``payload`` is the path of the squashfs in the ISO, such as ``/LiveOS/squashfs.img``,
    where there are several. To be called in a mount namespace of one's own.

    Raises UsageError where there is nothing at ``path`` or a payload has to be named,
    and BadImage for a file of no known form or without a root in it.
    """
    outer, root = work / "outer", work / "root"
    for folder in (outer, root):
        folder.mkdir()
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            stack.enter_context(bound(path, root, writable=False, run=run))
            _require_root(root, path)
            yield Image(Layout(path, FOLDER), root, root)
            return
        layout = _outside(path, payload, run)
        stack.enter_context(loop_mounted(path, outer, kind="squashfs", run=run,
                                         offset=layout.payload_offset, size=layout.payload_size))
        layout = _inside(layout, outer, run)
        stack.enter_context(_root_mounted(layout, outer, root, run))
        _require_root(root, path)
        yield Image(layout, outer, root)


@contextlib.contextmanager
def _root_mounted(layout: Layout, outer: Path, root: Path, run: Runner) -> Iterator[None]:
    if layout.filesystem is None:
        with bound(outer, root, writable=False, run=run):
            yield
        return
    options = mount_options(layout.filesystem, writable=False)
    with loop_mounted(outer / layout.inner, root, kind=layout.filesystem.kind, run=run,
                      options=options):
        yield


def _outside(path: Path, payload: str, run: Runner) -> Layout:
    """Return what can be known of ``path`` without a mount."""
    if not path.is_file():
        raise UsageError(f"there is no image {path}",
                         hint="Give an ISO, a squashfs image or the folder of an unpacked one.")
    if not is_iso(path):
        if payload:
            raise UsageError(f"{path} is no ISO, so it has no {payload} in it",
                             hint="Leave --image out.")
        with open(path, "rb") as stream:
            magic = stream.read(len(_MAGIC))
        if magic == _RPM_MAGIC:
            return _in_rpm(path)
        if magic != _MAGIC:
            raise BadImage(f"{path} is neither an ISO nor a squashfs",
                           hint="Give an image of a Node, or the folder of an unpacked one.")
        return Layout(path, SQUASHFS, squashfs=read_superblock(path))
    iso = read_iso(path, run=run)
    file = _payload(path, iso, payload)
    return Layout(path=path, kind=ISO, iso=iso, payload=file,
                  squashfs=read_superblock(path, offset=file.offset))


def _in_rpm(path: Path) -> Layout:
    """Return what an RPM holds whose payload is not compressed, as a Node's update is."""
    with open(path, "rb") as stream, mmap.mmap(
            stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(_MAGIC)
        while at >= 0:
            with contextlib.suppress(BadImage):
                return Layout(path, RPM, squashfs=read_superblock(path, offset=at), in_rpm=at)
            at = content.find(_MAGIC, at + 1)
    raise BadImage(f"the RPM {path} has no squashfs in it that can be read in place",
                   hint="That of ovirt-node-ng-image-update has; others can be unpacked first.")


def _payload(path: Path, iso: Iso, wanted: str) -> IsoFile:
    found = squashfs_files(path, iso.files)
    if wanted:
        for file in found:
            if file.path.lstrip("/") == wanted.lstrip("/"):
                return file
        raise UsageError(f"{path} has no squashfs {wanted} in it; it has {_names(found)}",
                         hint="Give one of these with --image.")
    choice = [file for file in found if file.path not in _INSTALLER]
    if not choice:
        raise BadImage(f"{path} holds no squashfs image of a root; of squashfs it has"
                       f" {_names(found)}", hint="A Node's or a live ISO is needed.")
    if len(choice) > 1:
        raise UsageError(f"{path} holds several squashfs images: {_names(choice)}",
                         hint="Say with --image PATH which of them is meant.")
    return choice[0]


def squashfs_files(path: Path, files: Sequence[IsoFile]) -> List[IsoFile]:
    """Return those of an ISO's ``files`` that begin as a squashfs does."""
    found = []
    with open(path, "rb") as stream:
        for file in files:
            stream.seek(file.offset)
            if stream.read(len(_MAGIC)) == _MAGIC:
                found.append(file)
    return found


def _names(files: Sequence[IsoFile]) -> str:
    return ", ".join(file.path for file in files) or "none"


def _inside(layout: Layout, outer: Path, run: Runner) -> Layout:
    """Add what the mounted squashfs shows: the filesystem image in it, if there is one."""
    for inner in (*_INNER, *_others(outer)):
        place = resolve_inside(outer, inner)
        if place.is_file():
            return dataclasses.replace(
                layout, inner=place.relative_to(outer).as_posix(),
                filesystem=read_filesystem(place, run=run))
    return layout


def _others(outer: Path) -> List[str]:
    """Return what imgbase(8) would find: the one ``*/*.img`` of a squashfs that is no root."""
    if (outer / "usr").is_dir() or (outer / "etc").is_dir():
        return []
    found = sorted(path.relative_to(outer).as_posix() for path in outer.glob("*/*.img"))
    return found if len(found) == 1 else []


def _require_root(root: Path, path: Path) -> None:
    for name in ("etc/os-release", "usr/lib/os-release"):
        if resolve_inside(root, name).is_file():
            return
    raise BadImage(f"what lies in {path} is no root: it has no os-release",
                   hint="A Node's image has etc, usr and var; give one that has.")
