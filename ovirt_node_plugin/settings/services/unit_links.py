"""Links in /etc/systemd/system that the [Install] section of a unit makes for other units.

``Alias=`` gives a unit the name of another, and ``Also=`` enables others with it
(systemd.unit(5)); a link in /etc takes precedence over a unit of the image.
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence, Set

from ...errors import Refused
from ...system.entries import read_entry, read_text
from ...system.paths import resolve_inside
from ...system.trees import walk
from ..kit.model import Context, Wanted

UNITS = "etc/systemd/system"
# systemd.unit(5), "System Unit Search Path", the folders that are in an image
SEARCH = (UNITS, "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")


def find_unit(unit: str, ctx: Context, folders: Sequence[str] = SEARCH) -> Optional[str]:
    """Return the path of a unit, or of its template, in the root or the plugin's packages."""
    for folder in folders:
        for name in names_of(unit):
            path = f"{folder}/{name}"
            if read_entry(ctx.root, path, content=False) or ctx.brings(path) is not None:
                return path
    return None


def names_of(unit: str) -> Sequence[str]:
    """Return the names that the file of a unit can have: its own, and that of its template."""
    return list(dict.fromkeys([unit, _template(unit)]))


def links(root: Path) -> Dict[str, str]:
    """Return the target of each link to a unit, by its path relative to ``UNITS``."""
    top = resolve_inside(root, UNITS)
    return {os.path.relpath(entry.path, top): os.readlink(entry.path)
            for entry in (walk(top) if top.is_dir() else ()) if entry.is_symlink()}


def refuse_others(wanted: Wanted, before: Mapping[str, str], ctx: Context) -> None:
    """Raise Refused if switching a unit changed links of units that are not the plugin's.

    ``before`` is the result of ``links`` from before. Links that a unit of the image names
    itself are allowed; a drop-in of the plugin may name others.
    """
    after, own_units = links(ctx.root), _own(wanted.key, ctx)
    for path in sorted({*before, *after}):
        name = unit = os.path.basename(path)
        if before.get(path) == after.get(path) or name in own_units:
            continue
        if os.sep not in path:  # an alias: the link's name is not the unit's
            unit = os.path.basename(after.get(path) or before.get(path) or name)
        if not ({unit, _template(unit)} & own_units or _is_in_packages(unit, ctx)
                or _says(wanted.key, "Also", unit, ctx)):
            raise Refused(
                f"plugin {ctx.plugin} wants to {wanted.text}, but that switches {unit} along"
                " with it, which none of the plugin's packages brings",
                hint=f"It is named by Also= in the unit {wanted.key}. Its vendor has to ask for"
                     f" {unit} by a <service> of its own, before that one.")
        if name != unit and os.sep not in path:
            _refuse_alias(wanted, name, unit, ctx)


def _refuse_alias(wanted: Wanted, name: str, unit: str, ctx: Context) -> None:
    path = find_unit(name, ctx, SEARCH[1:])
    if path is None or ctx.brings(path) is not None or (
            _link_name(path, ctx) == unit or _says(unit, "Alias", name, ctx)):
        return
    raise Refused(
        f"plugin {ctx.plugin} wants to {wanted.text}, but that gives {unit} the name {name}, in"
        f" the place of /{path}, which none of the plugin's packages brings",
        hint=f"It is named by Alias= in the unit {unit}. Its vendor has to take it out.")


def _own(unit: str, ctx: Context) -> Set[str]:
    """Return the names of a unit's own links: the unit, its alias in the image, templates."""
    path = find_unit(unit, ctx)
    link = _link_name(path, ctx) if path and ctx.brings(path) is None else ""
    return {name for own in (unit, link) if own for name in (own, _template(own))}


def _is_in_packages(unit: str, ctx: Context) -> bool:
    path = find_unit(unit, ctx, SEARCH[1:])
    return path is not None and ctx.brings(path) is not None


def _says(unit: str, key: str, name: str, ctx: Context) -> bool:
    """Return whether a unit of the image names ``name`` by ``key`` in its own file."""
    path = find_unit(unit, ctx)
    if not path or ctx.brings(path) is not None:
        return False
    place = resolve_inside(ctx.root, path).relative_to(ctx.root).as_posix()
    lines = (read_text(ctx.root, place) or b"").decode(errors="replace").splitlines()
    pairs = [line.partition("=") for line in lines]
    return any(option.strip() == key and name in words.split() for option, _, words in pairs)


def _link_name(path: str, ctx: Context) -> str:
    entry = read_entry(ctx.root, path)
    if entry is None or entry.kind != "link" or entry.content is None:
        return ""
    return os.path.basename(os.fsdecode(entry.content))


def _template(unit: str) -> str:
    """Return the template of a unit, or the unit itself if it is not an instance."""
    stem, at, rest = unit.partition("@")
    return f"{stem}@.{rest.rpartition('.')[2]}" if at else unit
