"""The site tag, by which the release of a merged update RPM differs from that of its input.

A tag begins with a letter. So rpm takes the release ``1.el9.site1`` for newer than ``1.el9``, and
for older than ``1.el9.1`` and ``2.el9``; see rpm-version(7).
"""
from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Optional

import rpm

from ...errors import BadImage, UsageError
from ...images.image import Image
from ...images.rpm.rpm_build import NewRpm
from ...images.rpm.rpm_file import is_rpm, opened_rpm
from ...system.entries import read_xattrs, write_atomic
from ...system.path_sets import IMAGE_VERSION
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular

_TAG = re.compile(r"([A-Za-z]+)[0-9]*")
_NUMBERED = re.compile(r"site([0-9]{1,9})")
_FIRST = "site1"


def check_tag(tag: str) -> str:
    """Return ``tag`` if it is empty or can be a site tag. Raises UsageError."""
    if tag and not _TAG.fullmatch(tag):
        raise UsageError(f"--site-tag: {tag} is no tag of a release",
                         hint="Give letters, then digits, such as site2.")
    return tag


def new_rpm(image: Image, tag: str, sign_key: str) -> Optional[NewRpm]:
    """Return how the RPM that is the open ``image`` is written; None for another image.

    ``tag`` is as in ``new_release``, ``sign_key`` as in NewRpm. Raises UsageError if one of them
    is given for another image.
    """
    path, packaged = image.layout.path, image.layout.packaged
    if packaged is None:
        if tag or sign_key:
            raise UsageError(f"{path} is not an RPM: it has no release and no signature",
                             hint="Leave --site-tag and --sign out.")
        return None
    with opened_rpm(path) as package:
        return NewRpm(path, packaged.path, new_release(package.header["release"], tag), sign_key)


def new_release(release: str, tag: str) -> str:
    """Return the release of the merged RPM; ``release`` is that of the input.

    ``tag`` is the tag of the option, empty for the next one: ``site1``, or after ``site1``,
    ``site2``. It replaces one with the same letters. Raises UsageError if rpm would not take the
    new release for newer.
    """
    last = release.rpartition(".")[2]
    number = _NUMBERED.fullmatch(last)
    tag = tag or (f"site{int(number.group(1)) + 1}" if number else _FIRST)
    tagged = with_tag(release, tag)
    if rpm.labelCompare(("0", "0", tagged), ("0", "0", release)) <= 0:
        raise UsageError(f"--site-tag: the release {tagged} is not newer than {release}",
                         hint="Give a higher number, or leave --site-tag out.")
    return tagged


def with_tag(text: str, tag: str) -> str:
    """Return a release, or a text that ends with one, with ``tag`` at the end."""
    begin, _, last = text.rpartition(".")
    old, new = _TAG.fullmatch(last), _TAG.fullmatch(tag)
    replaced = old is not None and new is not None and old.group(1) == new.group(1)
    return f"{begin if begin and replaced else text}.{tag}"


def output_in(image: Path, text: str, tag: str) -> Path:
    """Return the path of the output ``text``, in which an RPM gets its own name if it is a folder.

    ``image`` is the input. Raises BadImage for an RPM that cannot be read or has no valid name,
    and UsageError for a folder that is missing, or as ``new_release``.
    """
    output = Path(text)
    if not is_rpm(image) or not (output.is_dir() or text.endswith(os.sep)):
        return output
    if not output.is_dir():
        raise UsageError(f"there is no folder {text} to write to",
                         hint="Create it, or give another name with -o.")
    with opened_rpm(image) as package:
        header = package.header
        release = new_release(header["release"], tag)
        name = f"{header['name']}-{header['version']}-{release}.{header['arch']}.rpm"
    if os.sep in name:
        raise BadImage(f"the RPM {image} has the invalid name {name}",
                       hint="Do not use it: no build of a package writes such a name.")
    return output / name


def write_version(root: Path, release: str) -> None:
    """Add the tag of ``release`` to the version that imgbased has written into ``root``, if any.

    imgbase-update(8) names the logical volume of an image by this text, and fails if the Node
    has a volume of that name: that of the image without plugins.
    """
    path = resolve_inside(root, IMAGE_VERSION)
    if path.is_file():
        text = read_regular(path).decode(errors="surrogateescape")
        version, tag = text.rstrip("\n"), release.rpartition(".")[2]
        info = path.stat()
        write_atomic(
            path, (with_tag(version, tag) + text[len(version):]).encode(errors="surrogateescape"),
            mode=stat.S_IMODE(info.st_mode), owner=(info.st_uid, info.st_gid),
            xattrs=read_xattrs(path))
