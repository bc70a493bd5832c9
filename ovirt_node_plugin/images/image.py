"""Open an image for reading: detect its containers and mount the root in it."""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from ..errors import BadImage, UsageError
from ..system.paths import resolve_inside
from ..system.run import Runner, explained
from .filesystem import Filesystem, mount_options, read_filesystem
from .iso.iso import Iso, IsoFile, is_iso, read_iso
from .mounts import bind_mounted, loop_mounted
from .other_forms import other_form, other_roots
from .rpm.rpm_file import PackagedFile, copy_squashfs, is_rpm
from .squashfs.squashfs import PADDING_BYTES, Superblock, read_superblock
from .squashfs.trailing_data import TrailingData, data_behind_filesystem, data_behind_squashfs
from .squashfs.verity import Verity
from .workspace import DISK_HINT
from .writable import needs_copy

FOLDER, SQUASHFS, ISO, RPM = "folder", "squashfs", "iso", "rpm"
# The names that oVirt Node, lorax and livecd-tools use: livemedia-creator(1)
FILESYSTEM_IMAGES: Tuple[str, ...] = ("LiveOS/rootfs.img", "LiveOS/ext3fs.img")
# The system of the installer, Anaconda, and its updates; never the system that it installs
_INSTALLER = ("/images/install.img", "/images/product.img", "/images/updates.img")
_MAGIC = b"hsqs"
_BLOCK = 2048  # of an ISO; squashfs reads blocks of 1024 bytes, a loop device has sectors of 512
_DAMAGED = "Compare the image with its published checksum, or download it again."


@dataclass(frozen=True)
class Layout:
    """The containers of an image, from the outside in.

    ``kind`` is FOLDER, SQUASHFS, ISO or RPM. ``payload`` is the squashfs on the ISO,
    ``packaged`` the one in an RPM. ``inner`` is the path of the filesystem image,
    relative to the squashfs; it is empty if the squashfs contains the root directly. ``padded``
    is a copy of a squashfs file that a loop device cannot map whole. ``trailing`` is data behind
    the squashfs, or behind the filesystem in it.
    """

    path: Path
    kind: str
    iso: Optional[Iso] = None
    payload: Optional[IsoFile] = None
    squashfs: Optional[Superblock] = None
    inner: str = ""
    filesystem: Optional[Filesystem] = None
    packaged: Optional[PackagedFile] = None
    padded: Optional[Path] = None
    trailing: Optional[TrailingData] = None

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
    def payload_path(self) -> str:
        """The path of the squashfs on the ISO or in the RPM; empty for other images."""
        container = self.payload or self.packaged
        return container.path if container is not None else ""

    @property
    def squashfs_file(self) -> Path:
        """The host file that contains the squashfs."""
        return self.packaged.copy if self.packaged is not None else self.padded or self.path

    @property
    def payload_offset(self) -> int:
        """The position of the squashfs in ``squashfs_file``, in bytes."""
        return self.payload.offset if self.payload is not None else 0

    @property
    def payload_size(self) -> int:
        """The size of the squashfs in bytes, 0 for a folder."""
        container = self.payload or self.packaged
        if container is not None:
            return container.size_bytes
        return self.path.stat().st_size if self.kind == SQUASHFS else 0

    @property
    def is_padded(self) -> bool:
        """Whether the squashfs ends with padding, as mksquashfs(1) writes it without -nopad."""
        return self.verity is not None or self.payload_size % PADDING_BYTES == 0

    @property
    def verity(self) -> Optional[Verity]:
        """The hash tree of dm-verity behind the squashfs."""
        return self.trailing.verity if self.trailing is not None else None


@dataclass(frozen=True)
class Image:
    """An open image: its layout, and the host paths of its read-only mounts.

    ``outer`` is the mounted squashfs, ``root`` the root in it. For a folder both are the
    folder.
    """

    layout: Layout
    outer: Path
    root: Path

    @property
    def name(self) -> str:
        """The image's file name for use in paths, without the characters that dnf rejects."""
        return re.sub(r"[^\w.+-]", "_", self.layout.path.resolve().name) or "root"

    @functools.cached_property
    def needs_copy(self) -> bool:
        """Whether the root has entries that an overlay of it would not show as they are."""
        return needs_copy(self.root)


@contextlib.contextmanager
def opened(path: Path, work: Path, *, payload: str = "", run: Runner) -> Iterator[Image]:
    """Open the image ``path`` read-only, with its mounts in the folder ``work``.

    ``payload`` is the path of the squashfs on the ISO, such as ``/LiveOS/squashfs.img``; it
    is needed if there are several. The caller needs a mount namespace of its own.

    Raises UsageError if there is no image at ``path`` or the payload is ambiguous, and
    BadImage for a file of unknown type and for an image without a root.
    """
    outer, root = work / "outer", work / "root"
    for folder in (outer, root):
        folder.mkdir()
    with contextlib.ExitStack() as stack:
        if path.is_dir():
            stack.enter_context(bind_mounted(path, root, writable=False, run=run))
            _require_root(root, path)
            yield Image(Layout(path, FOLDER), root, root)
            return
        layout = outer_layout(path, payload, work / "payload", run)
        with explained(f"the squashfs in {path} cannot be mounted", BadImage, hint=_DAMAGED):
            stack.enter_context(loop_mounted(
                layout.squashfs_file, outer, kind="squashfs", run=run,
                offset=layout.payload_offset, size=_whole_blocks(layout.payload_size)))
        layout = _with_filesystem(layout, outer, run)
        with explained(f"the root in {path} cannot be mounted", BadImage, hint=_DAMAGED):
            stack.enter_context(_root_mounted(layout, outer, root, run))
        _require_root(root, path)
        yield Image(layout, outer, root)


@contextlib.contextmanager
def _root_mounted(layout: Layout, outer: Path, root: Path, run: Runner) -> Iterator[None]:
    if layout.filesystem is None:
        with bind_mounted(outer, root, writable=False, run=run):
            yield
        return
    options = mount_options(layout.filesystem, writable=False)
    with loop_mounted(outer / layout.inner, root, kind=layout.filesystem.kind, run=run,
                      options=options):
        yield


def image_kind(path: Path) -> str:
    """Return which of FOLDER, SQUASHFS, ISO and RPM ``path`` is by its content, else nothing.

    A folder is an image if it has an os-release.
    """
    if path.is_dir():
        return FOLDER if _has_os_release(path) else ""
    if not path.is_file():
        return ""
    if is_iso(path):
        return ISO
    if is_rpm(path):
        return RPM
    with open(path, "rb") as stream:
        return SQUASHFS if stream.read(len(_MAGIC)) == _MAGIC else ""


def outer_layout(path: Path, payload: str, copy: Path, run: Runner) -> Layout:
    """Return the part of the layout that can be read without a mount.

    ``payload`` is as in ``opened``; ``copy`` is where a squashfs is copied to that cannot be
    mounted where it is.
    """
    if not path.is_file():
        raise UsageError(f"there is no image {path}",
                         hint="Give an ISO, a squashfs image, an update RPM, or the folder of an"
                              " unpacked root.")
    kind = image_kind(path)
    if kind != ISO:
        if kind == RPM:
            packaged = copy_squashfs(path, copy, wanted=payload)
            os.truncate(copy, _whole_blocks(packaged.size_bytes))
            return _with_trailing(Layout(path, RPM, squashfs=read_superblock(copy),
                                         packaged=packaged))
        if payload:
            raise UsageError(f"{path} is not an ISO and cannot contain {payload}",
                             hint="Leave --image out.")
        if kind != SQUASHFS:
            form = other_form(path)
            raise BadImage(f"{path} is neither an ISO nor a squashfs"
                           + (f"; it is {form.name}" if form is not None else ""),
                           hint=form.hint if form is not None else "Give an image of oVirt Node,"
                           " or the folder of an unpacked one.")
        return _with_trailing(Layout(path, SQUASHFS, squashfs=read_superblock(path),
                                     padded=_padded(path, copy, run)))
    iso = read_iso(path, run=run)
    file = _payload(path, iso, payload)
    return _with_trailing(
        Layout(path=path, kind=ISO, iso=iso, payload=file,
               squashfs=read_superblock(path, offset=file.offset)))


def _with_trailing(layout: Layout) -> Layout:
    """Return the layout with the data behind the squashfs, if there is any."""
    assert layout.squashfs is not None
    return dataclasses.replace(layout, trailing=data_behind_squashfs(
        layout.squashfs_file, layout.payload_path or str(layout.path),
        start=layout.payload_offset, bytes_used=layout.squashfs.bytes_used,
        size_bytes=layout.payload_size))


def _padded(path: Path, copy: Path, run: Runner) -> Optional[Path]:
    """Return a padded copy of a squashfs that a loop device cannot map whole, else None."""
    size_bytes = path.stat().st_size
    if size_bytes == _whole_blocks(size_bytes):
        return None
    with explained(f"{path} cannot be copied to pad it",
                   hint=DISK_HINT):
        run(["cp", "--reflink=auto", "--sparse=auto", "--", path, copy])
    os.truncate(copy, _whole_blocks(size_bytes))
    return copy


def _whole_blocks(size_bytes: int) -> int:
    """Return a size that a loop device can have, and squashfs can read to its end.

    A file on an ISO is followed by zeros up to this size.
    """
    return -(-size_bytes // _BLOCK) * _BLOCK


def _payload(path: Path, iso: Iso, wanted: str) -> IsoFile:
    """Return the squashfs ``wanted`` of the ISO ``path``; if empty, the only one of a root."""
    squashfs = squashfs_files(path, iso.files)
    if wanted:
        for file in squashfs:
            if file.path.lstrip("/") == wanted.lstrip("/"):
                return file
        for name, hint in other_roots(path, iso.files):
            if name.startswith(f"/{wanted.lstrip('/')}, "):
                raise BadImage(f"{path} contains {name}, which is not supported", hint=hint)
        raise UsageError(f"{path} contains no squashfs {wanted}; its squashfs images:"
                         f" {_paths(squashfs)}", hint="Give one of these with --image.")
    candidates = [file for file in squashfs if file.path.lower() not in _INSTALLER]
    if not candidates:
        others = dict(other_roots(path, iso.files))
        raise BadImage(
            f"{path} contains no squashfs image of a root; its squashfs images: {_paths(squashfs)}"
            + "".join(f"; it contains {name}" for name in others),
            hint="\n".join(dict.fromkeys(others.values()))
                 or "Give an ISO of oVirt Node, or a live ISO.")
    if len(candidates) > 1:
        raise UsageError(f"{path} contains several squashfs images: {_paths(candidates)}",
                         hint="Select one with --image PATH.")
    return candidates[0]


def squashfs_files(path: Path, files: Sequence[IsoFile]) -> List[IsoFile]:
    """Return those of the ISO's ``files`` that begin with the magic number of squashfs."""
    squashfs = []
    with open(path, "rb") as stream:
        for file in files:
            stream.seek(file.offset)
            if stream.read(len(_MAGIC)) == _MAGIC:
                squashfs.append(file)
    return squashfs


def _paths(files: Sequence[IsoFile]) -> str:
    return ", ".join(file.path for file in files) or "none"


def _with_filesystem(layout: Layout, outer: Path, run: Runner) -> Layout:
    """Return the layout with the filesystem image in the mounted squashfs, if there is one."""
    for inner in (*FILESYSTEM_IMAGES, *_other_filesystem_images(outer)):
        path = resolve_inside(outer, inner)
        if path.is_file():
            name = path.relative_to(outer).as_posix()
            filesystem = read_filesystem(path, run=run)
            return dataclasses.replace(
                layout, inner=name, filesystem=filesystem,
                trailing=layout.trailing or data_behind_filesystem(path, name))
    return layout


def _other_filesystem_images(outer: Path) -> List[str]:
    """Return the image that imgbase(8) uses: the only ``*/*.img`` of a squashfs without a root."""
    if (outer / "usr").is_dir() or (outer / "etc").is_dir():
        return []
    images = sorted(path.relative_to(outer).as_posix() for path in outer.glob("*/*.img"))
    return images if len(images) == 1 else []


def kernels(root: Path) -> Tuple[str, ...]:
    """Return the versions of the kernels that have modules in ``root``, sorted."""
    folder = resolve_inside(root, "lib/modules")
    if not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))


def _has_os_release(root: Path) -> bool:
    return any(resolve_inside(root, name).is_file()
               for name in ("etc/os-release", "usr/lib/os-release"))


def _require_root(root: Path, path: Path) -> None:
    if not _has_os_release(root):
        raise BadImage(f"{path} contains no root: there is no os-release in it",
                       hint="Give an image whose root has etc, usr and var.")
