"""The ids of users and groups: check whose they are, and keep them over images."""
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


def ids_clash(wanted: Wanted, other: Applied, what: str) -> bool:
    """Return whether one name would have two ids, or one id two names."""
    wanted_id = id_in(asked_of(wanted), what)
    other_id = id_in(asked_of(other), what)
    if other_id is None:
        other_id = id_in(other.outcome, what)
    if wanted_id is None or other_id is None:
        return False
    return (wanted_id != other_id) if wanted.key == other.key else wanted_id == other_id


def refuse_id(wanted: Wanted, what: str, number: int, own: Optional[int], ctx: Context,
              holders: Sequence[str]) -> None:
    """Raise Refused if the account has another id, ``own``, or another of ``holders`` has it."""
    if own is not None and own != number:
        raise wrong_id(wanted, what, own, ctx)
    others = [name for name in holders if name != wanted.key]
    if others:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but in the root {what}"
                      f" {number} is {others[0]}'s",
                      hint="Its vendor has to take another id, or let the system choose one.")


def wrong_id(wanted: Wanted, what: str, number: Optional[int], ctx: Context) -> Refused:
    """Return the refusal of an account that has another id, or was not made."""
    reason = f"it has {what} {number}" if number is not None else "systemd-sysusers made none"
    return Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {reason}",
                   hint="Look at the root's /etc/passwd and /etc/group.")


def id_problems(applied: Applied, what: str, number: int) -> Sequence[str]:
    """Return a line if an account has another id than when it was applied."""
    known = id_in(applied.outcome, what)
    if known in (None, number):
        return ()
    return (f"{applied.kind} {applied.key} has {what} {number}; it had {known} when the plugin"
            " was installed",)


def remembered(wanted: Wanted, applied: Applied, what: str, own: Optional[int],
               taken: Sequence[Tuple[str, int]]) -> Wanted:
    """Return ``wanted`` with a wish for the id that the name had, and a note if it is taken."""
    known = id_in(applied.outcome, what)
    if known is None:
        return wanted
    subject = f"{wanted.kind} {wanted.key}"
    holder = next((name for name, number in taken if number == known), "")
    note = ""
    if own is not None and own != known:
        note = (f"{subject} has {what} {own} in this image, it had {known}: files that it owned"
                " have to be given to it again")
    elif own is None and holder:
        note = (f"{subject} had {what} {known}, which is {holder}'s in this image: it gets another"
                " one, and files that it owned have to be given to it again")
    return dataclasses.replace(wanted, wish={what: str(known)},
                               notes=(*wanted.notes, note) if note else wanted.notes)
