"""Which files packages of plugins may contain: in the allowed paths, in no reserved folder."""
from __future__ import annotations

import functools
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Collection, List, Pattern, Sequence, Tuple

from ...config import Config
from ...errors import DisputedFile, OutsideRoot, PathsRefused
from ...policy import other_places
from ...policy.path_rules import NOT_ALLOWED, PathPolicy, PathRule, built_in, read_rules
from ...settings.modules import kernel_modules
from ...settings.modules.module_index import module_name
from ...system import read_paths
from ...system.globs import below_pattern
from ...system.link_places import LinkPlaces
from ...system.paths import resolve_inside
from ...system.words import first_lines
from ...target import Target
from ..model.jobs import Job
from .arriving import Arrivals, Arriving

_MOST_NAMED = 10


def check_reserved(arrivals: Arrivals, target: Target) -> None:
    """Raise PathsRefused if a package contains files in reserved places, or on the way there.

    A link that leads to such a place is refused too, wherever it is.

    Reserved are this tool's registry, journal and configuration, rpm's database, and DNF's
    repositories, configuration and logs, whatever paths are allowed. The folders themselves
    may belong to a package.
    """
    paths = dict.fromkeys((*read_paths.paths_of(read_paths.RESERVED), target.rpmdb))
    policy = PathPolicy([PathRule(path, False, f"/{path} is reserved") for path in paths],
                        root=target.root, links=arrivals.links)
    links = LinkPlaces(target.root, arrivals.links)
    refused = [replace(entry.disputed(reason), plugin="") for entry in arrivals.entries
               for reason in [_reservation(entry, policy) or _lead(entry, policy, links)]
               if reason]
    if refused:
        raise PathsRefused(
            "\n  ".join(["packages contain files in reserved places:", *listed(refused)]),
            hint="Do not install them; ask their vendor.", files=refused)


def _reservation(entry: Arriving, policy: PathPolicy) -> str:
    """Return why a package may not have ``entry`` in any root, empty if it may."""
    if not entry.places:
        return "it leads out of the root"
    for place in entry.places:
        match = policy.deciding(place, folder=entry.may_be_folder)
        if match is not None and not (entry.may_be_folder and place == match.place):
            return match.objection
    return ""


def _lead(entry: Arriving, policy: PathPolicy, links: LinkPlaces) -> str:
    """Return to which reserved place a link leads, empty without one."""
    if entry.file is None or not entry.file.link:
        return ""
    steps = [step for place in entry.places for step in links.of(place)]
    return next((f"it leads to /{step}; {match.objection}" for step in steps
                 for match in [policy.deciding(step, folder=True)] if match is not None), "")


def check(jobs: Sequence[Job], arrivals: Arrivals, target: Target,
          config: Config) -> Tuple[DisputedFile, ...]:
    """Return the files of the plugins' packages that lie outside the allowed paths.

    A package of several plugins may contain what any of them may.

    Raises PathsRefused for them if ``config`` enforces the allowed paths in such a root,
    UsageError for an invalid rule of the administrator.
    """
    mode = config.allowed_paths
    if mode == "auto":
        mode = "enforce" if target.is_node else "warn"
    if mode == "off" or not jobs:
        return ()
    outside = tuple(_outside(jobs, arrivals, config))
    if outside and mode == "enforce":
        names = list(dict.fromkeys(each.plugin for each in outside))
        subject = (f"plugin {names[0]} brings" if len(names) == 1 else
                   f"plugins {', '.join(names)} bring")
        raise PathsRefused(
            "\n  ".join([f"{subject} files outside the allowed paths:", *listed(outside)]),
            hint=other_places.hint((each.path for each in outside), config.path_lists[0]),
            files=outside)
    return outside


def notes(files: Sequence[DisputedFile]) -> Tuple[str, ...]:
    """Return lines for a plan about files outside the allowed paths that are let through."""
    return tuple(f"outside the allowed paths: {line}" for line in listed(files))


def listed(files: Sequence[DisputedFile], *, by_rules: bool = True) -> List[str]:
    """Return lines for files, those first that programs read by themselves or that are denied.

    Each of these has a line; of the others, the first ten, and the number of the rest.
    ``by_rules``: the rules for paths refuse them, for the reason that each has.
    """
    active = _active()
    read = [each for each in files if active.match(each.path[1:])
            or by_rules and NOT_ALLOWED not in each.reason]
    shown = set(read)
    others = [each for each in files if each not in shown]
    lines = [f"{each.path} in package {each.package}"
             + (f" of plugin {each.plugin}" if each.plugin else "") + f": {each.reason}"
             for each in (*read, *others)]
    return first_lines(lines, len(read) + _MOST_NAMED, after=", which --json names")


@functools.lru_cache(maxsize=1)
def _active() -> Pattern[str]:
    return below_pattern(*read_paths.active())


def brings_modules(job: Job, arrivals: Arrivals) -> bool:
    """Return whether a plugin contains kernel modules, has some installed or sets some up.

    Settings that only keep a module from loading do not count.
    """
    if any(item.kind == kernel_modules.KIND.name and not item.key.endswith(":blacklist")
           for item in job.upgrade.order):
        return True
    own, arriving = set(job.packages), {entry.path for entry in arrivals.entries}
    return (any(entry.change.nevra in own and is_module(entry)
                for entry in arrivals.entries)
            or any(module_name(path.strip("/")) and path not in arriving
                   and _is_file(arrivals.root, path) for path in job.context.files))


def _is_file(root: Path, path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(resolve_inside(root, path, follow_last=False)).st_mode)
    except (OSError, OutsideRoot):
        return False


def is_module(entry: Arriving) -> bool:
    """Return whether it is a kernel module with content, not only a file of such a name."""
    has_content = entry.file is None or (
        entry.file.is_regular and not entry.is_ghost and entry.file.size_bytes > 0)
    return has_content and any(module_name(place) for place in entry.places)


def _outside(jobs: Sequence[Job], arrivals: Arrivals, config: Config) -> List[DisputedFile]:
    return outside(arrivals, read_rules(config.path_lists), {
        nevra for job in jobs if brings_modules(job, arrivals) for nevra in job.packages})


def outside(arrivals: Arrivals, rules: Sequence[PathRule],
            module_packages: Collection[str]) -> List[DisputedFile]:
    """Return the files outside the allowed paths, which ``rules`` of a site change.

    ``module_packages`` are the NEVRAs of packages of plugins with kernel modules.
    """
    ordinary, with_modules = (
        PathPolicy([*built_in(kernel_module=allowed), *rules], root=arrivals.root,
                   links=arrivals.links)
        for allowed in (False, True))
    objections = ((entry, _objection(
        entry, with_modules if entry.change.nevra in module_packages else ordinary))
        for entry in arrivals.entries)
    return [entry.disputed(reason) for entry, reason in objections if reason]


def _objection(entry: Arriving, policy: PathPolicy) -> str:
    for place in entry.places:
        objection = policy.objection(place, folder=entry.may_be_folder, claimed=entry.is_ghost)
        if objection:
            return objection if f"/{place}" == entry.path else f"that is /{place}; {objection}"
    return ""
