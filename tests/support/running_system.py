"""This machine as a root ``/`` with another identity, in an overlay and a chroot."""
from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Sequence

from ovirt_node_plugin.system.path_sets import RPM_DATABASES
from ovirt_node_plugin.system.paths import resolve_inside
from ovirt_node_plugin.system.run import run

from .cache import cache_root
from .dnf_runner import TOP, Dnf

_DEBIANS_DATABASE = "root/.rpmdb"

# Runs a command chrooted into an overlay of the running system. Its changes stay in the
# first folder; the other folders may be on filesystems of their own.
OVERLAY = """#!/bin/sh
set -e
space=$1 folders=$2
shift 2
mount -t overlay overlay "$space/root" \
    -o "lowerdir=/,upperdir=$space/upper,workdir=$space/work"
for folder in /proc /sys /dev $folders; do
    mkdir -p "$space/root$folder"
    mount --rbind "$folder" "$space/root$folder"
done
exec chroot "$space/root" "$@"
"""


class RunningSystem:
    """A running system with an identity other than this machine's.

    It has the folders ``shown`` although they may be on a filesystem of their own.
    """

    def __init__(self, space: Path, dnf: Dnf, *, shown: Sequence[Path] = ()) -> None:
        self.changes = space / "upper"
        for name in ("root", "upper", "work"):
            (space / name).mkdir()
        script = space / "enter"
        script.write_text(OVERLAY)
        folders = " ".join(map(str, (TOP, cache_root(), dnf.folder.parent, *shown)))
        self.prefix = ("unshare", "--mount", "--propagation", "slave", "sh", str(script),
                       str(space), folders)
        self.dnf = Dnf(dnf.folder, prefix=self.prefix)

    def take_identity(self, root: Path, database: str) -> None:
        """Copy os-release, repositories and rpm database from ``root``."""
        for name in (database, "etc/yum.repos.d", "etc/dnf"):
            shutil.copytree(root / name, self.changes / name, symlinks=True, dirs_exist_ok=True)
        release = resolve_inside(root, "etc/os-release").read_text()
        (self.changes / "etc/os-release").write_text(release)
        # hides a registry of this machine, and its databases
        (self.changes / "etc/ovirt.plugins.d").mkdir()
        for name in {*RPM_DATABASES, _DEBIANS_DATABASE} - {database}:
            if (Path("/") / name).is_dir():
                (self.changes / name).parent.mkdir(parents=True, exist_ok=True)
                os.mknod(self.changes / name, stat.S_IFCHR)  # overlayfs: not there

    def packages(self, database: str) -> str:
        """Return the installed packages according to the rpm database of the running system."""
        return run([*self.prefix, "rpm", "--dbpath", f"/{database}", "-qa"])
