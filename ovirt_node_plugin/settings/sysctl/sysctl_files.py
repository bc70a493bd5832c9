"""Read the sysctl.d(5) files of a root, in their order."""
from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from ...plugin.sysctl_names import as_path
from ...system.entries import read_text
from ...system.paths import resolve_inside

# sysctl.d(5): a file in an earlier folder hides one of the same name in a later one.
_FOLDERS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d",
            "lib/sysctl.d")
LAST = "etc/sysctl.conf"
"""The file that sysctl(8) --system reads after all others."""


@dataclass(frozen=True)
class Assignment:
    """One line of a file; ``path`` is relative to the root, ``name`` is its last component.

    ``pattern``: the line names parameters by a glob.
    """

    path: str
    name: str
    value: str
    pattern: bool

    def comes_after(self, name: str) -> bool:
        """Return whether its file is read after one of that name in a sysctl.d folder."""
        return self.path == LAST or self.name > name


def file_name(key: str) -> str:
    """Return the name of our file for ``key``, a parameter with dots.

    It sorts after names that begin with digits, which sysctl.d(5) recommends.
    """
    return f"node-plugin-{key.replace('/', ',')}.conf"


def assignments(root: Path, key: str) -> Tuple[Assignment, ...]:
    """Return every line of the root's files that sets ``key``, in the order of reading."""
    lines: List[Assignment] = []
    for path in _files(root):
        content = read_text(root, resolve_inside(root, path).relative_to(root).as_posix())
        if content is None:
            continue
        name = path.rpartition("/")[2]
        for line in content.decode(errors="replace").splitlines():
            parameter, equals, value = line.strip().partition("=")
            parameter = parameter.strip().lstrip("-").strip()
            if not equals or not parameter or parameter[0] in "#;":
                continue
            pattern = any(letter in parameter for letter in "*?[")
            if _names(as_path(parameter), as_path(key), pattern=pattern):
                lines.append(Assignment(path, name, " ".join(value.split()), pattern))
    return tuple(lines)


def _names(parameter: str, wanted: str, *, pattern: bool) -> bool:
    if not pattern:
        return parameter == wanted
    globs, parts = parameter.split("/"), wanted.split("/")  # glob(7): * stops at a slash
    return len(globs) == len(parts) and all(map(fnmatch.fnmatchcase, parts, globs))


def _files(root: Path) -> List[str]:
    chosen: Dict[str, str] = {}
    for folder in _FOLDERS:
        path = resolve_inside(root, folder)
        if path.is_dir():
            for name in os.listdir(path):
                if name.endswith(".conf"):
                    chosen.setdefault(name, f"{folder}/{name}")
    return [*(chosen[name] for name in sorted(chosen)), LAST]
