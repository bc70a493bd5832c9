"""Say of a file or folder that is not a bundle what it is, and what can be done with it."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator, Optional, Tuple

from ..errors import BadBundle
from ..system.regular_files import opened_regular
from .descriptor import DESCRIPTOR_NAME

LAYOUT = (f"A bundle is a folder with {DESCRIPTOR_NAME} and .repo files, optionally repo/, "
          "files/ and keys/, or a tar of one.")
SUFFIXES = (".bin", ".deb", ".img", ".iso", ".repo", ".rpm", ".run", ".sh", ".squashfs", ".xml",
            ".zip")
"""Of files that are often given in place of a bundle."""
_MAKE = ("To make a bundle, put the RPMs into the folder repo/ of a new folder, run createrepo_c"
         f" on repo/, and describe the plugin in {DESCRIPTOR_NAME} beside it, see"
         " node-plugin.xml(5).")
_MERGE = "To install plugins into it: ovirt-node-plugin merge {path} PLUGIN -o OUTPUT"
_UNPACK = "Unpack it. If it contains a bundle, give the folder of that. " + _MAKE
_VENDOR = "Ask the vendor for RPMs; a bundle contains nothing else to install. " + _MAKE
_MOUNT = "Its RPMs are in rpms/, behind a mount: mount -o loop,ro {path} /mnt. " + _MAKE

_VOLUME = 0x8000  # ECMA-119, 8.1: the descriptor of the volume, with its name at byte 41
_LABEL = slice(_VOLUME + 40, _VOLUME + 72)
_DRIVER_DISK = b"OEMDRV"  # the label by which Anaconda finds driver disks
_HEAD_BYTES = _LABEL.stop
# Rows of the first bytes as in magic(5), what the file is, and the hint.
_FORMS: Tuple[Tuple[bytes, str, str], ...] = (
    (b"\xed\xab\xee\xdb", "an RPM package",
     _MAKE + " To install only the package on a host: dnf install {path}"),
    (b"!<arch>\ndebian", "a package of Debian", _VENDOR),
    (b"hsqs", "a squashfs image", _MERGE),
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"070701", "a cpio archive", _UNPACK),
    (b"\x7fELF", "a program or a library", _VENDOR),
    (b"#!", "a script", _VENDOR),
    (b"-----BEGIN PGP PUBLIC KEY BLOCK-----", "a GPG public key",
     "The keys of a bundle are in its folder keys/. " + LAYOUT),
)
_REPO_SECTION = re.compile(rb"^\[[^\]\n]+\]\s*$", re.MULTILINE)
_REPO_ADDRESS = re.compile(rb"^\s*(?:baseurl|metalink|mirrorlist)\s*=", re.MULTILINE)
_ROOT_ELEMENT = re.compile(rb"<node-plugin[\s>]")
_MOST_ENTRIES = 1000  # of a folder
_MOST_NAMED = 3


def not_a_bundle(path: Path, source: str) -> Optional[BadBundle]:
    """Return the error that says what the file ``path`` is, None if it may be a bundle's tar.

    ``source`` is its name in messages.
    """
    with opened_regular(path, follow=True) as stream:
        head = stream.read(_HEAD_BYTES)
    kind, hint = _kind_of(head, path)
    return BadBundle(f"{source} is not a bundle: it is {kind}",
                     hint=hint.format(path=source)) if kind else None


def _kind_of(head: bytes, path: Path) -> Tuple[str, str]:
    """Return what a file is that begins with ``head``, and the hint; empty if it is unknown."""
    if head[_VOLUME + 1:_VOLUME + 6] == b"CD001":
        if head[_LABEL].strip() == _DRIVER_DISK:
            return "a driver disk (an ISO image with the label OEMDRV)", _MOUNT
        return "an ISO image", f"{_MERGE}. If it contains a vendor's RPMs: {_MAKE}"
    for magic, kind, hint in _FORMS:
        if head.startswith(magic):
            return kind, hint
    if b"\0" in head:  # no text, but for example a tar
        return "", ""
    if _ROOT_ELEMENT.search(head):
        return "a descriptor", f"Give its folder: {_folder_word(path)}"
    if _REPO_SECTION.search(head) and _REPO_ADDRESS.search(head):
        return ("the configuration of repositories",
                "If a repository of it contains a plugin, copy the file to /etc/yum.repos.d, and"
                " give the name of the plugin: dnf node-plugin install --enablerepo=ID NAME."
                f" Else put the file into a bundle. {LAYOUT}")
    return "", ""


def _folder_word(path: Path) -> str:
    """Return the folder of ``path`` for a command line, where a name has no slash."""
    return f"{path.parent}/".replace("{", "{{").replace("}", "}}")


def no_descriptor(directory: Path, source: str) -> BadBundle:
    """Return the error for a folder, or an unpacked tar, that has no descriptor.

    It says what the folder contains instead; only its own entries are read.
    """
    text = f"{source} is not a bundle: it has no {DESCRIPTOR_NAME}"
    names = sorted(_names(directory))
    inner = [name for name in names if os.path.isfile(directory / name / DESCRIPTOR_NAME)]
    if inner:
        shown = ", ".join(inner[:_MOST_NAMED]) + (
            f" and {len(inner) - _MOST_NAMED} more" if len(inner) > _MOST_NAMED else "")
        place = source if str(directory) == source else "the unpacked folder"
        return BadBundle(f"{text}, but these of its folders have one: {shown}",
                         hint=f"Give one of them, such as {inner[0]} in {place}.")
    if "rhdd3" in names:
        return BadBundle(f"{text}; it is a driver disk", hint=f"Its RPMs are in rpms/. {_MAKE}")
    if "repodata" in names:
        return BadBundle(f"{text}; it is a repository of RPMs",
                         hint=f"Put it into a new folder as repo/. {LAYOUT}")
    if any(name.endswith(".rpm") for name in names):
        return BadBundle(f"{text}; it contains RPM packages", hint=_MAKE)
    if os.path.lexists(directory / "etc/os-release"):
        return BadBundle(f"{text}; it is the root of a system",
                         hint=f"To change the plugins of that system, add --installroot={source}")
    return BadBundle(text, hint=LAYOUT)


def _names(directory: Path) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry, _ in zip(entries, range(_MOST_ENTRIES)):
            yield entry.name
