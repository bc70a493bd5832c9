"""The ids of users and groups: check who has them, and keep them over new images."""
from __future__ import annotations

import dataclasses
from typing import Dict, Optional, Sequence, Tuple, Union

from ...errors import Refused
from ...undo.changes import Applied, Outcome
from ..kit.model import Context, Wanted


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


def id_problems(applied: Applied, id_name: str, number: int) -> Sequence[str]:
    """Return a line if an account has another id than when it was applied."""
    known = id_in(applied.outcome, id_name)
    if known in (None, number):
        return ()
    return (f"{applied.kind} {applied.key} has {id_name} {number}; it had {known} when the plugin"
            " was installed",)


def remembered(wanted: Wanted, applied: Applied, id_name: str, present: Optional[int],
               taken: Sequence[Tuple[str, int]]) -> Wanted:
    """Return ``wanted`` with a wish for the id that the name had, and a note if it is taken."""
    known = id_in(applied.outcome, id_name)
    if known is None:
        return wanted
    subject = f"{wanted.kind} {wanted.key}"
    holder = next((name for name, number in taken if number == known), "")
    note = ""
    if present is not None and present != known:
        note = (f"{subject} has {id_name} {present} in this image, it had {known}: files that it"
                " owned have to be given to it again")
    elif present is None and holder:
        note = (f"{subject} had {id_name} {known}, which is {holder}'s in this image: it gets"
                " another one, and files that it owned have to be given to it again")
    return dataclasses.replace(wanted, wish={id_name: str(known)},
                               notes=(*wanted.notes, note) if note else wanted.notes)
