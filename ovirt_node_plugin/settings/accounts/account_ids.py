"""The numbers of users and groups: whose they are, and that they stay the same."""
from __future__ import annotations

import dataclasses
from typing import Optional, Sequence, Tuple

from ...errors import Refused
from ...undo.changes import Applied
from ..kit.model import Context, Wanted
from .sysusers import words


def id_in(text: str, name: str) -> Optional[int]:
    """Return the number of the word ``NAME=NUMBER`` in a value or an outcome."""
    value = words(text).get(name, "")
    return int(value) if value.isdigit() else None


def ids_clash(wanted: Wanted, other: Applied, what: str) -> bool:
    """Say if one name would have two ids, or one id two names."""
    mine = id_in(wanted.value, what)
    its = id_in(other.value, what)
    if its is None:
        its = id_in(other.outcome, what)
    if mine is None or its is None:
        return False
    return (mine != its) if wanted.key == other.key else mine == its


def refuse_id(wanted: Wanted, what: str, number: int, own: Optional[int], ctx: Context,
              holders: Sequence[str]) -> None:
    """Raise Refused if ``number`` is not ``own``, or is that of one of ``holders``."""
    if own is not None and own != number:
        raise not_so(wanted, what, own, ctx)
    others = [name for name in holders if name != wanted.key]
    if others:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but in the root {what}"
                      f" {number} is {others[0]}'s",
                      hint="Its vendor has to take another id, or let the system choose one.")


def not_so(wanted: Wanted, what: str, number: Optional[int], ctx: Context) -> Refused:
    """Return the refusal of a name that has another number, or was not made at all."""
    found = f"it has {what} {number}" if number is not None else "systemd-sysusers made none"
    return Refused(f"plugin {ctx.plugin} wants to {wanted.text}, but {found}",
                   hint="Look at the root's /etc/passwd and /etc/group.")


def id_problems(applied: Applied, what: str, number: int) -> Sequence[str]:
    """Return a line if an account has another number than it had."""
    known = id_in(applied.outcome, what)
    if known in (None, number):
        return ()
    return (f"{applied.kind} {applied.key} has {what} {number}; it had {known} when the plugin"
            " was installed",)


def remembered(wanted: Wanted, applied: Applied, what: str, own: Optional[int],
               taken: Sequence[Tuple[str, int]]) -> Wanted:
    """Wish for the id that the name had; say where files would become somebody else's."""
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
    return dataclasses.replace(wanted, wish=f"{what}={known}",
                               notes=(*wanted.notes, note) if note else wanted.notes)
