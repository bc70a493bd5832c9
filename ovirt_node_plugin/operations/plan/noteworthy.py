"""What deserves a review in packages: rights, devices, drop-ins, same names, scriptlets."""
from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import FrozenSet, Iterator, List, Mapping, Sequence, Tuple

from ...errors import OutsideRoot
from ...packages.headers import PackedFile
from ...policy.path_rules import RuleMatch
from ...settings.modules.module_index import kernel_modules, module_name
from ...system.paths import resolve_inside
from ...system.trees import stat_of
from ..model.results import (
    ACCESS,
    BUS_NAME,
    CAPABILITIES,
    COCKPIT,
    COMMAND,
    DEVICE,
    DRIVER,
    DROP_IN,
    LIBRARY,
    NAMESAKE,
    NOT_UPDATED,
    PROTECTED,
    SCRIPTLETS,
    SELINUX,
    SETGID,
    SETUID,
    TMPFILES,
    UNIT,
    WRITABLE,
    Notable,
)
from .active_files import ActiveFiles, shortened
from .active_paths import active_paths
from .active_units import Owner, nobody
from .arriving import Arrivals, Arriving

_NO_FILES: Mapping[str, Path] = MappingProxyType({})
# The most dangerous first
_ORDER = (SETUID, SETGID, CAPABILITIES, DEVICE, WRITABLE, DRIVER, ACCESS, UNIT, TMPFILES, LIBRARY,
          SELINUX, PROTECTED, COMMAND, BUS_NAME, COCKPIT, NAMESAKE, DROP_IN, NOT_UPDATED,
          SCRIPTLETS)
_RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}
# Where a shell looks for programs; which is first differs between users and services.
_PROGRAMS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin")
# What Python imports by a name: a file, an extension, or a folder with an __init__.
_IMPORTED = re.compile(
    r"usr/lib(?:64)?/(python[0-9][^/]*)/(?:site-packages/)?([^/.]+)"
    r"(?:/__init__)?(?:\.[^/]*)?\.(?:pyc?|so)")
# What the kernel finds by one name; firmware_loader/main.c, fw_path. Compressed files come last.
_FIRMWARE = re.compile(
    r"usr/lib/firmware/(?:updates/)?(?:[0-9]+\.[0-9][^/]*/)?(.+?)(?:\.xz|\.zst)?")
# Folders of which a file hides one of the same name in a later one: "CONFIGURATION DIRECTORIES AND
# PRECEDENCE" in tmpfiles.d(5), sysctl.d(5), modprobe.d(5), udev(7), systemd-system.conf(5)
_TOPS = ("etc", "run", "usr/local/lib", "usr/lib")
_HIDING = re.compile(
    rf"(?:{'|'.join(_TOPS)})/((?:binfmt|environment|modprobe|modules-load|sysctl|sysusers|tmpfiles)\.d"
    r"|udev/(?:rules|hwdb)\.d|kernel/install\.d|NetworkManager/(?:conf|dispatcher)\.d"
    r"|systemd/(?:[^/]+\.conf\.d|[^/]+-preset|[^/]+-generators|network|system-sleep"
    r"|system-shutdown))/([^/]+)")


def noteworthy(arrivals: Arrivals, others: Sequence[Notable] = (), *,
               files: Mapping[str, Path] = _NO_FILES, sources: Sequence[str] = (),
               texts: Sequence[Tuple[str, str, str]] = (), owner: Owner = nobody,
               ) -> Tuple[Notable, ...]:
    """Return what deserves a review in the packages that arrive and are fetched.

    Files are judged by their place, with the links of the root and of the packages followed,
    and by their content. ``files``, ``sources`` and ``owner`` are as in ``ActiveFiles``,
    ``texts`` are the arguments of its ``of_text`` for files of bundles. The result also has
    ``others``; the most dangerous kind is first, and of one kind it is sorted by package and
    path.
    """
    root = arrivals.root
    entries = [entry for entry in arrivals.entries if entry.file is not None]
    system = _System(
        root, modules=kernel_modules(root),
        arriving=frozenset(place for entry in entries for place in entry.places),
        files=ActiveFiles(arrivals, active_paths(root, arrivals.links), files=files,
                          sources=sources, owner=owner))
    notables = [*(notable for entry in entries for notable in _entry(entry, system)), *others]
    notables += [notable for text in texts for notable in system.files.of_text(*text)]
    notables += [Notable(change.nevra, SCRIPTLETS, "", ", ".join(change.header.scriptlets))
                 for change in arrivals.packages
                 if change.header is not None and change.header.scriptlets]
    notables += [Notable(change.nevra, SELINUX, "", f"scriptlet {name}: {shortened(line)}")
                 for change in arrivals.packages if change.header is not None
                 for name, line in change.header.policy_lines]
    packages = {change.nevra: rank for rank, change in enumerate(arrivals.packages)}
    return tuple(sorted(dict.fromkeys(notables), key=lambda notable: (
        _RANKS[notable.kind], packages.get(notable.package, -1), notable.path)))


@dataclass(frozen=True)
class _System:
    """A root, the modules of its kernels, all places of arriving files, and the active files."""

    root: Path
    modules: FrozenSet[str]
    arriving: FrozenSet[str]
    files: ActiveFiles


def _entry(entry: Arriving, system: _System) -> Iterator[Notable]:
    file, nevra = entry.file, entry.change.nevra
    if file is None:
        return
    yield from _rights(nevra, file)
    if file.is_folder:
        return
    matches = [(place, match) for place in entry.places
               for match in [system.files.read_as(place)] if match is not None]
    if file.ghost:
        if matches:
            yield Notable(nevra, DROP_IN, file.path, "a name only, which something else may fill")
        return
    if matches:
        place, match = matches[-1]
        yield from system.files.notables(entry, place, match.rule.path,
                                         _detail(file.path, place, match))
    else:
        yield from system.files.elsewhere(entry)
    for name in dict.fromkeys(map(module_name, entry.places)):
        if name in system.modules:
            yield Notable(nevra, DRIVER, file.path, name)
    others = dict.fromkeys(other for place in entry.places
                           for other in _namesakes(place, system.root)
                           if other not in system.arriving)
    if others:
        yield Notable(nevra, NAMESAKE, file.path, ", ".join(f"/{other}" for other in others))


def _detail(path: str, place: str, match: RuleMatch) -> str:
    """Return how the file ``path`` at ``place`` is active, if that is not plain."""
    if match.above:
        return f"on the way to /{match.rule.path}"
    if match.place != match.rule.path:
        return f"read through /{match.rule.path}"
    return "" if f"/{place}" in (path, f"/usr{path}") else f"that is /{place}"


def _rights(nevra: str, file: PackedFile) -> Iterator[Notable]:
    owner = f"mode {stat.S_IMODE(file.mode):04o}, {file.owner}:{file.group}"
    if file.is_regular and file.mode & stat.S_ISUID:
        yield Notable(nevra, SETUID, file.path, owner)
    if file.is_regular and file.mode & stat.S_ISGID:
        yield Notable(nevra, SETGID, file.path, owner)
    if file.capabilities:
        yield Notable(nevra, CAPABILITIES, file.path, file.capabilities)
    if stat.S_ISCHR(file.mode) or stat.S_ISBLK(file.mode):
        yield Notable(nevra, DEVICE, file.path, owner)
    sticky_folder = file.is_folder and file.mode & stat.S_ISVTX
    if file.mode & stat.S_IWOTH and not stat.S_ISLNK(file.mode) and not sticky_folder:
        yield Notable(nevra, WRITABLE, file.path, owner)


def _namesakes(place: str, root: Path) -> List[str]:
    """Return the files of ``root`` that the file at ``place`` may hide.

    These are programs, Python modules, drop-ins and firmware of the same name in other folders
    that are searched for them; firmware can also have another suffix of compression. All paths
    are relative to the root.
    """
    folder, _, name = place.rpartition("/")
    module, drop_in = _IMPORTED.fullmatch(place), _HIDING.fullmatch(place)
    firmware = _FIRMWARE.fullmatch(place)
    candidates: List[str] = []
    if folder in _PROGRAMS:
        candidates = [f"{other}/{name}" for other in _PROGRAMS]
    elif drop_in:
        candidates = [f"{top}/{'/'.join(drop_in.groups())}" for top in _TOPS]
    elif module:
        candidates = [f"usr/{lib}/{module.group(1)}{below}/{module.group(2)}{end}"
                      for lib in ("lib64", "lib") for below in ("", "/site-packages")
                      for end in (".py", "/__init__.py")]
    elif firmware:
        candidates = [f"usr/lib/firmware/{above}{firmware.group(1)}{end}"
                      for above in ("updates/", "") for end in ("", ".zst", ".xz")]
    return [path for path in candidates if path != place and _is_there(root, path)]


def _is_there(root: Path, place: str) -> bool:
    """Return whether an entry exists at ``place`` without a link to a folder in its path."""
    try:
        where = resolve_inside(root, place, follow_last=False)
    except OutsideRoot:
        return False
    return where == root / place and stat_of(where) is not None
