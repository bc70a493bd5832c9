"""Units that scriptlets of a plugin's packages put into place: expected in a plan, judged later.

Backup agents, for example, have their unit in /opt, and copy it in %post.
"""
from __future__ import annotations

import stat
from typing import Collection, Iterator, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import Service
from ...system.entries import read_entry
from ...system.paths import resolve_inside
from ..kit import placing
from ..kit.model import Context, Wanted
from .unit_links import SEARCH, find_unit, names_of

_PLACES = ", ".join(f"/{folder}" for folder in SEARCH[:-1])  # the last is /usr by a link
NOTE = ("service {unit}: a scriptlet of its packages has to put the unit into place; it is judged"
        " after it ran, and all is rolled back if the unit is not there")
_HINT = "Its vendor has to correct the scriptlet, or to put the unit into the package."


def expected(items: Sequence[Wanted]) -> Tuple[Wanted, ...]:
    """Return those of a plugin's settings whose unit a scriptlet puts into place."""
    return tuple(item for item in items
                 if isinstance(item.item, Service) and item.item.from_scriptlet)


def places(unit: str) -> Iterator[str]:
    """Yield the paths at which a unit can be, relative to the root, first those that count most."""
    for folder in SEARCH:
        for name in names_of(unit):
            yield f"{folder}/{name}"


def check(wanted: Wanted, ctx: Context) -> None:
    """Refuse a unit that is there already, from somebody else; before the scriptlets run."""
    path = find_unit(wanted.key, ctx)
    if path is None:
        return
    if ctx.brings(path) is not None:
        raise Refused(f"plugin {ctx.plugin} wants to {wanted.text} of a scriptlet, but the plugin's"
                      f" own packages bring /{path}",
                      hint='Its vendor has to take from="scriptlet" out.')
    if ctx.held.get(_real(path, ctx)) != ctx.plugin:
        placing.refuse_others(wanted, path, ctx)


def find(wanted: Wanted, ctx: Context, made: Collection[str], by: str) -> Tuple[str, int]:
    """Return path and mode of the unit, after the scriptlets ran.

    ``made`` are the paths, relative to the root, that scriptlets of the plugin made or changed;
    ``by`` says which ran. Raises Refused if the unit is not there or not theirs, and for what
    systemd would not read.
    """
    subject = f"plugin {ctx.plugin} wants to {wanted.text}, but"
    path = next((path for path in places(wanted.key)
                 if read_entry(ctx.root, path, content=False)), None)
    if path is None:
        raise Refused(f"{subject} after the scriptlets of its packages there is no such unit in"
                      f" {_PLACES}; {by}", hint=_HINT)
    if _real(path, ctx) not in made:
        raise Refused(f"{subject} /{path} is not from a scriptlet of its packages; {by}",
                      hint=_HINT)
    target = resolve_inside(ctx.root, path)
    if not target.is_file():
        raise Refused(f"{subject} /{path}, which a scriptlet put there, is neither a file nor a"
                      f" link to one in the root; {by}", hint=_HINT)
    return path, stat.S_IFREG | stat.S_IMODE(target.stat().st_mode)


def _real(path: str, ctx: Context) -> str:
    """Return ``path`` with its folders resolved, relative to the root."""
    return resolve_inside(ctx.root, path, follow_last=False).relative_to(ctx.root).as_posix()
