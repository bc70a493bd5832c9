"""Stand-in for dnf-plugins-core's plugins/local.py.

Before repositories are read, it adds a repository of the machine; after a transaction it
copies the installed packages there.
"""
from __future__ import annotations

import shutil
from typing import Any

import dnf
import dnf.repo

from tests.support.foreign_plugins import machine


class Local(dnf.Plugin):
    """Copies every installed package to a repository of the machine."""

    name = "local"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base

    def pre_config(self) -> None:
        repo = dnf.repo.Repo("_dnf_local", self.base.conf)
        repo.baseurl = f"file://{machine()}/local"
        repo.skip_if_unavailable = True
        self.base.repos.add(repo)

    def transaction(self) -> None:
        folder = machine() / "local"
        for package in self.base.transaction.install_set:
            folder.mkdir(exist_ok=True)
            shutil.copy2(package.localPkg(), folder)
