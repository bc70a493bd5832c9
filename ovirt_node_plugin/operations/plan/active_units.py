"""What files of packages do to units of systemd that other packages have."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Callable, Collection, Optional

from ...errors import OutsideRoot
from ...system.paths import resolve_inside

Owner = Callable[[str], str]
"""Returns the package of an installed file as text, empty if none owns it."""

_UNIT_FILE = re.compile(
    r"((?:etc|usr/lib|usr/local/lib)/systemd/(?:system|user)(?:\.control|\.attached|\.transient)?)"
    r"/([^/]+)(?:/([^/]+))?")
_FOLDER = re.compile(r"(.+)\.(d|wants|requires|upholds)")
_UNIT_FOLDERS = ("etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_TYPES = ("service", "socket", "target", "timer", "mount", "automount", "swap", "path", "slice",
          "scope", "device")


def nobody(_: str) -> str:
    """Return that no package owns a file."""
    return ""


def unit_effect(place: str, link: str, own: Collection[str], root: Path,
                owner: Owner) -> Optional[str]:
    """Return what a file at ``place`` does to units of others, None if nothing.

    ``link`` is the target if it is a symbolic link, ``own`` are the names of the units that
    arrive with it. ``place`` is relative to ``root``.
    """
    match = _UNIT_FILE.fullmatch(place)
    if match is None:
        return None
    folder, name, inside = match.groups()
    if inside is None:
        return _of_unit_file(f"{folder}/{name}", link, own, root, owner)
    below = _FOLDER.fullmatch(name)
    if below is None:
        return None
    unit, kind = below.groups()
    if unit in own:
        return None
    if kind != "d":
        return f"{inside} is started with {whose(unit, root, owner)}"
    masks = "takes away a drop-in of" if os.path.basename(link) == "null" else "changes"
    return f"{masks} {whose(unit, root, owner)}"


def whose(unit: str, root: Path, owner: Owner) -> str:
    """Return the name of a unit with the package that brings it."""
    if unit in _TYPES:
        return f"every {unit}"
    if unit.rpartition(".")[0].endswith("-"):
        return f"every unit {unit.replace('-.', '-*.', 1)}"
    place = unit_place(unit, root)
    if place is None:
        return f"{unit}, which is not there yet"
    package = owner(place)
    return f"{unit} of {package}" if package else unit


def unit_place(unit: str, root: Path) -> Optional[str]:
    """Return the place of a unit's file in ``root``, None if there is none."""
    template = re.sub("@[^.]*", "@", unit)
    for name in dict.fromkeys((unit, template)):
        for folder in reversed(_UNIT_FOLDERS):
            try:
                path = resolve_inside(root, folder) / name
            except OutsideRoot:
                continue
            if os.path.lexists(path):
                return f"{folder}/{name}"
    return None


def _of_unit_file(place: str, link: str, own: Collection[str], root: Path,
                  owner: Owner) -> Optional[str]:
    folder, _, name = place.rpartition("/")
    target = os.path.normpath(os.path.join(f"/{folder}", link)) if link else ""
    if target == "/dev/null":
        return f"masks {whose(name, root, owner)}"
    present = unit_place(name, root)
    if present is not None and present != place:
        return f"is read instead of /{present} of {owner(present) or 'no package'}"
    other = os.path.basename(target)
    return f"is another name of {whose(other, root, owner)}" if other and other not in {
        name, *own} else None
