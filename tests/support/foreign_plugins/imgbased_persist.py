"""As imgbased's src/plugin-dnf/imgbased-persist.py.

After a transaction it copies what arrived to the machine's persisted-rpms, and for a
kernel it writes the machine's boot set-up anew.
"""
from __future__ import annotations

import shutil
from typing import Any

import dnf

from tests.support.foreign_plugins import machine, note


class ImgbasedPersist(dnf.Plugin):
    """Copies packages, whatever the installroot is."""

    name = "imgbased-persist"
    config_name = "imgbased-persist"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base

    def transaction(self) -> None:
        folder = machine() / "persisted-rpms"
        for package in self.base.transaction.install_set:
            folder.mkdir(exist_ok=True)
            shutil.copy2(package.localPkg(), folder)
            if package.name == "kernel-core":
                note("boot-set-up", package.name)
