"""A plugin in a repository's metadata, as the folder of a bundle to examine."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List

from ...errors import BadBundle
from ...packages.metadata import read_bundle_files, read_metadata
from ...packages.start import FILES_METADATA_TYPE, METADATA_TYPE
from ...plugin.archive import SUFFIXES
from ...plugin.bundle import metadata_by_type
from ...plugin.descriptor import DESCRIPTOR_NAME
from ...system.run import Runner


def is_repository(path: Path) -> bool:
    """Return whether ``path`` is the folder of a repository, not that of a bundle."""
    return (path / "repodata/repomd.xml").is_file() and not (path / DESCRIPTOR_NAME).exists()


def bundles_at(path: Path) -> List[Path]:
    """Return the bundles in the folder ``path`` if it is that of several, else ``path``."""
    if not path.is_dir() or (path / DESCRIPTOR_NAME).exists() or is_repository(path):
        return [path]
    children = sorted(path.iterdir())
    return [child for child in children
            if (child / DESCRIPTOR_NAME).exists() or is_repository(child) and _has_plugin(child)
            or child.is_file() and child.name.endswith(tuple(SUFFIXES))] or [path]


def _has_plugin(repository: Path) -> bool:
    """Return whether a repository has a plugin, or metadata that cannot be read."""
    try:
        return any(kind == METADATA_TYPE for kind, _ in metadata_by_type(repository))
    except BadBundle:
        return True


def write_bundle(repository: Path, into: Path, *, run: Runner) -> None:
    """Write the descriptor of a plugin in the metadata of ``repository``, and its files.

    ``into`` is an empty folder. Raises BadBundle for metadata that cannot be read or have no
    descriptor.
    """
    files: Dict[str, Path] = {}
    for kind, path in metadata_by_type(repository):
        files.setdefault(kind, path)
    if METADATA_TYPE not in files:
        raise BadBundle("the metadata of the repository have no descriptor of a plugin",
                        hint="Add it: modifyrepo_c --mdtype=node-plugin node-plugin.xml repodata")
    (into / DESCRIPTOR_NAME).write_bytes(read_metadata(files[METADATA_TYPE]))
    if FILES_METADATA_TYPE in files:
        for name, content in read_bundle_files(files[FILES_METADATA_TYPE], run=run,
                                               repo_id=repository.name).items():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(content)
