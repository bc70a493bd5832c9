"""The properties in which an entry of a root differs from a recorded state of it."""
from __future__ import annotations

import base64
import os
from functools import cached_property
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

from ..system import account_files
from ..system.differences import MISSING, UNEXPECTED, PropertyDifference
from ..system.entries import LABEL, Entry
from ..system.file_capabilities import CAPABILITY, text_of
from ..system.paths import resolve_inside


def of_entries(root: Path, path: str, was: Optional[Entry],
               now: Optional[Entry]) -> Tuple[PropertyDifference, ...]:
    """Return the differences between two states of ``path``, relative to the root; None is absent.

    ``now`` is the present state, so that the target of a link can be read. The result is empty for
    states that only differ in their SELinux labels.
    """
    if was is None or now is None:
        return (MISSING,) if now is None and was is not None else (
            (UNEXPECTED,) if now is not None else ())
    names = OwnerNames(root)
    old, new = _properties(names, was), _properties(names, now)
    if now.kind == "link":
        new["link"] = os.readlink(resolve_inside(root, path, follow_last=False))
    return tuple(PropertyDifference(what, old[what], new[what]) for what in old
                 if what in new and old[what] != new[what])


def _properties(names: OwnerNames, entry: Entry) -> Dict[str, str]:
    """Return the properties of an entry as text."""
    properties = {"kind": entry.kind, **names.of(entry.uid, entry.gid)}
    attributes = {name: value for name, value in entry.xattrs if name not in (LABEL, CAPABILITY)}
    properties["attributes"] = ", ".join(
        f"{name}={base64.b64encode(value).decode()}" for name, value in attributes.items())
    if entry.kind == "link":
        properties["link"] = os.fsdecode(entry.content or b"")
    else:
        properties["mode"] = f"{entry.mode:04o}"
    if entry.kind == "file":
        properties["digest"] = f"sha256:{entry.digest}"
        properties["capabilities"] = text_of(dict(entry.xattrs).get(CAPABILITY, b""))
    return properties


class OwnerNames:
    """The names of users and groups of a root, which are read when they are needed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, uid: int, gid: int) -> Dict[str, str]:
        """Return the names of ``owner`` and ``group``, or their numbers without a name."""
        return {"owner": self._users.get(uid, str(uid)), "group": self._groups.get(gid, str(gid))}

    @cached_property
    def _users(self) -> Mapping[int, str]:
        # the first entry of a number counts
        return {user.uid: user.name for user in reversed(account_files.users(self._root))}

    @cached_property
    def _groups(self) -> Mapping[int, str]:
        return {group.gid: group.name for group in reversed(account_files.groups(self._root))}
