"""What dnf and rpm open in a root by its path on this machine, from outside of the root.

Scriptlets run chrooted into the root, where every link stays inside. dnf and rpm themselves
follow the links of the root as this machine's kernel does: an absolute one leads them to
this machine's own files.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Callable

from .errors import Refused
from .paths import resolve_inside, way_out
from .target import read_target

CACHE = "var/cache/dnf"
# dnf.conf(5): "cachedir", "persistdir", "reposdir", "varsdir" and others
_FOLDERS = ("etc", "etc/dnf", "etc/yum", "var", "var/cache", CACHE, "var/lib", "usr", "usr/share")
_WITH_FILES = ("etc/dnf/modules.d", "etc/dnf/modules.defaults.d", "etc/dnf/protected.d",
               "etc/dnf/vars", "etc/distro.repos.d", "etc/yum.repos.d", "etc/yum/repos.d",
               "etc/yum/vars", "var/lib/dnf")
# dnf makes these where they are missing, also where a link leads to
_MADE = ("var/cache", CACHE)


def refuse_ways_out(root: Path, title: str) -> None:
    """Raise Refused where dnf or rpm would leave ``root``, or open what is no file there.

    That is a link which leads elsewhere when it is followed from outside of the root, a
    device, or a link to a folder that is missing. ``title`` names the root in messages,
    as ``the image``. Raises BadRoot if ``root`` is no RPM based system.
    """
    with_files = (*_WITH_FILES, read_target(root).rpmdb)
    for name in (*_FOLDERS, *with_files):
        _refuse_unless(root, name, stat.S_ISDIR, "folder", title)
    for name in with_files:
        folder = resolve_inside(root, name)
        for entry in sorted(os.listdir(folder)) if folder.is_dir() else ():
            _refuse_unless(root, f"{name}/{entry}",
                           lambda mode: stat.S_ISREG(mode) or stat.S_ISDIR(mode), "file", title)


def _refuse_unless(root: Path, name: str, allowed: Callable[[int], bool], what: str,
                   title: str) -> None:
    elsewhere = way_out(root, name)
    if elsewhere:
        raise Refused(
            f"/{name} in {title} leads, by a symbolic link, to {elsewhere} of this machine when it"
            " is followed from outside of it, as dnf and rpm follow it",
            hint="Make it a relative link that stays inside, then try again.")
    try:
        mode = os.stat(root / name).st_mode  # the kernel stays inside, as was just seen
    except (FileNotFoundError, NotADirectoryError):
        if what == "folder" and os.path.islink(root / name) and name not in _MADE:
            raise Refused(f"/{name} in {title} is a symbolic link to a folder that is not there",
                          hint="Make that folder there, then try again.") from None
        return
    if not allowed(mode):
        raise Refused(f"/{name} in {title} is no {what}; dnf or rpm would open it",
                      hint="Find out who made it, and take it away.")
