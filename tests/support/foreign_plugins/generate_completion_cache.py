"""Stand-in for dnf-plugins-core's plugins/generate_completion_cache.py.

When metadata is loaded, it writes the names of all packages to a cache of the machine.
"""
from __future__ import annotations

from typing import Any

import dnf

from tests.support.foreign_plugins import note


class BashCompletionCache(dnf.Plugin):
    """Writes the number of packages available to the root into the machine's cache."""

    name = "generate_completion_cache"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        self.base = base

    def sack(self) -> None:
        note("packages.db", f"{len(self.base.sack.query().available())} packages")
