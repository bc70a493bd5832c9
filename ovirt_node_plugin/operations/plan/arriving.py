"""The files of arriving packages, and where in a root they will be when links are followed."""
from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence, Tuple

from ...errors import OutsideRoot
from ...packages.headers import PackedFile
from ...packages.session import PackageChange
from ...system.paths import relative_inside
from ...system.trees import Relative

_ROUNDS = 8  # a link to a link to a link


@dataclass(frozen=True)
class Arriving:
    """One entry of a package that arrives.

    ``path`` is absolute, as in the package. ``places`` are relative to the root, with links
    followed: two where links that arrive lead elsewhere than those that are there now, none
    if the path leads out of the root. ``file`` is None before the package is fetched.
    """

    change: PackageChange
    path: str
    places: Tuple[str, ...]
    file: Optional[PackedFile]

    @property
    def may_be_folder(self) -> bool:
        """Return whether it is a folder, or may be one while its package is not fetched."""
        return self.file is None or self.file.is_folder

    @property
    def is_ghost(self) -> bool:
        """Return whether the package has only the name (``%ghost``)."""
        return self.file is not None and self.file.ghost


class Arrivals:
    """The files of the packages that arrive, computed once for a plan.

    ``packages`` are those of a transaction that arrive, ``entries`` all their files and
    folders, each with its places in ``root``.
    """

    def __init__(self, packages: Sequence[PackageChange], root: Path) -> None:
        self.root = root
        self.packages = tuple(change for change in packages if change.action != "remove")
        links = _links(self.packages, root)
        self._now = Relative(root)
        self._then = Relative(root, links=links) if links else self._now
        self.entries = tuple(self._entries())

    def places(self, path: str) -> Tuple[str, ...]:
        """Return the places of the absolute ``path``, as ``Arriving`` has them."""
        try:
            return tuple(dict.fromkeys((self._now(path), self._then(path))))
        except OutsideRoot:
            return ()

    def _entries(self) -> Iterator[Arriving]:
        for change in self.packages:
            packed = {file.path: file for file in change.header.files} if change.header else {}
            for path in change.files:
                yield Arriving(change, path, self.places(path), packed.get(path))


def _links(packages: Sequence[PackageChange], root: Path) -> Dict[str, str]:
    """Return the targets of the links that arrive, by the places of the links."""
    links = [file for change in packages if change.header is not None
             for file in change.header.files if stat.S_ISLNK(file.mode) and not file.ghost]
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
