"""The part of a journal's scope that programs read by themselves, outside of /etc."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, NamedTuple, Tuple

from ...system import path_sets, read_paths
from ...system.link_places import existing, existing_places
from ...system.paths import is_inside_any, real_places

# Elsewhere the journal has everything already, or only new entries: /boot is large.
_BELOW = ("root", "usr", "var")
# Of the rest, which is large, the journal has new entries only.
_INSTEAD = {"usr/lib/udev": "usr/lib/udev/rules.d"}


class ActiveScope(NamedTuple):
    """Paths for ``journal.Scope``, relative to the root."""

    trees: Tuple[str, ...]
    near: Tuple[str, ...]


def active_scope(root: Path) -> ActiveScope:
    """Return where scriptlets may make something active without a setting.

    ``trees`` exist, or are named without wildcards; ``near`` are the folders in which others
    may be made.
    """
    paths = [_INSTEAD.get(path, path) for path in read_paths.active()
             if is_inside_any(path, _BELOW)]
    known = real_places(root, path_sets.TREES)
    left_alone = real_places(root, path_sets.LEFT_ALONE)  # in Node also usr/share/dnf
    trees = (*(path for path in paths if "*" not in path), *existing_places(root, paths))
    return ActiveScope(
        trees=tuple(path for path in dict.fromkeys(trees)
                    if path not in left_alone and not is_inside_any(path, known)),
        near=tuple(dict.fromkeys(folder for path in paths for folder in _above(root, path))))


def _above(root: Path, glob: str) -> Iterator[str]:
    """Yield the nearest folders above ``glob`` that exist."""
    folder = os.path.dirname(glob)
    while folder:
        paths = [path for path in existing(root, folder) if os.path.isdir(root / path)]
        yield from paths
        folder = "" if paths else os.path.dirname(folder)
