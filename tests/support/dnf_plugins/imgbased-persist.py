"""Does what imgbased's dnf plugin of this name does to the machine that runs dnf.

It copies each package that arrives to a folder of the machine, whatever the installroot,
takes those that leave away there, and sets the machine's boot up again for a new kernel.
The folder, by default imgbased's own, and the file that stands for the boot set-up are
options of imgbased-persist.conf.
"""
from __future__ import annotations

import os
import shutil
from typing import Any

import dnf


class ImgbasedPersist(dnf.Plugin):  # type: ignore[misc]  # dnf is untyped
    """Keeps packages for the next image, as imgbased does."""

    name = "imgbased-persist"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base
        options = self.read_config(base.conf)
        self.excluded = options.get("main", "excluded_pkgs").split(",")
        self.kernels = options.get("main", "bootsetup_pkgs").split(",")
        self.folder = options.get("main", "folder", fallback="/var/imgbased/persisted-rpms")
        self.boot = options.get("main", "boot", fallback="/boot/loader/imgbased-set-up")

    def transaction(self) -> None:
        """Act after a transaction."""
        for package in self.base.transaction.install_set:
            os.makedirs(self.folder, exist_ok=True)
            if package.name in self.kernels:
                with open(self.boot, "a") as stream:
                    stream.write(f"{package}\n")
            if package.name not in self.excluded:
                shutil.copy2(package.localPkg(), self.folder)
        for package in self.base.transaction.remove_set:
            path = f"{self.folder}/{package}.rpm"
            if os.path.exists(path):
                os.remove(path)
