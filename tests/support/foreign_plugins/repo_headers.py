"""Stand-in for a plugin that sets HTTP headers of repositories, which is useful for any root."""
from __future__ import annotations

from typing import Any

import dnf

from tests.support.foreign_plugins import note


class RepoHeaders(dnf.Plugin):
    """Records that it was called."""

    name = "repo-headers"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)

    def config(self) -> None:
        note("repo-headers", "took part")
