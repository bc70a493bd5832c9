"""Does what the plugin versionlock of dnf-plugins-core does, for full names and versions.

Its list has a NEVRA a line, as imgbased writes it on an installed Node; other versions of
these packages are excluded from the sack. Without a list it does nothing.
"""
from __future__ import annotations

import os
from typing import Any

import dnf
import dnf.subject


class Versionlock(dnf.Plugin):
    """Keeps packages at the versions of its list."""

    name = "versionlock"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base
        self.list = ""

    def config(self) -> None:
        """Read where the list is."""
        options = self.read_config(self.base.conf)
        if options.has_section("main"):
            self.list = options.get("main", "locklist")

    def sack(self) -> None:
        """Exclude every other version of what is locked."""
        if not self.list or not os.path.exists(self.list):
            return
        with open(self.list) as stream:
            locked = [line.strip() for line in stream if line.strip() and line[0] != "#"]
        for nevra in locked:
            wanted = dnf.subject.Subject(nevra).get_best_query(self.base.sack)
            others = self.base.sack.query().filter(name=[one.name for one in wanted])
            self.base.sack.add_excludes(others.difference(wanted).available())
