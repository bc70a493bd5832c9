"""Find the initramfs of each kernel of a root, and list its content."""
from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, List, Tuple

from ...system.paths import relative_inside, resolve_inside

KEPT = ".before-node-plugins"
"""The suffix of an initramfs that is kept from before the first plugin."""
# Where kernel-install(8), dracut(8) and image builders put it; "*" is a machine id.
_PLACES = ("boot/initramfs-{}.img", "boot/*/{}/initrd", "lib/modules/{}/initramfs.img",
           "lib/modules/{}/initrd")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]*")
_MODULE = re.compile(r"([^/\s]+)\.ko(?:\.(?:gz|xz|zst))?(?: -> .*)?$")


@dataclass(frozen=True)
class Content:
    """The kernel modules (``drivers``, with ``_`` for ``-``) and dracut modules of an initramfs."""

    drivers: FrozenSet[str]
    modules: FrozenSet[str]


def images(root: Path) -> Dict[str, Tuple[str, ...]]:
    """Return the resolved paths of each kernel's initramfs, relative to ``root``, by version."""
    paths: Dict[str, Tuple[str, ...]] = {}
    modules = resolve_inside(root, "lib/modules")
    versions = sorted(os.listdir(modules)) if modules.is_dir() else []
    for version in versions:
        places = [place for form in _PLACES for place in _expanded(root, form, version)
                  if is_file(root / place)] if _VERSION.fullmatch(version) else []
        if places:
            paths[version] = tuple(dict.fromkeys(places))
    return paths


def parse(listing: str) -> Content:
    """Return the content of an initramfs in the output of lsinitrd(1)."""
    modules, drivers = set(), set()
    named = False
    for line in listing.splitlines():
        if line.startswith("dracut modules:"):
            named = True
        elif line.startswith("==="):
            named = False
        elif named:
            modules.add(line.strip())
        else:
            match = _MODULE.search(line)
            if match:
                drivers.add(match.group(1).replace("-", "_"))
    return Content(frozenset(drivers), frozenset(modules))


def _expanded(root: Path, form: str, version: str) -> List[str]:
    """Return the resolved paths of one form, relative to ``root``."""
    if "*" not in form:
        return [relative_inside(root, form.format(version))]
    boot = resolve_inside(root, form.partition("/*")[0])
    names = sorted(os.listdir(boot)) if boot.is_dir() else []
    return [relative_inside(root, form.replace("*", name, 1).format(version)) for name in names
            if re.fullmatch("[0-9a-f]{32}|Default", name)]


def is_file(path: Path) -> bool:
    """Return whether there is a regular file at a host path, not a link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
