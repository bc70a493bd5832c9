"""What a removal left in a copy of a root, compared with the root itself."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Container, Iterable, Iterator, List, Sequence, Set, Tuple

from ...compare.packages import RootPackage, package_differences
from ...compare.trees import ADDED, Difference, differences
from ...system import path_sets
from ...system.paths import is_inside_any, real_places
from ...system.words import count, first_lines

# Every transaction changes these: dnf-node-plugin(8), "remove"
_CHANGED = (path_sets.LOGS, *path_sets.CACHES, path_sets.DNF_STATE, *path_sets.RPM_DATABASES)
_WORD = re.compile(r"[^\s'\",:;()]+")
_MOST_LINES = 10  # of a message
_MOST_DIFFERENCES = 1000  # of a result
HINT = ("Look for what scriptlets of the packages do that their %postun does not undo; a setting"
         " of the descriptor is undone.")


@dataclass(frozen=True)
class Leftovers:
    """What differs and was not expected, and lines about what was expected to differ."""

    files: Tuple[Difference, ...]
    packages: Tuple[str, ...]
    expected: Tuple[str, ...]

    @property
    def first_files(self) -> Tuple[Difference, ...]:
        """The first of ``files``."""
        return self.files[:_MOST_DIFFERENCES]

    def text(self) -> str:
        """Return the message about what was not expected, empty if there is nothing."""
        lines = [*self.packages, *(difference.text() for difference in self.files)]
        return "\n  ".join([
            f"after the removal, the root has {count(len(lines), 'difference')} from the image:",
            *first_lines(lines, _MOST_LINES)]) if lines else ""


def leftovers(before: Path, after: Path, *, messages: Sequence[str], unchanged: Container[str],
              packages: Tuple[Sequence[RootPackage], Sequence[RootPackage]]) -> Leftovers:
    """Return how the root ``after`` a removal differs from the root ``before`` the install.

    Logs, caches, and the databases of rpm and DNF are not compared, nor are keys of packages.
    ``messages`` are those of the removal: what they name is expected to differ. The content of
    ``unchanged`` paths is not read if size and time are the same. ``packages`` are those before
    and after.

    Raises OSError for an unreadable entry, and Refused as ``differences``.
    """
    named = {word.rstrip(".") for message in messages for word in _WORD.findall(message)}
    ignored = real_places(before, _CHANGED)
    files, expected = _split(named, (
        difference for difference in differences(before, after, content_limit_bytes=None,
                                                 trusted=unchanged)
        if not is_inside_any(difference.path, ignored)))
    lines = dict(_packages(*packages))
    return Leftovers(
        files=tuple(files),
        packages=tuple(line for nevra, line in lines.items() if nevra not in named),
        expected=(*(line for nevra, line in lines.items() if nevra in named), *expected))


def _split(named: Set[str],
           found: Iterable[Difference]) -> Tuple[List[Difference], List[str]]:
    """Return the differences whose paths are not ``named``, and lines about the others.

    What is in a new folder that is named is expected, too.
    """
    folders: Set[str] = set()
    left: List[Difference] = []
    expected: List[str] = []
    for difference in found:
        if f"/{difference.path}" in named:
            expected.append(difference.text())
            if difference.kind == ADDED:
                folders.add(difference.path)
        elif not _is_below(difference.path, folders):
            left.append(difference)
    return left, expected


def _is_below(path: str, folders: Set[str]) -> bool:
    return any(path[:end] in folders for end, char in enumerate(path) if char == "/")


def _packages(before: Sequence[RootPackage],
              after: Sequence[RootPackage]) -> Iterator[Tuple[str, str]]:
    """Yield the NEVRA of each package that differs, and a line about it."""
    for difference in package_differences(before, after, {}):
        package = difference.new or difference.old
        if package is not None and package.arch:  # a key has none
            yield package.nevra, f"the package {package.nevra} was {difference.kind}"
