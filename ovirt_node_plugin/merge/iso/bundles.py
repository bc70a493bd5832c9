"""The bundles of plugins that are kept on an ISO, in the folder ``/node-plugins/``."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ...images.image import Image
from ...images.iso.iso import IsoFile, copy_span
from ...plugin.archive import SUFFIXES
from ...registry import store
from ...registry.record import Record
from ...system.run import Runner, explained
from ...system.source_date import source_date
from .file_changes import FileChanges

FOLDER = "/node-plugins"
_NAME = re.compile(rf"{FOLDER}/([A-Za-z0-9][A-Za-z0-9._+~^-]*"
                   rf"(?:{'|'.join(map(re.escape, SUFFIXES))}))")


def bundles_on_iso(image: Image) -> List[IsoFile]:
    """Return the bundles on an ISO, none for another image."""
    iso = image.layout.iso
    return [file for file in iso.files if _NAME.fullmatch(file.path)] if iso is not None else []


def extract(image: Image, into: Path) -> Dict[str, Path]:
    """Copy the bundles of an ISO into the folder ``into``; return the copies by path on the ISO."""
    copies = {}
    for file in bundles_on_iso(image):
        copy = into / os.path.basename(file.path)
        copy_span(image.layout.path, file, copy)
        copies[file.path] = copy
    return copies


def bundle_changes(image: Image, root: Path, work: Path, *, saved: Path,
                   installed: Optional[Mapping[str, str]], run: Runner) -> FileChanges:
    """Return which bundles to write and to remove, for the plugins in the changed ``root``.

    A bundle on the ISO is kept as long as its plugin is installed in the same version.
    ``installed`` are the sources of the plugins that this merge installed, by plugin, whose
    bundles are to be kept; None if no bundles are to be added. A tar is copied; of a folder a
    tar is made in the folder ``work``. ``saved`` has a bundle of each plugin that this merge
    installed from a repository, by plugin. Sources in the records of the root are not opened, as
    the image or a scriptlet may name any file of this machine there.
    """
    records = store.read_registry(root).records.values()
    present = {file.path for file in bundles_on_iso(image)}
    needed = {path for record in records for path in _paths(record)}
    files: Dict[str, Path] = {}
    notes = []
    for record in records if installed is not None else ():
        source = (installed or {}).get(record.name, "")
        bundle = Path(source) if os.path.isabs(source) else saved / record.name
        if source and bundle.exists():
            path, file = _iso_file(record, bundle, work, run)
            files[path] = file
            needed.difference_update(_paths(record))
        elif not present.intersection(_paths(record)):
            notes.append(f"The bundle of plugin {record.name} is not kept on the ISO: the plugin"
                         f" came from {record.source}, in this merge or an earlier one.")
    removed = tuple(sorted(present - needed - files.keys()))
    if installed is None:
        notes += [f"{path} is removed from the ISO: its plugin was removed or has another"
                  " version now." for path in removed]
    return FileChanges(files, removed, tuple(notes))


def _iso_file(record: Record, source: Path, work: Path, run: Runner) -> Tuple[str, Path]:
    """Return the path of a plugin's bundle on the ISO, and the file to write there."""
    if source.is_file():
        form = next((form for suffix, form in SUFFIXES.items() if source.name.endswith(suffix)),
                    ".tar")
        return f"{_stem(record)}{form}", source.resolve()  # xorriso would copy a link itself
    tar = work / f"{record.name}.tar"
    date = source_date()
    dated = [f"--mtime=@{date}", "--clamp-mtime"] if date is not None else []
    with explained(f"the bundle {source} cannot be packed"):
        run(["tar", "--create", "--file", tar, "--sort=name", "--format=posix",
             "--pax-option=delete=atime,delete=ctime", "--owner=0", "--group=0",
             "--numeric-owner", *dated, "--directory", source, "."])
    return f"{_stem(record)}.tar", tar


def _stem(record: Record) -> str:
    return f"{FOLDER}/{record.name}-{record.version}"


def _paths(record: Record) -> Sequence[str]:
    """Return the paths that a plugin's bundle may have on an ISO."""
    return [_stem(record) + suffix for suffix in SUFFIXES]
