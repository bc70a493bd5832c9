"""The bundles of plugins on the ISO, in ``/node-plugins/``: kept there, and found there again."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..images.image import Image
from ..images.iso import IsoFile, copy_span
from ..registry import store
from ..registry.record import Record
from ..system.run import Runner

FOLDER = "/node-plugins"
_NAME = re.compile(rf"{FOLDER}/([A-Za-z0-9][A-Za-z0-9._+~^-]*\.tar(?:\.(?:gz|xz|zst))?)")
_ENDS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst")


@dataclass(frozen=True)
class IsoBundles:
    """What is to be on the ISO: host ``files`` by their paths there, and paths ``gone``."""

    files: Mapping[str, Path] = field(default_factory=dict)
    gone: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()


def on_iso(image: Image) -> List[IsoFile]:
    """Return the bundles that an ISO has, none for another image."""
    iso = image.layout.iso
    return [file for file in iso.files if _NAME.fullmatch(file.path)] if iso is not None else []


def extracted(image: Image, into: Path) -> Dict[str, Path]:
    """Copy the bundles of an ISO into the folder ``into``; return the copies by their paths."""
    found = {}
    for file in on_iso(image):
        copy = into / os.path.basename(file.path)
        copy_span(image.layout.path, file, copy)
        found[file.path] = copy
    return found


def kept(image: Image, root: Path, work: Path, *, fresh: Optional[Mapping[str, str]],
         run: Runner) -> IsoBundles:
    """Return the bundles that belong on the ISO of the plugins in the changed ``root``.

    Those that are there stay as long as their plugins do. ``fresh`` is where those come from
    that this merge installed, by name, whose bundles are to be kept: a tar as it is, a
    folder as a tar of it; None if no more are wanted. What the records in the root name on
    this machine is not read: they are the image's word only, and a scriptlet's.
    """
    records = store.read_registry(root).records.values()
    there = {file.path for file in on_iso(image)}
    wanted = {path for record in records for path in _paths(record)}
    files: Dict[str, Path] = {}
    notes = []
    for record in records if fresh is not None else ():
        source = (fresh or {}).get(record.name, "")
        if os.path.isabs(source):
            path, file = _packed(record, Path(source), work, run)
            files[path] = file
            wanted.difference_update(_paths(record))
        elif not there.intersection(_paths(record)):
            notes.append(f"The bundle of plugin {record.name} is not kept: it came from"
                         f" {record.source}, by this merge or an earlier one.")
    gone = tuple(sorted(there - wanted - files.keys()))
    if fresh is None:
        notes += [f"{path} is taken off the ISO, as its plugin is another version now or gone."
                  for path in gone]
    return IsoBundles(files, gone, tuple(notes))


def _packed(record: Record, source: Path, work: Path, run: Runner) -> Tuple[str, Path]:
    """Return a plugin's path on the ISO, and the file to put there."""
    if source.is_file():
        end = next((end for end in _ENDS if source.name.endswith(end)), ".tar")
        return f"{_stem(record)}{'.tar.gz' if end == '.tgz' else end}", source
    tar = work / f"{record.name}.tar"
    run(["tar", "--create", "--file", tar, "--sort=name", "--format=posix",
         "--pax-option=delete=atime,delete=ctime", "--owner=0", "--group=0", "--numeric-owner",
         "--directory", source, "."])
    return f"{_stem(record)}.tar", tar


def _stem(record: Record) -> str:
    return f"{FOLDER}/{record.name}-{record.version}"


def _paths(record: Record) -> Sequence[str]:
    """Return the paths that a plugin's bundle may have on an ISO."""
    return [_stem(record) + end for end in _ENDS if end != ".tgz"]
