"""Does what imgbased's dnf plugin of this name does to the machine that runs dnf.

It copies each package that arrives to a folder of the machine, whatever the installroot,
removes from there those that leave, and sets the machine's boot up again for a new kernel. As
imgbased's src/plugin-dnf/imgbased-persist.py; a Node image has it too.
"""
from __future__ import annotations

import os
import shutil
from typing import Any

import dnf


class ImgbasedPersist(dnf.Plugin):
    """Keeps packages for the next image, as imgbased does."""

    name = "imgbased-persist"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base
        self.excluded, self.kernels = [""], ["kernel-core"]
        options = self.read_config(base.conf)
        if options.has_section("main"):  # as a Node's imgbased-persist.conf has
            self.excluded = options.get("main", "excluded_pkgs").split(",")
            self.kernels = options.get("main", "bootsetup_pkgs").split(",")
        machine = os.environ.get("FOREIGN_MACHINE", "")
        self.folder = f"{machine}/var/imgbased/persisted-rpms"
        self.boot = f"{machine}/boot/loader/imgbased-set-up"

    def transaction(self) -> None:
        """Act after a transaction."""
        for package in self.base.transaction.install_set:
            os.makedirs(self.folder, exist_ok=True)
            if package.name in self.kernels:
                os.makedirs(os.path.dirname(self.boot), exist_ok=True)
                with open(self.boot, "a") as stream:
                    stream.write(f"{package}\n")
            if package.name not in self.excluded:
                shutil.copy2(package.localPkg(), self.folder)
        for package in self.base.transaction.remove_set:
            path = f"{self.folder}/{package}.rpm"
            if os.path.exists(path):
                os.remove(path)
