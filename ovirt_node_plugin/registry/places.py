"""The places of the registry: in /etc, and the image's own copy in /usr.

/etc outlives an image, /usr does not: so the copy in /usr, where there is one, tells what the
image has, and the records in /etc only repeat it. See ovirt.plugins.d(5). In the pristine copy
of /etc they show imgbased that nobody changed those in /etc; they are never read.
"""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

from ..system.entries import sync_dir
from ..system.path_sets import (
    FACTORY_ETC,
    FACTORY_MANIFESTS,
    FACTORY_REGISTRY,
    IMAGE_MANIFESTS,
    IMAGE_REGISTRY,
    MANIFESTS,
    REGISTRY,
)
from ..system.paths import resolve_inside


@dataclass(frozen=True)
class Place:
    """Two folders, relative to the root: of records, and of undo data and inventories."""

    registry: str
    manifests: str

    def record(self, name: str) -> str:
        """Return the path of the record of the plugin ``name``, relative to the root."""
        return f"{self.registry}/{name}"

    def undo_data(self, name: str) -> str:
        """Return the path of a plugin's undo data, relative to the root."""
        return f"{self.manifests}/{name}.xml"

    def inventory(self, name: str) -> str:
        """Return the path of a plugin's inventory, relative to the root."""
        return f"{self.manifests}/{name}.json.gz"

    def files(self, name: str) -> Tuple[str, str, str]:
        """Return the paths of all files of a plugin, in the order in which they are removed."""
        return self.record(name), self.undo_data(name), self.inventory(name)


ETC = Place(REGISTRY, MANIFESTS)
IMAGE = Place(IMAGE_REGISTRY, IMAGE_MANIFESTS)
PRISTINE = Place(FACTORY_REGISTRY, FACTORY_MANIFESTS)


def has_image_copy(root: Path) -> bool:
    """Return whether ``root`` has the image's own copy, which then counts."""
    return resolve_inside(root, IMAGE.registry).is_dir()


def has_factory(root: Path) -> bool:
    """Return whether ``root`` has the pristine copy of /etc that imgbased makes of all of it.

    That of systemd has few files. A copy with a link in the place of one of its folders of the
    registry is not followed.
    """
    folders = (FACTORY_ETC, PRISTINE.registry, PRISTINE.manifests)
    return (all(resolve_inside(root, folder) == root / folder for folder in folders)
            and (root / FACTORY_ETC / "passwd").is_file())


def counting(root: Path) -> Place:
    """Return the place whose records count in ``root``."""
    return IMAGE if has_image_copy(root) else ETC


def written(root: Path) -> Tuple[Place, ...]:
    """Return the places to which a change of ``root`` writes."""
    if not has_image_copy(root):
        return (ETC,)
    pristine = has_factory(root) and (root / PRISTINE.registry).is_dir()
    return (IMAGE, ETC, PRISTINE) if pristine else (IMAGE, ETC)


def make_folders(root: Path, place: Place) -> List[str]:
    """Make the folders of ``place``; return those that were missing, relative to the root."""
    new_folders: List[str] = []
    for name in (place.manifests, place.registry):
        folder = resolve_inside(root, name)
        for part in [*reversed(folder.relative_to(root).parents), folder.relative_to(root)]:
            if not (root / part).is_dir():
                (root / part).mkdir(mode=0o755)
                os.chmod(root / part, 0o755)  # whatever the umask
                sync_dir((root / part).parent)
                new_folders.append(part.as_posix())
    return new_folders
