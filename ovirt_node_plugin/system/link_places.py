"""Where paths with wildcards lead by the links of a root, and by links that arrive in it."""
from __future__ import annotations

import os
import stat
from collections import defaultdict
from pathlib import Path
from types import MappingProxyType
from typing import DefaultDict, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Set, Tuple

from ..errors import OutsideRoot
from .globs import part_pattern
from .path_sets import MERGED

_NONE: Mapping[str, str] = MappingProxyType({})
_MAX_LINKS = 40  # path_resolution(7)
_MAX_STEPS = 20_000  # for one path: some 20 without links

_Parts = Tuple[str, ...]


class LinkPlaces:
    """The links of ``root`` and the links ``arriving``, which do not exist yet.

    ``arriving`` maps links to their targets, each by its path relative to ``root`` with all
    parents resolved, as in ``paths.resolve_inside``. Where a link arrives at the place of an
    existing one, both count, as the order in which rpm unpacks files is not known.
    """

    def __init__(self, root: Path, arriving: Mapping[str, str] = _NONE) -> None:
        self._root = os.fspath(root)
        self._arriving = arriving
        self._present: Dict[str, str] = {}  # targets of links by place, empty for others
        self._absent: Set[str] = set()
        self._names: Dict[str, FrozenSet[str]] = {}
        self._new_names: DefaultDict[str, Set[str]] = defaultdict(set)
        for place in arriving:
            parts = place.split("/")
            for count, name in enumerate(parts):
                self._new_names["/".join(parts[:count])].add(name)

    def of(self, glob: str) -> Tuple[str, ...]:
        """Return ``glob``, and every path to which links on it lead, step by step.

        All are relative to the root; ``*`` matches characters within one component. A path
        that is the root itself is left out.

        Raises OutsideRoot if there are too many combinations of links.
        """
        if self._has_no_link(glob):
            return (glob,)
        places: Dict[str, None] = {glob: None}
        seen: Set[Tuple[str, _Parts]] = set()
        todo: List[Tuple[str, _Parts, int]] = [("", tuple(glob.split("/")), 0)]
        while todo:
            done, rest, followed = todo.pop()
            if (done, rest) in seen:
                continue
            seen.add((done, rest))
            if len(seen) > _MAX_STEPS:
                raise OutsideRoot(
                    f"the path /{glob} in {self._root} leads to too many places by symbolic links",
                    hint="Replace such links by the files or folders they stand for.")
            if followed and ".." not in rest:
                place = _joined(done, *rest)
                if place:
                    places[place] = None
            if rest:
                todo += self._steps(done, rest, followed)
        return tuple(places)

    def _has_no_link(self, path: str) -> bool:
        """Return whether ``path`` is one place: without wildcards, and no link is on it."""
        here = ""
        for part in path.split("/"):
            if "*" in part or part == "..":
                return False
            here = _joined(here, part)
            if here in self._arriving or self._target(here):
                return False
        return True

    def _steps(self, done: str, rest: _Parts, followed: int) -> Iterator[Tuple[str, _Parts, int]]:
        """Yield the steps that follow: a resolved folder, the path below it, links so far."""
        part, below = rest[0], rest[1:]
        if part == "..":
            yield os.path.dirname(done), below, followed
            return
        for name in self._matching(done, part):
            here = _joined(done, name)
            present = self._target(here)
            for target in {present, self._arriving.get(here, "")} - {""}:
                if followed < _MAX_LINKS:
                    parts = tuple(each for each in target.split("/") if each not in ("", "."))
                    yield "" if target.startswith("/") else done, (*parts, *below), followed + 1
            if not present:
                yield here, below, followed

    def _matching(self, folder: str, part: str) -> Iterator[str]:
        if "*" not in part:
            yield part
            return
        pattern = part_pattern(part)
        for name in self._listed(folder) | self._new_names.get(folder, set()):
            if pattern.fullmatch(name):
                yield name

    def _listed(self, folder: str) -> FrozenSet[str]:
        """Return the names in a folder of the root that has no link in its path."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(f"{self._root}/{folder}"))
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]

    def _target(self, place: str) -> str:
        """Return the target of the link at ``place``, whose parents are no links."""
        if place not in self._present:
            self._present[place] = self._read(place)
        return self._present[place]

    def _read(self, place: str) -> str:
        if os.path.dirname(place) in self._absent:
            self._absent.add(place)
            return ""
        where = f"{self._root}/{place}"
        try:
            return os.readlink(where) if stat.S_ISLNK(os.lstat(where).st_mode) else ""
        except OSError:
            self._absent.add(place)
            return ""


def existing_places(root: Path, globs: Iterable[str]) -> Tuple[str, ...]:
    """Return the entries of ``root`` at ``globs`` and where links on them lead.

    All are relative to the root, with their parents resolved.
    """
    places = LinkPlaces(root)
    return tuple(dict.fromkeys(path for glob in globs for place in places.of(glob)
                               for path in existing(root, place)))


def existing(root: Path, glob: str) -> Tuple[str, ...]:
    """Return the entries of ``root`` that match ``glob``, through folders that are no links."""
    paths = [""]
    for part in glob.split("/"):
        paths = [path for folder in paths for name in _names(root, folder, part)
                 for path in [f"{folder}/{name}" if folder else name]]
    return tuple(paths)


def _names(root: Path, folder: str, part: str) -> Iterable[str]:
    """Return the names in a folder that match ``part``; none if it is a link or no folder."""
    where = os.path.join(root, folder)
    if folder and not stat.S_ISDIR(os.lstat(where).st_mode):
        return ()
    if "*" not in part:
        return [part] if os.path.lexists(f"{where}/{part}") else ()
    return sorted(filter(part_pattern(part).fullmatch, os.listdir(where)))


def _joined(folder: str, *parts: str) -> str:
    path = "/".join([folder, *parts] if folder else parts)
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path
