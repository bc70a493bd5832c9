"""Where the files of arriving packages will be in a root, links followed."""
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

    ``path`` is as the package has it, ``places`` where that is, relative to the root:
    two where links that arrive lead elsewhere than what is there now, none if the path
    is not one inside a root. ``file`` is None before the package is fetched.
    """

    change: PackageChange
    path: str
    places: Tuple[str, ...]
    file: Optional[PackedFile]

    @property
    def may_be_folder(self) -> bool:
        """Say if it is a folder, as far as that is known."""
        return self.file is None or self.file.is_folder

    @property
    def is_ghost(self) -> bool:
        """Say if only the name is the package's."""
        return self.file is not None and self.file.ghost


class Places:
    """Where names are in a root, and will be once ``packages`` and their links are there."""

    def __init__(self, packages: Sequence[PackageChange], root: Path) -> None:
        coming = [change for change in packages if change.action != "remove"]
        links = _links(coming, root)
        self._now = Relative(root)
        self._then = Relative(root, links=links) if links else self._now

    def __call__(self, path: str) -> Tuple[str, ...]:
        """Return the places of the absolute ``path``, as ``Arriving`` has them."""
        try:
            return tuple(dict.fromkeys((self._now(path), self._then(path))))
        except OutsideRoot:
            return ()


def arriving(packages: Sequence[PackageChange], root: Path) -> Iterator[Arriving]:
    """Yield every file and folder of the packages that arrive."""
    places = Places(packages, root)
    for change in packages:
        if change.action == "remove":
            continue
        packed = {file.path: file for file in change.header.files} if change.header else {}
        for path in change.files:
            yield Arriving(change, path, places(path), packed.get(path))


def _links(coming: Sequence[PackageChange], root: Path) -> Dict[str, str]:
    """Return where the links that arrive lead, by the places where they will be."""
    every = [file for change in coming if change.header is not None
             for file in change.header.files if stat.S_ISLNK(file.mode) and not file.ghost]
    found: Dict[str, str] = {}
    for _ in range(_ROUNDS):
        before = dict(found)
        for file in every:
            try:
                found[relative_inside(root, file.path, links=found)] = file.link
            except OutsideRoot:
                continue  # told when the file itself is looked at
        if found == before:
            break
    return found
