"""What packages of plugins may bring: files in the allowed paths, and in nobody's books."""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from ...config import Config
from ...errors import DisputedFile, OutsideRoot, PathsRefused
from ...packages.session import PackageChange
from ...registry.store import MANIFESTS, REGISTRY
from ...settings.modules import kernel_modules
from ...system.paths import is_inside, real_places, resolve_inside
from ...system.words import first_lines
from ...target import Target
from ...undo import journal
from ..model.job import Job
from .arriving import Arriving, arriving
from .namesakes import driver
from .path_rules import PathPolicy, built_in, read_rules

# Where DNF reads repositories and its configuration (dnf.conf(5), "reposdir"): a plugin's
# repositories are in its bundle, where they are known as its own and stay off.
DNF_FOLDERS = ("etc/yum.repos.d", "etc/yum/repos.d", "etc/distro.repos.d", "etc/dnf")
# What the administrator tells this tool.
CONFIGURATION = "etc/ovirt-node-plugin"
_MOST_NAMED = 10


def check_reserved(packages: Sequence[PackageChange], target: Target) -> None:
    """Raise PathsRefused if a package brings a file to where others keep their books.

    That is this tool's registry, journal and configuration, rpm's database, and DNF's
    repositories and configuration, whatever paths are allowed. The folders themselves
    may be a package's.
    """
    own = real_places(target.root, (REGISTRY, MANIFESTS, journal.FOLDER, CONFIGURATION,
                                    target.rpmdb, *DNF_FOLDERS))
    found = []
    for entry in arriving(packages, target.root):
        inside = any(is_inside(place, folder) and place != folder
                     for place in entry.places for folder in own)
        if inside or not entry.places:
            found.append(DisputedFile(
                "", entry.change.nevra, entry.path,
                "it is not a package's to bring" if inside else "it leads out of the root"))
    if found:
        raise PathsRefused(
            "\n  ".join(["packages bring files that are not theirs to bring:", *told(found)]),
            hint="Do not install them; ask their vendor.", files=found)


def check(jobs: Sequence[Job], packages: Sequence[PackageChange], target: Target,
          config: Config) -> Tuple[DisputedFile, ...]:
    """Return the files that the plugins' packages bring outside the allowed paths.

    A package that several plugins bring may have what any of them may.

    Raises PathsRefused for them where ``config`` has the allowed paths enforced in such
    a root, UsageError for a rule of the administrator's that is none.
    """
    mode = config.allowed_paths
    if mode == "auto":
        mode = "enforce" if target.is_node else "warn"
    if mode == "off" or not jobs:
        return ()
    found = _outside(jobs, packages, target, config)
    if found and mode == "enforce":
        raise PathsRefused(
            "\n  ".join([f"{_subject(found)} files outside the allowed paths:", *told(found)]),
            hint="Ask the vendor to put them elsewhere, or allow those paths in"
                 f" {config.path_lists[0]}; see ALLOWED PATHS in dnf-node-plugin(8).",
            files=found)
    return found


def notes(found: Sequence[DisputedFile]) -> Tuple[str, ...]:
    """Return lines for a plan about files that are let through all the same."""
    return tuple(f"outside the allowed paths: {line}" for line in told(found))


def told(found: Sequence[DisputedFile], most: int = _MOST_NAMED) -> List[str]:
    """Return a line for each of the first ``most`` files, and one with the number of the others."""
    lines = [f"{one.path} in package {one.package}{_of(one.plugin)}: {one.reason}"
             for one in found]
    return first_lines(lines, most, after=", which --json names")


def brings_modules(job: Job, entries: Sequence[Arriving], root: Path) -> bool:
    """Say if a plugin is one with kernel modules: it brings or has some, or sets some up.

    Keeping one from loading is no reason to have files for it.
    """
    if any(item.kind == kernel_modules.KIND.name and not item.key.endswith(":blacklist")
           for item in job.upgrade.order):
        return True
    mine = set(job.packages)
    coming = {entry.path for entry in entries}
    return (any(entry.change.nevra in mine and _has_driver(entry) for entry in entries)
            or any(driver(path.strip("/")) and path not in coming and _is_file(root, path)
                   for path in job.context.files))


def _is_file(root: Path, path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(resolve_inside(root, path, follow_last=False)).st_mode)
    except (OSError, OutsideRoot):
        return False


def _has_driver(entry: Arriving) -> bool:
    """Say if it is a kernel module, not only what has the name of one."""
    real = entry.file is None or (
        entry.file.is_regular and not entry.is_ghost and entry.file.size_bytes > 0)
    return real and any(driver(place) for place in entry.places)


def _outside(jobs: Sequence[Job], packages: Sequence[PackageChange], target: Target,
             config: Config) -> Tuple[DisputedFile, ...]:
    own = read_rules(config.path_lists)
    ordinary = PathPolicy([*built_in(kernel_module=False), *own], root=target.root)
    with_modules = PathPolicy([*built_in(kernel_module=True), *own], root=target.root)
    whose = plugins_of(jobs)
    entries = list(arriving(packages, target.root))
    theirs = {nevra for job in jobs if brings_modules(job, entries, target.root)
              for nevra in job.packages}
    found = []
    for entry in entries:
        nevra = entry.change.nevra
        objection = _objection(entry, with_modules if nevra in theirs else ordinary)
        if objection:
            found.append(DisputedFile(", ".join(whose.get(nevra, ())), nevra, entry.path,
                                      objection))
    return tuple(found)


def _objection(entry: Arriving, policy: PathPolicy) -> str:
    for place in entry.places:
        objection = policy.objection(place, folder=entry.may_be_folder, claimed=entry.is_ghost)
        if objection and f"/{place}" != entry.path:
            return f"that is /{place}; {objection}"
        if objection:
            return objection
    return ""


def plugins_of(jobs: Sequence[Job]) -> Dict[str, List[str]]:
    """Return the plugins of a run that bring or share each package, by NEVRA."""
    found: Dict[str, List[str]] = {}
    for job in jobs:
        for nevra in job.packages:
            found.setdefault(nevra, []).append(job.name)
    return found


def _of(plugin: str) -> str:
    return f" of plugin {plugin}" if plugin else ""


def _subject(found: Sequence[DisputedFile]) -> str:
    names = list(dict.fromkeys(one.plugin for one in found))
    return f"plugin {names[0]} brings" if len(names) == 1 else f"plugins {', '.join(names)} bring"
