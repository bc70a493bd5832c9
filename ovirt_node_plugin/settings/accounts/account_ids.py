"""The ids of users and groups: check who has them, and keep them over new images."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Sequence, Union

from ...errors import Refused
from ...system import account_files
from ...system.differences import PropertyDifference
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Outcome
from ..kit.model import Context, SettingProblem, Wanted

ID_NAMES: Mapping[str, str] = {"user": "uid", "group": "gid"}
"""The name of the number of each kind of account that has one."""


def asked_of(setting: Union[Wanted, Applied]) -> Dict[str, str]:
    """Return what a setting of an account asks for, by name, from the text of its value."""
    return {name: text for name, _, text in (
        word.partition("=") for word in setting.value.split())}


def id_in(values: Outcome, name: str) -> Optional[int]:
    """Return the id ``name`` among ``values``, None if there is none."""
    value = values.get(name) or ""
    return int(value) if value.isdigit() else None


def ids_clash(wanted: Wanted, other: Applied, id_name: str) -> bool:
    """Return whether one name would have two ids, or one id two names."""
    wanted_id = id_in(asked_of(wanted), id_name)
    other_id = id_in(asked_of(other), id_name)
    if other_id is None:
        other_id = id_in(other.outcome, id_name)
    if wanted_id is None or other_id is None:
        return False
    return (wanted_id != other_id) if wanted.key == other.key else wanted_id == other_id


def refuse_id(wanted: Wanted, id_name: str, number: int, present: Optional[int], ctx: Context,
              holders: Sequence[str]) -> None:
    """Raise Refused if the account has another id, ``present``, or another holder has the id."""
    if present is not None and present != number:
        raise wrong_id(wanted, id_name, present, ctx)
    others = [name for name in holders if name != wanted.key]
    if others:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but in the root {id_name}"
                      f" {number} is {others[0]}'s",
                      hint="Its vendor has to take another id, or let the system choose one.")


def wrong_id(wanted: Wanted, id_name: str, number: Optional[int], ctx: Context) -> Refused:
    """Return the refusal of an account that has another id, or was not made."""
    reason = f"it has {id_name} {number}" if number is not None else "systemd-sysusers made none"
    return Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {reason}",
                   hint="Look at the root's /etc/passwd and /etc/group.")


def id_problems(applied: Applied, id_name: str, number: int) -> Sequence[SettingProblem]:
    """Return a problem if an account has another id than when it was applied."""
    known = id_in(applied.outcome, id_name)
    if known in (None, number):
        return ()
    return (SettingProblem(
        f"{applied.kind} {applied.key} has {id_name} {number}; it had {known} when the plugin was"
        " installed", differences=(PropertyDifference(id_name, str(known), str(number)),)),)


def numbers_in(root: Path, kind: str) -> Dict[str, int]:
    """Return the number of each user or group of ``root``, by name."""
    if kind == "user":
        return {user.name: user.uid for user in account_files.users(root)}
    return {group.name: group.gid for group in account_files.groups(root)}


def number_note(applied: Applied, ctx: Context) -> str:
    """Return a line if an account cannot have the number in ``applied``, else an empty text.

    The account exists with another number, or another one has that number.
    """
    id_name = ID_NAMES[applied.kind]
    known = id_in(applied.outcome, id_name)
    present = numbers_in(ctx.root, applied.kind).get(applied.key)
    holder = "" if known is None else _holder(applied, known, ctx.root)
    if known is None or present == known or present is None and not holder:
        return ""
    subject, files = f"{applied.kind} {applied.key}", _give_again(applied, known, ctx)
    if present is not None:
        return f"{subject} has {id_name} {present} in this image, it had {known}: {files}"
    return (f"{subject} had {id_name} {known}, which is {holder}'s in this image: it gets another"
            f" one, and {files}")


def _holder(applied: Applied, number: int, root: Path) -> str:
    """Return who has the number of an account that is to be created, empty if nobody.

    systemd-sysusers gives a user no number that a group of another name has, unless that is
    the user's group.
    """
    holders = [name for name, other in numbers_in(root, applied.kind).items() if other == number]
    if "gid" in applied.outcome and applied.kind == "user" and (
            id_in(applied.outcome, "gid") != number):
        holders += [f"group {name}" for name, other in numbers_in(root, "group").items()
                    if other == number and name != applied.key]
    return holders[0] if holders else ""


def remembered(wanted: Wanted, applied: Applied, ctx: Context) -> Wanted:
    """Return ``wanted`` with a wish for the id that the name had, and a note if it is taken."""
    id_name = ID_NAMES[wanted.kind]
    known, note = id_in(applied.outcome, id_name), number_note(applied, ctx)
    if known is None:
        return wanted
    return dataclasses.replace(wanted, wish={id_name: str(known)},
                               notes=(*wanted.notes, note) if note else wanted.notes)


def _give_again(applied: Applied, number: int, ctx: Context) -> str:
    """Return how the files of an account with another number are given to it again.

    Only paths that the plugin keeps over new images can have such files, as packages are
    unpacked with the new number.
    """
    is_user = applied.kind == "user"
    test, program = ("-uid", "chown") if is_user else ("-gid", "chgrp")
    where = " ".join(map(shlex.quote, ctx.persistent)) or "FOLDER"
    count = sum(number == (info.st_uid if is_user else info.st_gid)
                for path in ctx.persistent for info in _entries(resolve_inside(ctx.root, path)))
    return (f"files that it owned{f' ({count} in this root)' if count else ''} have to be given"
            f" to it again: find {where} -xdev {test} {number} -exec {program} -h {applied.key}"
            " {} +")


def _entries(path: Path) -> Iterator[os.stat_result]:
    """Yield the state of ``path`` and of everything below it on the same filesystem."""
    with contextlib.suppress(OSError):
        top = os.lstat(path)
        yield top
        for folder, names, files in os.walk(path):
            states = {name: os.lstat(os.path.join(folder, name)) for name in (*names, *files)}
            names[:] = [name for name in names if states[name].st_dev == top.st_dev]
            yield from states.values()
