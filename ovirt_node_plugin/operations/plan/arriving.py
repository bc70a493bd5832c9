"""The files of arriving packages, and their places in a root when links are followed."""
from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Collection, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from ...errors import DisputedFile, OutsideRoot
from ...packages.headers import PackedFile
from ...packages.session import PackageChange
from ...system.paths import relative_inside
from ...system.trees import Relative
from ..model.books import holders

_ROUNDS = 41  # one more than links are followed for a path, path_resolution(7)
_NO_SHARES: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True)
class Arriving:
    """One file or folder of a package that arrives.

    ``plugins`` are those that bring or share the package. ``path`` is absolute, as in the
    package. ``places`` are relative to the root, with links followed: two if arriving links
    lead elsewhere than the present ones, none if the path leads out of the root. ``file``
    is None before the package is fetched.
    """

    change: PackageChange
    plugins: Tuple[str, ...]
    path: str
    places: Tuple[str, ...]
    file: Optional[PackedFile]

    @property
    def may_be_folder(self) -> bool:
        """Whether it is a folder, or may be one while its package is not fetched."""
        return self.file is None or self.file.is_folder

    @property
    def is_ghost(self) -> bool:
        """Whether the package contains only the name (``%ghost``)."""
        return self.file is not None and self.file.ghost

    def disputed(self, reason: str) -> DisputedFile:
        """Return the file as one that is refused."""
        return DisputedFile(plugin=", ".join(self.plugins), package=self.change.nevra,
                            path=self.path, reason=reason)


class Arrivals:
    """The files of the packages that arrive, computed once for a plan.

    ``packages`` are those of a transaction that arrive, ``entries`` all their files and
    folders, each with its places in ``root``. ``links`` are the targets of arriving links by
    place, as in ``paths.resolve_inside``. ``shares`` are the NEVRAs of each plugin,
    ``left_out`` the paths of files that are not unpacked: they are in none of the results.
    """

    def __init__(self, packages: Sequence[PackageChange], root: Path,
                 shares: Mapping[str, Collection[str]] = _NO_SHARES, *,
                 left_out: Collection[str] = ()) -> None:
        self.root = root
        self.packages = tuple(change for change in packages if change.arrives)
        self._shares, self._left_out = shares, frozenset(left_out)
        self.links: Mapping[str, str] = _links(self.packages, root, self._left_out)
        self._now = Relative(root)
        self._then = Relative(root, links=self.links) if self.links else self._now
        self.entries = tuple(self._entries(holders(shares)))

    def without(self, left_out: Collection[str]) -> Arrivals:
        """Return what arrives if rpm does not unpack the files at the paths ``left_out``."""
        return Arrivals(self.packages, self.root, self._shares,
                        left_out=left_out) if left_out else self

    def places(self, path: str) -> Tuple[str, ...]:
        """Return the places of the absolute ``path``, as ``Arriving`` has them."""
        try:
            return tuple(dict.fromkeys((self._now(path), self._then(path))))
        except OutsideRoot:
            return ()

    def _entries(self, plugins: Mapping[str, Tuple[str, ...]]) -> Iterator[Arriving]:
        for change in self.packages:
            packed = {file.path: file for file in change.header.files} if change.header else {}
            for path in change.files:
                if path not in self._left_out:
                    yield Arriving(change=change, plugins=plugins.get(change.nevra, ()), path=path,
                                   places=self.places(path), file=packed.get(path))


def _links(packages: Sequence[PackageChange], root: Path,
           left_out: Collection[str]) -> Dict[str, str]:
    """Return the targets of arriving links, by the places of the links.

    The path of a link may lead through other arriving links, so that its place is known only
    when theirs are.
    """
    links = [file for change in packages if change.header is not None
             for file in change.header.files if stat.S_ISLNK(file.mode) and not file.ghost
             and file.path not in left_out]
    targets: Dict[str, str] = {}
    for _ in range(_ROUNDS):
        before = dict(targets)
        for file in links:
            try:
                targets[relative_inside(root, file.path, links=targets)] = file.link
            except OutsideRoot:
                continue  # reported when the file itself is checked
        if targets == before:
            break
    return targets
