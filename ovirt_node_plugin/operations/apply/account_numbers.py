"""Give the accounts that scriptlets made the numbers that they had before.

A scriptlet takes a number that is free. In a new image that may be another one than in the old
image, whose data the plugin keeps.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Callable, Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ...registry.inventory import Inventory
from ...settings.accounts.account_ids import ID_NAMES, id_in, number_note, numbers_in
from ...system import beneath
from ...system.entries import read_entry, write_entry
from ...undo.changes import Applied
from ..model.earlier_accounts import as_settings
from ..model.jobs import Job, Key

_CAPABILITY = "security.capability"

Moves = Mapping[str, Mapping[int, int]]
"""The new number of each number, by the kind of account."""


def keep_numbers(jobs: Sequence[Job], old: Mapping[str, Inventory], before: Collection[Key],
                 paths: Callable[[], Iterable[str]]) -> Tuple[str, ...]:
    """Give accounts that a transaction made their earlier numbers; return lines about others.

    ``old`` are the inventories of the plugins before, ``before`` kind and name of the accounts
    that were there, and ``paths`` returns the paths, relative to the root, whose owners change.
    """
    root = jobs[0].context.root
    earlier = {job.name: [account for account in _earlier(job, old[job.name])
                          if account.identity not in before] for job in jobs}
    wishes = {applied.identity: applied.outcome for accounts in earlier.values()
              for applied in accounts}
    moves = {kind: _moves(numbers_in(root, kind), {
        name: id_in(outcome, id_name) for (other, name), outcome in wishes.items()
        if other == kind}) for kind, id_name in ID_NAMES.items()}
    if any(moves.values()):
        _renumber(moves, paths(), root)
    lines = [number_note(applied, job.context) for job in jobs for applied in earlier[job.name]
             if applied.key in numbers_in(root, applied.kind)]
    return tuple(filter(None, lines))


def _earlier(job: Job, old: Inventory) -> List[Applied]:
    """Return the accounts of a plugin that scriptlets made, here before or in another root."""
    own = {item.identity for item in job.upgrade.order}
    return [applied for applied in (*job.context.earlier, *as_settings(old))
            if applied.identity not in own]


def _moves(present: Mapping[str, int], wishes: Mapping[str, Optional[int]]) -> Dict[int, int]:
    """Return the numbers to change: those of accounts in ``wishes`` whose number is free."""
    moving = {name: number for name, number in wishes.items()
              if number is not None and present.get(name, number) != number}
    while True:
        staying = {number for name, number in present.items() if name not in moving}
        wanted = list(moving.values())
        stuck = {name for name, number in moving.items()
                 if number in staying or wanted.count(number) > 1}
        if not stuck:
            return {present[name]: number for name, number in moving.items()}
        moving = {name: number for name, number in moving.items() if name not in stuck}


def _renumber(moves: Moves, paths: Iterable[str], root: Path) -> None:
    """Change numbers in passwd(5) and group(5), and the owners of ``paths``."""
    _edit(root, "etc/passwd", {2: moves["user"], 3: moves["group"]})
    _edit(root, "etc/group", {2: moves["group"]})
    for path in sorted(set(paths)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), \
                beneath.parent_opened(root, path) as entry:
            _give(entry, moves)


def _edit(root: Path, path: str, fields: Mapping[int, Mapping[int, int]]) -> None:
    """Change numbers in the ``fields`` of each line of a file."""
    entry = read_entry(root, path)
    if entry is None or entry.kind != "file" or entry.content is None:
        return
    lines = [line.split(b":") for line in entry.content.split(b"\n")]
    for line in lines:
        for field, numbers in fields.items():
            if len(line) > field and line[field].isdigit():
                number = int(line[field])
                line[field] = str(numbers.get(number, number)).encode()
    text = b"\n".join(b":".join(line) for line in lines)
    write_entry(root, path, replace(entry, content=text, digest=hashlib.sha256(text).hexdigest()))


def _give(entry: Path, moves: Moves) -> None:
    """Change the owner of one entry; its mode and capabilities stay, which chown(2) clears.

    The entry is opened: in a running system, its owner may put a link in its place meanwhile.
    """
    handle = os.open(entry, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        info, place = os.fstat(handle), beneath.path_of(handle)
        owner = (moves["user"].get(info.st_uid, info.st_uid),
                 moves["group"].get(info.st_gid, info.st_gid))
        if owner == (info.st_uid, info.st_gid):
            return
        is_link = stat.S_ISLNK(info.st_mode)
        capabilities = b""
        with contextlib.suppress(OSError):  # it has none
            capabilities = b"" if is_link else os.getxattr(place, _CAPABILITY)
        os.chown(place, *owner)
        if not is_link:
            os.chmod(place, stat.S_IMODE(info.st_mode))
        if capabilities:
            os.setxattr(place, _CAPABILITY, capabilities)
    finally:
        os.close(handle)
