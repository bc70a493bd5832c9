"""Name the forms of images that are not supported, by their magic numbers, and what can be done."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Optional, Tuple

from .iso.iso import IsoFile

_DECOMPRESS = "Decompress it first, for example with {} -d."
_TREE = ("Copy its tree to a folder and give the folder: mount -o loop,ro IMAGE DIR; cp -a DIR/."
         " FOLDER")
_DISK = "Give the ISO that it was installed from, or the folder of its mounted root."
_REPACK = "Unpack it with unsquashfs, and give the folder, or pack that again with mksquashfs."
_UNPACK = "Unpack it. If it contains an ISO or a squashfs, give that."
_DOWNLOAD = "Download the image again, and compare it with its published checksum."


@dataclass(frozen=True)
class OtherForm:
    """A form that is not supported: its name with an article, and a hint.

    A file of the form begins with ``magic`` at the byte ``at``. ``has_root`` is true for a form
    in which an ISO may contain the root instead of in a squashfs.
    """

    at: int
    magic: bytes
    name: str
    hint: str
    has_root: bool = False


# Rows of the position and bytes of a magic number, the name, and the hint. The first that matches
# counts. The numbers are those of file(1) and of linux/magic.h.
_Rows = Tuple[Tuple[int, bytes, str, str], ...]
_ROOTS: _Rows = (
    (0, b"sqsh", "a squashfs in big-endian form", _REPACK),
    (0, b"shsq", "a squashfs with LZMA of before squashfs 4.1", _REPACK),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS filesystem", _TREE),
    (1080, b"\x53\xef\1\0", "an ext filesystem", _TREE),
    (0, b"XFSB", "an xfs filesystem", _TREE),
    (65600, b"_BHRfS_M", "a btrfs filesystem", _TREE),
    (0, b"QFI\xfb", "a disk image (qcow2)", _DISK),
)
_OTHERS: _Rows = (
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)",
     "Open it with cryptsetup, mount it, and give the folder."),
    (0, b"KDMV", "a disk image (VMDK)", _DISK),
    (0, b"vhdxfile", "a disk image (VHDX)", _DISK),
    (0, b"conectix", "a disk image (VHD)", _DISK),
    (64, b"\x7f\x10\xda\xbe", "a disk image (VDI)", _DISK),
    (512, b"EFI PART", "a disk image with partitions (GPT)", _DISK),
    (257, b"ustar", "a tar archive, such as an OVA", _UNPACK),
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"070701", "a cpio archive, such as an initramfs", _UNPACK),
    (0, b"\x1f\x8b", "compressed with gzip", _DECOMPRESS.format("gzip")),
    (0, b"\xfd7zXZ\0", "compressed with xz", _DECOMPRESS.format("xz")),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", _DECOMPRESS.format("zstd")),
    (0, b"BZh", "compressed with bzip2", _DECOMPRESS.format("bzip2")),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", _DECOMPRESS.format("lz4")),
    (32769, b"BEA01", "a UDF image without ISO 9660", _TREE),
    (510, b"\x55\xaa", "a disk image with a boot sector", _DISK),
)
FORMS = tuple(OtherForm(at=at, magic=magic, name=name, hint=hint, has_root=has_root)
              for rows, has_root in ((_ROOTS, True), (_OTHERS, False))
              for at, magic, name, hint in rows)
_HEAD_BYTES = max(form.at + len(form.magic) for form in FORMS)
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<?xml")
_IMAGE_MODE = ("Plugins are not merged into such an ISO. Install them when the image of the system"
               " is built.")
# The folders from which an installer takes a system that is in no filesystem image:
# Anaconda's ostreesetup and ostreecontainer; lorax and bootc-image-builder write them
_REPOSITORIES = (("/ostree/", "an ostree repository in /ostree"),
                 ("/container/", "a container image in /container"))


def other_form(path: Path, offset: int = 0) -> Optional[OtherForm]:
    """Return the form of what begins at the byte ``offset`` of ``path``, None if it is unknown."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        head = stream.read(_HEAD_BYTES)
    if not head.strip(b"\0"):
        return _damaged("without content at its beginning" if head else "empty")
    if head.lstrip().lower().startswith(_PAGE_STARTS):
        return _damaged("a web page")
    return next((form for form in FORMS if head.startswith(form.magic, form.at)), None)


def _damaged(name: str) -> OtherForm:
    return OtherForm(at=0, magic=b"", name=name, hint=_DOWNLOAD)


def other_roots(path: Path, files: Iterable[IsoFile]) -> Iterator[Tuple[str, str]]:
    """Yield, with a hint for each, what may contain the root on the ISO ``path`` instead."""
    seen = set()
    for file in files:
        form = other_form(path, file.offset) if file.size_bytes >= _HEAD_BYTES else None
        if form is not None and form.has_root:
            copy = (f"Copy the file out of the ISO: xorriso -osirrox on -indev {path} -extract"
                    f" {file.path} IMAGE. ")
            yield f"{file.path}, {form.name}", copy + form.hint
        seen |= {name for folder, name in _REPOSITORIES if file.path.startswith(folder)}
    yield from ((name, _IMAGE_MODE) for name in sorted(seen))
