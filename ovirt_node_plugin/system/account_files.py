"""Read and edit the account files of a root: passwd(5), group(5), shadow(5), gshadow(5)."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Collection, List, Mapping, Optional, Sequence, Tuple

from .entries import read_entry
from .limits import ACCOUNTS_BYTES

Line = List[str]

# The folders of the account files: that of the system, and that of nss-altfiles, README.md.
_ETC, _BASE = "etc", "usr/lib"
_SYSTEM_NUMBERS = range(999, 200, -1)  # login.defs(5) of EL: SYS_UID_MAX, SYS_UID_MIN
_LOCKED = ("!", "*")  # shadow(5): no password matches a field that begins with one of these
_FIELDS: Mapping[str, int] = {"passwd": 7, "group": 4, "shadow": 9, "gshadow": 4}


@dataclass(frozen=True)
class UserEntry:
    """A line of passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True)
class GroupEntry:
    """A line of group(5)."""

    name: str
    gid: int
    members: Tuple[str, ...]


def users(root: Path) -> Tuple[UserEntry, ...]:
    """Return the users of ``root``; invalid lines are ignored."""
    return tuple(UserEntry(name=line[0], uid=int(line[2]), gid=int(line[3]), home=line[5],
                           shell=line[6])
                 for line in _lines(root, "passwd") if line[2].isdigit() and line[3].isdigit())


def groups(root: Path) -> Tuple[GroupEntry, ...]:
    """Return the groups of ``root``; invalid lines are ignored."""
    return tuple(GroupEntry(line[0], int(line[2]), _members(line[3]))
                 for line in _lines(root, "group") if line[2].isdigit())


def find_user(root: Path, name: str) -> Optional[UserEntry]:
    """Return one user of ``root``, None if there is none of that name."""
    return next((user for user in users(root) if user.name == name), None)


def find_group(root: Path, name: str) -> Optional[GroupEntry]:
    """Return one group of ``root``, None if there is none of that name."""
    return next((group for group in groups(root) if group.name == name), None)


def base_names(root: Path, file: str, number: Optional[int] = None) -> Tuple[str, ...]:
    """Return the names in /usr/lib/passwd or /usr/lib/group, which nss-altfiles reads.

    ``file`` is ``passwd`` or ``group``; with ``number``, only names of that uid or gid.
    """
    return tuple(line[0] for line in _lines(root, file, _BASE)
                 if number is None or line[2] == str(number))


def free_number(root: Path, preferred: Optional[int] = None, *,
                taken: Collection[str] = ()) -> str:
    """Return a number for a new system account if the base image has accounts, else ``-``.

    systemd-sysusers(8) with ``--root`` does not read the accounts of the base image, so it
    would choose numbers that these have. ``preferred`` is taken if no user has it;
    ``taken`` are more numbers that are not free.
    """
    if not base_names(root, "passwd") and not base_names(root, "group"):
        return "-"
    uids, gids = ({int(line[2]) for folder in (_ETC, _BASE) for line in _lines(root, file, folder)
                   if line[2].isdigit()} for file in ("passwd", "group"))
    if preferred is not None and preferred not in uids:
        return str(preferred)
    return next((str(number) for number in _SYSTEM_NUMBERS
                 if number not in uids | gids and str(number) not in taken), "-")


def without_user(content: bytes, file: str, entry: UserEntry) -> Optional[bytes]:
    """Return the text of passwd or shadow without a user, None if its line was changed.

    Setting a password is a change.
    """
    def untouched(line: Line) -> bool:
        if file == "shadow":
            return line[1].startswith(_LOCKED)
        return line[2:4] == [str(entry.uid), str(entry.gid)] and line[5:] == [entry.home,
                                                                           entry.shell]

    return _edited(content, file, entry.name, lambda line: [] if untouched(line) else None)


def without_group(content: bytes, file: str, entry: GroupEntry) -> Optional[bytes]:
    """Return the text of group or gshadow without a group, None if its gid or members differ."""
    def untouched(line: Line) -> bool:
        unchanged = line[1].startswith(_LOCKED) if file == "gshadow" else line[2] == str(entry.gid)
        return unchanged and not line[3]

    return _edited(content, file, entry.name, lambda line: [] if untouched(line) else None)


def without_member(content: bytes, file: str, group: str, user: str) -> Optional[bytes]:
    """Return the text of group or gshadow without ``user`` as a member of ``group``."""
    return _edited(content, file, group, lambda line: [
        *line[:3], ",".join(name for name in _members(line[3]) if name != user)])


def _edited(content: bytes, file: str, name: str,
            change: Callable[[Line], Optional[Line]]) -> Optional[bytes]:
    """Return ``content`` with each line of ``name`` replaced by the result of ``change``.

    An empty result removes the line. Returns None if ``change`` returns None.
    """
    lines: List[str] = []
    for text in content.decode(errors="surrogateescape").split("\n"):
        line = text.split(":")
        if line[0] != name or len(line) != _FIELDS[file]:
            lines.append(text)
            continue
        new = change(line)
        if new is None:
            return None
        if new:
            lines.append(":".join(new))
    return "\n".join(lines).encode(errors="surrogateescape")


def _members(text: str) -> Tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _lines(root: Path, file: str, folder: str = _ETC) -> Sequence[Line]:
    entry = read_entry(root, f"{folder}/{file}", max_bytes=ACCOUNTS_BYTES)
    if entry is None or entry.content is None or entry.kind != "file":
        return ()
    lines = (line.split(":") for line in os.fsdecode(entry.content).split("\n"))
    return tuple(line for line in lines if len(line) == _FIELDS[file])
