"""Which files of arriving packages are active without a setting, also through links."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List, Mapping

from ...errors import OutsideRoot
from ...policy.path_rules import PathPolicy, PathRule
from ...system import read_paths
from ...system.link_places import existing_places
from ...system.paths import resolve_inside


def active_paths(root: Path, links: Mapping[str, str]) -> PathPolicy:
    """Return rules that match paths of ``root`` whose files are active without a setting.

    These are the paths that programs read by themselves, and what ``links`` that arrive
    lead to, if they are in such a path. So are links of the root that lead to nothing yet.
    """
    policy = PathPolicy([PathRule(path, False) for path in read_paths.active()],
                        root=root, links=links)
    inside = [link for link in links if policy.deciding(link, folder=True) is not None]
    policy.add([PathRule(link, False) for link in (*inside, *_dangling(root))])
    return policy


def _dangling(root: Path) -> List[str]:
    """Return the links in active paths of ``root`` that lead to nothing in it."""
    tops = existing_places(root, read_paths.active())
    links = [path for path in tops if os.path.islink(root / path)]
    todo = [path for path in tops if path not in links and os.path.isdir(root / path)]
    known = set(tops)
    for folder in todo:  # grows while it is walked
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}"
                if entry.is_symlink():
                    links.append(path)
                elif entry.is_dir(follow_symlinks=False) and path not in known:
                    todo.append(path)
    return [path for path in dict.fromkeys(links) if _leads_nowhere(root, path)]


def _leads_nowhere(root: Path, link: str) -> bool:
    try:
        return not os.path.lexists(resolve_inside(root, link))
    except OutsideRoot:
        return False
