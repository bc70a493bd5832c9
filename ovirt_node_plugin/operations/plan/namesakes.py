"""What files of packages take the place of, by name alone: programs, Python modules, drivers."""
from __future__ import annotations

import re
from pathlib import Path
from typing import FrozenSet, List, Sequence, Set, Tuple

from ...errors import OutsideRoot
from ...system.paths import resolve_inside
from ...system.regular_files import read_regular
from ...system.trees import stat_of

# Where a shell looks for programs; which is first differs between users and services.
_PROGRAMS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
# What Python imports by a name: a file, an extension, or a folder with an __init__.
_IMPORTED = re.compile(
    r"usr/lib(?:64)?/(python[0-9][^/]*)/(?:site-packages/)?([^/.]+)"
    r"(?:/__init__)?(?:\.[^/]*)?\.(?:pyc?|so)")
_DRIVER = re.compile(r"usr/lib/modules/[^/]+/(?:.+/)?([^/]+)\.ko(?:\.(?:gz|xz|zst))?")
# The kernel's own two, and depmod's, which leaves out what is overridden.
_LISTS = ("modules.order", "modules.builtin", "modules.dep")
_LIST_BYTES = 16 << 20


def driver(place: str) -> str:
    """Return the name of the kernel module at ``place`` as the kernel has it; empty if none.

    ``place`` is relative to the root, links resolved.
    """
    if place.startswith("lib/"):
        place = f"usr/{place}"
    match = _DRIVER.fullmatch(place)
    return match.group(1).replace("-", "_") if match else ""


def kernel_drivers(root: Path) -> FrozenSet[str]:
    """Return the names of the modules that the kernels of ``root`` have themselves."""
    found: Set[str] = set()
    for path in _lists(root):
        try:
            lines = read_regular(path, max_bytes=_LIST_BYTES).decode(errors="replace").splitlines()
        except OSError:
            continue
        names = (line.partition(":")[0].strip() for line in lines)
        found.update(driver(f"usr/lib/modules/x/{name}") for name in names
                     if name.startswith("kernel/"))
    return frozenset(found - {""})


def _lists(root: Path) -> List[Path]:
    try:
        kernels = sorted(resolve_inside(root, "usr/lib/modules").iterdir())
        return [resolve_inside(root, (kernel / name).relative_to(root).as_posix())
                for kernel in kernels for name in _LISTS]
    except (OSError, OutsideRoot):
        return []


def namesakes(place: str, root: Path) -> Tuple[str, ...]:
    """Return what ``root`` has under the name of the file that comes to ``place``.

    That are programs in other folders of programs, and Python modules in other folders
    that are searched for them; relative to the root, as ``place`` is.
    """
    return tuple(one for one in _rivals(place) if one != place and _is_there(root, one))


def _rivals(place: str) -> Sequence[str]:
    folder, _, name = place.rpartition("/")
    if folder in _PROGRAMS:
        return [f"{other}/{name}" for other in _PROGRAMS]
    match = _IMPORTED.fullmatch(place)
    if match is None:
        return ()
    folders = [f"usr/{lib}/{match.group(1)}{below}"
               for lib in ("lib64", "lib") for below in ("", "/site-packages")]
    return [f"{other}/{match.group(2)}{end}" for other in folders
            for end in (".py", "/__init__.py")]


def _is_there(root: Path, place: str) -> bool:
    """Say if something is at ``place``, and not only by a link to a folder on the way."""
    try:
        where = resolve_inside(root, place, follow_last=False)
    except OutsideRoot:
        return False
    return where == root / place and stat_of(where) is not None
