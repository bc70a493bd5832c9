"""What the hooks check at the start of every DNF run.

Every DNF run imports this, so it imports only what DNF has imported already, not even typing.
"""
from __future__ import annotations

import os
import re
import stat

import dnf.rpm
import rpm

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing's own constant would cost the import of typing
    from typing import Iterable

    from .dnf_types import DnfBase, DnfRepo

# The same as in library, registry, descriptor, bundle_files, limits and target, whose import
# takes long; a test compares them.
METADATA_TYPE = "node-plugin"
FILES_METADATA_TYPE = "node-plugin-files"
LIBRARY = ("/etc/ovirt-node-plugin/plugins.d", "/usr/share/ovirt-node-plugin/plugins.d")
REGISTRIES = ("etc/ovirt.plugins.d", "usr/lib/ovirt.plugins.d")
IMAGE_UPDATE = "ovirt-node-ng-image-update"
RPMDB_FOLDERS = ("usr/lib/sysimage/rpm", "usr/share/rpm", "var/lib/rpm")
RPMDB_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")
RECORD_BYTES, RECORDS, RECORDS_BYTES = 4 << 20, 1000, 16 << 20
REPOMD_BYTES = 1 << 20
REPO_FILE_BYTES = 4 << 20
TEXT_BYTES = 1 << 20

_MARK = f'type="{METADATA_TYPE}"'.encode()


def has_entries(folders: Iterable[str]) -> bool:
    """Return whether one of ``folders`` exists and has an entry that is not hidden."""
    for folder in folders:
        try:
            if any(not name.startswith(".") for name in os.listdir(folder)):
                return True
        except OSError:
            continue
    return False


def records_name(root: str, repo_ids: Iterable[str]) -> bool:
    """Return whether a record of a plugin in ``root`` may name one of ``repo_ids``.

    Only the text is searched: a record has an element for each of its repositories. The
    result is True as well where a link leads to the records, or a text has character
    references, as both can hide a repository.
    """
    folders = [os.path.join(os.path.realpath(root), registry) for registry in REGISTRIES]
    if any(os.path.realpath(folder) != folder for folder in folders):
        return True
    ids = "|".join(map(re.escape, repo_ids))
    element = re.compile(rf"<repo\b[^<>]*[\"'](?:{ids})[\"']".encode())
    return any(_names_element(folder, element) for folder in folders)


def _names_element(folder: str, element: re.Pattern[bytes]) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    remaining_bytes = RECORDS_BYTES
    for name in names[:RECORDS + 1]:
        text = _content(os.path.join(folder, name), RECORD_BYTES)
        remaining_bytes -= len(text)
        if (len(text) > RECORD_BYTES or remaining_bytes < 0 or b"&#" in text
                or element.search(text)):
            return True
    return len(names) > RECORDS


def refuse_repo_files(folders: Iterable[str]) -> None:
    """Raise Refused for a ``.repo`` file that is a fifo or device, or larger than the limit.

    DNF reads all of a file, and waits for the writer of a fifo.
    """
    for folder in folders:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.endswith(".repo") or not os.path.exists(path):
                continue
            info = os.stat(path)
            if not stat.S_ISREG(info.st_mode) or info.st_size > REPO_FILE_BYTES:
                from ..errors import Refused

                raise Refused(
                    f"{path} is not a regular file of at most {REPO_FILE_BYTES} bytes; dnf would"
                    " read it", hint="Find out what made it, and remove it.")


def carries_descriptor(repo: DnfRepo) -> bool:
    """Return whether the metadata of ``repo`` has a plugin's descriptor.

    It is searched in DNF's cache and in a local repository itself, never on the network.
    """
    places = [repo._repo.getCachedir()]
    places += [url[len("file://"):] for url in repo.baseurl if url.startswith("file://")]
    for place in places:
        text = _content(os.path.join(place, "repodata/repomd.xml"), REPOMD_BYTES)
        if len(text) > REPOMD_BYTES or _MARK in text:
            return True
    return False


def _content(path: str, max_bytes: int) -> bytes:
    """Return at most ``max_bytes`` + 1 bytes of a regular file; none if it cannot be read.

    ``system.regular_files`` would be another import. Nobody changes the file meanwhile who
    could not also change what DNF reads.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as stream:
            return stream.read(max_bytes + 1)
    except OSError:
        return b""


def point_rpm_at(root: str) -> bool:
    """Make rpm, and so DNF, use the database in ``root``; return whether it was done.

    rpm's default differs between the machine that runs and the root. False, with
    nothing done, where it takes more than a look: a folder is a link, which rpm would
    follow out of the root, or there are several databases, or the root configures rpm.
    """
    top = os.path.realpath(root)
    names = list(RPMDB_FOLDERS)
    if top == "/":  # rpm of this machine knows best
        names.append(rpm.expandMacro("%{?_dbpath}").lstrip("/"))
    elif _configures_rpm(top):
        return False
    databases = []
    for name in names:
        folder = os.path.join(top, name)
        if os.path.realpath(folder) != folder:
            return False
        if name not in databases and any(
                os.path.isfile(os.path.join(folder, file)) for file in RPMDB_FILES):
            databases.append(name)
    if len(databases) > 1:
        return False
    for name in databases:  # without one, DNF makes one at its default
        use_database(name)
    return True


def _configures_rpm(root: str) -> bool:
    """Return whether a file of macros in ``root``, or a link to one, may name a database."""
    folder = os.path.join(root, "etc/rpm")
    if os.path.realpath(folder) != folder:
        return True
    paths = [os.path.join(folder, name) for name in os.listdir(folder)
             if name.startswith("macros")] if os.path.isdir(folder) else []
    return any(os.path.islink(path) or b"%_dbpath" in _content(path, TEXT_BYTES)
               for path in paths)


def use_database(name: str) -> None:
    """Set rpm's database folder; ``name`` is relative to the root that rpm works on."""
    if rpm.expandMacro("%{?_dbpath}") != f"/{name}":
        rpm.addMacro("_dbpath", f"/{name}")


def find_releasever(base: DnfBase) -> None:
    """Set ``$releasever`` if DNF, which used rpm's default path, found none."""
    if base.conf.releasever is None:
        releasever = dnf.rpm.detect_releasever(base.conf.installroot)
        if releasever is not None:
            base.conf.releasever = releasever
