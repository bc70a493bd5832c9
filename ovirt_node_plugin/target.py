"""What a root is: a node or a host, of which version, live or not, and its database."""
from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional

from .errors import BadRoot, OutsideRoot
from .system.paths import read_inside, resolve_inside

NODE = "node"
HOST = "host"

# Where a system keeps its rpm database, newest convention first; Node has
# usr/share/rpm behind a link in var/lib (imgbased's own layout).
_RPMDB_FOLDERS = ("usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm")
# The name, version and release of the image, which imgbased keeps (its utils.BuildMetadata).
_NVR = "usr/share/imgbase/build/meta/nvr"
# A version of Node, such as 4.5.5 or 4.5.6_master, and the text that ovirt-release puts it in.
# Any other text may end in the version of the distribution: CentOS Stream 9.
_VERSION = re.compile(r"[0-9][0-9A-Za-z._~^+]{0,63}")
_NAMED = re.compile(rf"\s*oVirt Node\s+({_VERSION.pattern})\s*")
# The files by which rpm 4.14 to 4.20 know a database: sqlite, ndb, bdb.
_RPMDB_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")


@dataclass(frozen=True)
class Target:
    """A root and what it is.

    ``kind`` is NODE or HOST; ``name`` is for people, such as ``oVirt Node 4.5.5``;
    ``version`` that of Node, as ``4.5.5`` or ``4.5.6_master``, empty if it is unknown,
    or the VERSION_ID of a host; ``rpmdb`` the folder of the root's own rpm database,
    relative to the root, links resolved.
    """

    root: Path
    kind: str
    name: str
    version: str
    rpmdb: str

    @property
    def live(self) -> bool:
        """Say if the root is the running system, under whatever name."""
        return is_running_system(self.root)

    @property
    def is_node(self) -> bool:
        """Say if the root is an oVirt Node image."""
        return self.kind == NODE


def is_running_system(root: Path) -> bool:
    """Say if ``root`` is ``/``, also as ``//``, by a bind mount or through /proc."""
    try:
        return os.path.samestat(os.stat(root), os.stat("/"))
    except OSError:
        return False


def read_target(root: Path) -> Target:
    """Return what ``root``, an absolute path, is.

    Raises BadRoot if it is not there, is empty, or is no RPM based system.
    """
    if not root.is_dir():
        raise BadRoot(f"the installroot {root} is not there",
                      hint="Give the folder in which the image is unpacked.")
    if not any(root.iterdir()):
        raise BadRoot(f"the installroot {root} is empty",
                      hint="Unpack or mount the image there first.")
    rpmdb = find_rpmdb(root)
    if rpmdb is None:
        raise BadRoot(
            f"the installroot {root} has no rpm database",
            hint="Looked in " + ", ".join(f"/{name}" for name in _RPMDB_FOLDERS)
            + " inside it. Give the folder that holds the image's usr, etc and var.")
    return identify(root, rpmdb=rpmdb)


def identify(root: Path, *, rpmdb: str = "") -> Target:
    """Return what the os-release of ``root`` says it is; a host if it says nothing.

    The os-release of ovirt-release-host-node has ``VARIANT_ID="ovirt-node"``,
    ``VARIANT="oVirt Node 4.5.6_master"`` and ``PRETTY_NAME="oVirt Node 4.5.6"``. Its
    VERSION_ID is that of the distribution, never that of Node.
    """
    release = read_os_release(root)
    pretty = release.get("PRETTY_NAME") or release.get("NAME") or "this system"
    if release.get("VARIANT_ID") != "ovirt-node":
        return Target(root=root, kind=HOST, name=pretty, version=release.get("VERSION_ID", ""),
                      rpmdb=rpmdb)
    version = _node_version(root, release)
    return Target(root=root, kind=NODE, name=f"oVirt Node {version or 'of unknown version'}",
                  version=version, rpmdb=rpmdb)


def _node_version(root: Path, release: Mapping[str, str]) -> str:
    """Return the version of a Node by its os-release, else by the image's name, else empty."""
    for name in ("VARIANT", "PRETTY_NAME"):
        found = _NAMED.fullmatch(release.get(name, ""))
        if found:
            return found.group(1)
    try:
        nvr = read_inside(root, _NVR).decode(errors="replace").strip()
    except (OSError, OutsideRoot):
        return ""
    version = (nvr.rsplit("-", 2) + [""])[1]
    return version if _VERSION.fullmatch(version) else ""


def read_os_release(root: Path) -> Dict[str, str]:
    """Return the variables of the root's os-release(5), links resolved inside it."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = read_inside(root, name).decode(errors="replace")
        except (OSError, OutsideRoot):  # the kernel, too, does not open a link to itself
            continue
        return dict(_variables(text))
    return {}


def el_major(root: Path) -> Optional[int]:
    """Return which major version of EL, such as 9, the root is made of; None if it is no EL.

    By PLATFORM_ID, ``platform:el9`` in os-release, else by VERSION_ID of a system that
    calls itself like RHEL. A Node has the VERSION_ID of its distribution, ``9.1.2206.0``.
    """
    release = read_os_release(root)
    found = re.fullmatch(r"platform:el(\d+)", release.get("PLATFORM_ID", ""))
    if found is None and {"rhel", "centos"}.intersection(
            [release.get("ID", ""), *release.get("ID_LIKE", "").split()]):
        found = re.match(r"(\d+)(?:\.|$)", release.get("VERSION_ID", ""))
    return int(found.group(1)) if found else None


def find_rpmdb(root: Path) -> Optional[str]:
    """Return the folder of the root's own rpm database, relative to it, or None."""
    for name in _RPMDB_FOLDERS:
        folder = resolve_inside(root, name)
        if any((folder / file).is_file() for file in _RPMDB_FILES):
            return folder.relative_to(root).as_posix()
    return None


def _variables(text: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            found[name] = "".join(shlex.split(value))
        except ValueError:
            found[name] = value.strip("\"'")
    return found
