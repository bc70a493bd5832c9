"""What differs in files of packages from their state in the inventory of a plugin."""
from __future__ import annotations

import hashlib
import os
import stat
import time
from functools import cached_property
from pathlib import Path
from typing import Collection, Dict, Mapping, Optional, Tuple

from ..errors import NodePluginError
from ..registry import store
from ..registry.inventory import File, Inventory
from ..registry.record import Record
from ..system.differences import MISSING, PropertyDifference
from ..system.entries import kind_of
from ..system.file_capabilities import CAPABILITY, text_of
from ..system.limits import DIGEST_BYTES
from ..system.regular_files import opened_regular
from ..system.trees import Relative
from ..undo.entry_differences import OwnerNames

# The properties that the words of rpm_verify are about. An inventory has neither times nor
# numbers of devices.
_OF_WORDS: Mapping[str, Tuple[str, ...]] = {
    "content": ("digest",), "link target": ("link",), "mode": ("kind", "mode")}


class RecordedFiles:
    """The inventory of one plugin, which is read when it is needed, and its files by path."""

    def __init__(self, record: Record, root: Path) -> None:
        self._record = record
        self._root = root
        self._relative = Relative(root)
        self._names = OwnerNames(root)
        self.problem = ""
        self.differences: Tuple[PropertyDifference, ...] = ()

    @cached_property
    def inventory(self) -> Optional[Inventory]:
        """The inventory; None if it is missing, damaged or of another version.

        In the last two cases ``problem`` says so, with ``differences``.
        """
        try:
            inventory = store.read_inventory(self._root, self._record.name)
        except NodePluginError as exc:
            self.problem = exc.message
            return None
        if inventory is None:
            return None
        last, record = inventory.operations[-1], self._record
        if (last.version_to, last.at) == (record.version, record.installed_at):
            return inventory
        self.problem = (f"its inventory /{store.inventory_path(self._root, record.name)} is of"
                        f" version {last.version_to}, installed at {last.at}")
        self.differences = tuple(
            PropertyDifference(what, was, is_) for what, was, is_ in (
                ("version", record.version, last.version_to),
                ("installed_at", record.installed_at, last.at)) if was != is_)
        return None

    @cached_property
    def _files(self) -> Mapping[str, File]:
        packages = self.inventory.packages if self.inventory is not None else ()
        return {file.path: file for package in packages for file in package.files}

    def changed(self, path: str, words: Collection[str]) -> Tuple[PropertyDifference, ...]:
        """Return the differences of the file ``path`` in the properties that ``words`` name.

        ``words`` are of ``rpm_verify``. What was is empty if no inventory tells it. The file is
        read again for its digest only.
        """
        file = self._files.get(path)
        wanted = [what for word in words for what in _OF_WORDS.get(word, (word,))]
        return file_differences(file, self._root / self._relative(path), self._names, wanted)


def file_differences(file: Optional[File], where: Path, names: OwnerNames,
                     wanted: Collection[str]) -> Tuple[PropertyDifference, ...]:
    """Return the differences of what is at the host path ``where`` from ``file``.

    ``wanted`` are the properties to compare; ``file`` is None if nothing tells its state.
    """
    try:
        now = _present(where, names, wanted, digest=file.digest if file is not None else "")
    except (FileNotFoundError, NotADirectoryError):
        return (MISSING,)
    except OSError:
        return ()
    was = _recorded(file) if file is not None else {}
    return tuple(PropertyDifference(what, was.get(what, ""), now[what]) for what in wanted
                 if what in now and was.get(what, "") != now[what])


def _recorded(file: File) -> Dict[str, str]:
    return {"kind": file.kind, "mode": f"{file.mode:04o}", "owner": file.owner,
            "group": file.group, "size": str(file.size_bytes), "digest": file.digest,
            "link": file.link, "capabilities": file.capabilities}


def _present(where: Path, names: OwnerNames, wanted: Collection[str], *,
             digest: str) -> Dict[str, str]:
    """Return the present properties of a file; ``digest`` names the type of its digest."""
    info = os.lstat(where)
    kind = kind_of(info.st_mode)
    found = {"kind": kind, "mode": f"{stat.S_IMODE(info.st_mode):04o}",
             **names.of(info.st_uid, info.st_gid),
             "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(info.st_mtime))}
    if kind == "link":
        found["link"] = os.readlink(where)
    if kind == "file":
        found["size"] = str(info.st_size)
        if "capabilities" in wanted:
            found["capabilities"] = _capabilities(where)
        if "digest" in wanted and info.st_size <= DIGEST_BYTES:
            found["digest"] = _digest(where, digest.partition(":")[0] or "sha256")
    return found


def _capabilities(where: Path) -> str:
    try:
        return text_of(os.getxattr(where, CAPABILITY, follow_symlinks=False))
    except OSError:
        return ""


def _digest(where: Path, kind: str) -> str:
    digest = hashlib.new(kind)
    with opened_regular(where) as stream:
        for data in iter(lambda: stream.read(1 << 20), b""):
            digest.update(data)
    return f"{kind}:{digest.hexdigest()}"
