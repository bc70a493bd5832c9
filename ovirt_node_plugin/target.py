"""Identify a root: node or host, its version, whether it runs, its rpm database."""
from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from .errors import BadRoot, OutsideRoot
from .system.limits import OS_RELEASE_BYTES
from .system.path_sets import IMAGE_VERSION, RPM_DATABASES
from .system.paths import read_inside, resolve_inside
from .system.rpm_database import find_rpmdb

NODE = "node"
HOST = "host"

# The folders of bootc and ostree in an image, and what ostree makes at the boot of a deployment
# (ostree's src/switchroot/ostree-prepare-root.c, OTCORE_RUN_OSTREE_PRIVATE beside it).
_IMAGE_MODE = ("usr/lib/bootc", "usr/lib/ostree")
_OSTREE_BOOTED = "run/ostree-booted"

# A version of Node, such as 4.5.5 or 4.5.6_master, and the text that ovirt-release puts it in.
# Another text may end in the version of the distribution: CentOS Stream 9.
_VERSION = re.compile(r"[0-9][0-9A-Za-z._~^+]{0,63}")
_NAMED = re.compile(rf"\s*oVirt Node\s+({_VERSION.pattern})\s*")


@dataclass(frozen=True)
class Target:
    """A root: its path, kind, version and rpm database.

    ``kind`` is NODE or HOST; ``name`` is the text to show, such as ``oVirt Node 4.5.5``;
    ``version`` is the version of Node, such as ``4.5.5`` or ``4.5.6_master``, empty if
    unknown, or the VERSION_ID of a host; ``rpmdb`` is the folder of the root's own rpm
    database, relative to the root, with links resolved.
    """

    root: Path
    kind: str
    name: str
    version: str
    rpmdb: str

    @property
    def live(self) -> bool:
        """Whether the root is ``/`` by any path: the programs that run are its own.

        This is also true in a chroot and in a container.
        """
        return is_running_system(self.root)

    @property
    def booted(self) -> bool:
        """Whether the root is a system that systemd has booted; see ``is_booted``."""
        return is_booted(self.root)

    @property
    def image_mode(self) -> bool:
        """Whether the root is that of an image for bootc or rpm-ostree."""
        return is_image_mode(self.root)

    @property
    def deployed(self) -> bool:
        """Whether the root is ``/`` of a system in image mode, which is changed by new images.

        This is also true while ``bootc usr-overlay`` makes /usr writable until the next boot.
        A build may have the file of ostree (coreos/rpm-ostree pull request 3325), but no systemd.
        """
        return self.live and self.image_mode and (
            self.booted or is_read_only(self.root / "usr"))

    @property
    def is_image(self) -> bool:
        """Whether new images replace the root as a whole: a Node, or a host in image mode."""
        return self.is_node or self.image_mode

    @property
    def is_node(self) -> bool:
        """Whether the root is an oVirt Node image."""
        return self.kind == NODE


def is_running_system(root: Path) -> bool:
    """Return whether ``root`` is ``/``, also as ``//``, by a bind mount or through /proc."""
    try:
        return os.path.samestat(os.stat(root), os.stat("/"))
    except OSError:
        return False


def is_booted(root: Path) -> bool:
    """Return whether ``root`` is a system that systemd has booted, by the check of sd_booted(3).

    It is false in a container build and in a chroot without the machine's /run: there, no
    service runs, and what is written is for the next boot.
    """
    return is_running_system(root) and (root / "run/systemd/system").is_dir()


def is_image_mode(root: Path) -> bool:
    """Return whether ``root`` is that of an image for bootc or rpm-ostree.

    A booted host may have the packages of bootc or ostree and be no such image: it is one
    if ostree has booted it or its /usr is read-only.
    """
    if not any(_is_folder(root, name) for name in _IMAGE_MODE):
        return False
    return not is_booted(root) or _is_ostree_booted(root) or is_read_only(root / "usr")


def is_read_only(folder: Path) -> bool:
    """Return whether ``folder`` is on a filesystem that is mounted read-only."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _is_ostree_booted(root: Path) -> bool:
    return os.path.lexists(root / _OSTREE_BOOTED)


def _is_folder(root: Path, name: str) -> bool:
    try:
        return resolve_inside(root, name).is_dir()
    except OutsideRoot:
        return False


def processes_in(root: Path) -> List[str]:
    """Return the processes that run in a chroot in ``root``, as ``PID (NAME)``."""
    processes = []
    top = os.stat(root)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if (os.path.samestat(os.stat(folder / "root"), top)
                        and "Z" not in (folder / "stat").read_text().rpartition(")")[2].split()[0]):
                    name = (folder / "comm").read_text(errors="replace").strip()
                    processes.append(f"{folder.name} ({name})")
    return processes


def read_target(root: Path, *, named_rpmdb: str = "") -> Target:
    """Identify ``root``, an absolute path.

    ``named_rpmdb`` is the folder of the database according to rpm, if that is known; as in
    ``find_rpmdb``.

    Raises BadRoot if the folder is missing, is empty, or has no rpm database or several.
    """
    if not root.is_dir():
        raise BadRoot(f"the installroot {root} is not there",
                      hint="Give the folder in which the image is unpacked.")
    if not any(root.iterdir()):
        raise BadRoot(f"the installroot {root} is empty",
                      hint="Unpack or mount the image there first.")
    rpmdb = find_rpmdb(root, named=named_rpmdb)
    if rpmdb is None:
        raise BadRoot(
            f"the installroot {root} has no rpm database",
            hint="Looked in " + ", ".join(f"/{name}" for name in RPM_DATABASES)
            + " inside it. Give the folder that holds the image's usr, etc and var.")
    return identify(root, rpmdb=rpmdb)


def identify(root: Path, *, rpmdb: str = "") -> Target:
    """Identify ``root`` by its os-release; without one it is a host.

    The os-release of ovirt-release-host-node has ``VARIANT_ID="ovirt-node"``,
    ``VARIANT="oVirt Node 4.5.6_master"`` and ``PRETTY_NAME="oVirt Node 4.5.6"``. Its
    VERSION_ID is the version of the distribution, not of Node.
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
    """Return the version in a Node's os-release, else in its image name, else an empty text."""
    for name in ("VARIANT", "PRETTY_NAME"):
        match = _NAMED.fullmatch(release.get(name, ""))
        if match:
            return match.group(1)
    try:
        nvr = read_inside(root, IMAGE_VERSION).decode(errors="replace").strip()
    except (OSError, OutsideRoot):
        return ""
    version = (nvr.rsplit("-", 2) + [""])[1]
    return version if _VERSION.fullmatch(version) else ""


def read_os_release(root: Path) -> Dict[str, str]:
    """Return the variables of the root's os-release(5), links resolved inside it."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        try:
            text = read_inside(root, name, max_bytes=OS_RELEASE_BYTES).decode(errors="replace")
        except (OSError, OutsideRoot):  # a loop of links cannot be opened
            continue
        return dict(_variables(text))
    return {}


def el_major(root: Path) -> Optional[int]:
    """Return the major version of EL in the root, such as 9, or None if it is not EL.

    Read from PLATFORM_ID in os-release (``platform:el9``), else from VERSION_ID if ID or
    ID_LIKE names RHEL or CentOS. A Node has the VERSION_ID of its distribution, such as
    ``9.1.2206.0``.
    """
    release = read_os_release(root)
    match = re.fullmatch(r"platform:el(\d+)", release.get("PLATFORM_ID", ""))
    if match is None and {"rhel", "centos"}.intersection(
            [release.get("ID", ""), *release.get("ID_LIKE", "").split()]):
        match = re.match(r"(\d+)(?:\.|$)", release.get("VERSION_ID", ""))
    return int(match.group(1)) if match else None


def _variables(text: str) -> Dict[str, str]:
    variables: Dict[str, str] = {}
    for line in text.split("\n"):
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            variables[name] = "".join(shlex.split(value))
        except ValueError:
            variables[name] = value.strip("\"'")
    return variables
