"""A plugin that belongs to a run on any root: it gives repositories what they are asked with."""
from __future__ import annotations

from typing import Any

import dnf

from tests.support.foreign_plugins import note


class RepoHeaders(dnf.Plugin):
    """Says that it took part."""

    name = "repo-headers"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)

    def config(self) -> None:
        note("repo-headers", "took part")
