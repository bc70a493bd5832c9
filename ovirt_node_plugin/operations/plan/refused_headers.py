"""Which packages are refused for what their headers say, whatever they would do when run.

Isolation makes both kinds harmless. This check is a second wall: it names the package before
anything is changed.
"""
from __future__ import annotations

import fnmatch
import stat
from typing import Dict, List

from ...config import Config
from ...errors import Refused
from ...policy.opened_paths import is_opened
from ...target import Target
from .arriving import Arrivals, Arriving


def check(arrivals: Arrivals, target: Target, config: Config) -> None:
    """Raise Refused for packages that could mislead rpm or DNF outside of the root.

    These are packages with scriptlets in which rpm expands macros, as it does so before it
    enters the root; with device nodes; and with links that DNF follows outside of the root.
    ``config`` can allow the first two by the package's name. On the running system none is
    refused: there, rpm and DNF are in the root.
    """
    if target.live:
        return
    problems: Dict[str, List[str]] = {}
    for change in arrivals.packages:
        allowed = any(fnmatch.fnmatchcase(change.name, pattern)
                      for pattern in config.isolation_allow)
        if change.header is not None and not allowed:
            problems[change.nevra] = [
                f"rpm expands macros in its scriptlet {name}, outside of the root"
                for name in change.header.expanded]
    for entry in arrivals.entries:
        problem = _problem(entry)
        if problem and (entry.change.nevra in problems or not _is_device(entry)):
            problems.setdefault(entry.change.nevra, []).append(problem)
    lines = [f"{nevra}: {problem}" for nevra, found in problems.items() for problem in found]
    if lines:
        raise Refused(
            "\n  ".join(["packages could change this machine instead of the root:", *lines]),
            code="packages/header",
            hint="Ask their vendor to leave that out. To accept macros and device nodes of a"
                 " package, add its name to isolation_allow in"
                 " /etc/dnf/plugins/node-plugin.conf.")


def _problem(entry: Arriving) -> str:
    """Return what is wrong with one entry of a package; empty if nothing is."""
    if _is_device(entry):
        return f"it contains the device node {entry.path}"
    if entry.file is not None and stat.S_ISLNK(entry.file.mode) and not entry.is_ghost and any(
            is_opened(place, absolute=entry.file.link.startswith("/")) for place in entry.places):
        return f"dnf follows its symbolic link {entry.path} to {entry.file.link} of this machine"
    return ""


def _is_device(entry: Arriving) -> bool:
    return entry.file is not None and entry.file.is_device
