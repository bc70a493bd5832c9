"""Stand-in for RHEL's subscription-manager: src/plugins/dnf/subscription_manager.py.

Its constructor writes redhat.repo to the installroot. After a transaction it uploads the
machine's list of packages.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import dnf

from tests.support.foreign_plugins import note


class SubscriptionManager(dnf.Plugin):
    """Writes a repository in its constructor."""

    name = "subscription-manager"

    def __init__(self, base: Any, cli: Any) -> None:
        super().__init__(base, cli)
        print("Updating Subscription Management repositories.")
        folder = Path(base.conf.installroot, "etc/yum.repos.d")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "redhat.repo").write_text("# managed by subscription-manager\n")

    def transaction(self) -> None:
        note("uploaded-profile", "packages of this machine")
