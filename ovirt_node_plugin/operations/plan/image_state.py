"""What a deployed host in image mode does not get with a new image.

bootc and ostree replace /usr and merge /etc. The image's /var, with all that links lead to it,
such as /opt in some images, is written at the first installation of a host only (bootc's
docs/src/filesystem.md). Later, systemd-tmpfiles(8) makes what tmpfiles.d(5) declares.
"""
from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Collection, DefaultDict, Dict, Iterator, List, Mapping, Set, Tuple

from ...packages.payload import read_files
from ...settings.placed import tmpfiles
from ...system.limits import TEXT_BYTES
from ...system.path_sets import OF_ALL
from ...system.paths import is_inside_any
from ..model.results import NOT_UPDATED, Notable
from .arriving import Arrivals, Arriving

_STATE = ("var",)
_DECLARATIONS = "/usr/lib/tmpfiles.d/"
_READ_FILES = 16  # of one package


def not_updated(arrivals: Arrivals, sources: Collection[str],
                files: Mapping[str, Path]) -> Tuple[Notable, ...]:
    """Return the folders and files of packages that only the first installation writes.

    Files in one folder below the shared ones are one item. Folders count that no tmpfiles.d(5)
    file of their package makes, and none of ``sources``, the files of the plugins' settings.
    ``files`` are the RPM files on this machine by NEVRA.
    """
    entries: Dict[str, List[Arriving]] = {}
    for entry in arrivals.entries:
        if entry.file is not None and not entry.file.ghost and any(
                is_inside_any(place, _STATE) for place in entry.places):
            entries.setdefault(entry.change.nevra, []).append(entry)
    made = {path for nevra in entries if nevra in files
            for path in _declared(arrivals, nevra, sources, files[nevra])}
    return tuple(notable for nevra, state in entries.items()
                 for notable in _of_package(nevra, state, made))


def _declared(arrivals: Arrivals, nevra: str, sources: Collection[str],
              package: Path) -> Iterator[str]:
    """Yield the paths that files of tmpfiles.d(5) in a package make."""
    names = [entry.path for entry in arrivals.entries if entry.change.nevra == nevra and (
        entry.path in sources or entry.path.startswith(_DECLARATIONS))]
    for _, content in read_files(package, names[:_READ_FILES], max_bytes=TEXT_BYTES):
        for path in tmpfiles.paths(content.decode(errors="replace"), boot=True):
            yield path.rstrip("/")


def _of_package(nevra: str, state: List[Arriving], made: Set[str]) -> Iterator[Notable]:
    counts: DefaultDict[str, List[int]] = defaultdict(lambda: [0, 0])
    for entry in state:
        if entry.path not in made:
            counts[_top(entry.path)][entry.may_be_folder] += 1
    for path in sorted(counts):
        yield Notable(nevra, NOT_UPDATED, path, _count_text(*counts[path]))


def _top(path: str) -> str:
    """Return the highest folder that is or has ``path`` and is not a shared one of the system."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(2, len(parts) + 1)]
    return next((folder for folder in above if folder[1:] not in OF_ALL), path)


def _count_text(files: int, folders: int) -> str:
    texts = [f"{files} file{'s' * (files > 1)}" if files else "",
             f"{folders} folder{'s' * (folders > 1)} that no tmpfiles.d file makes"
             if folders else ""]
    return ", ".join(filter(None, texts))
