"""What the conditions of settings ask about the root of a session."""
from __future__ import annotations

from typing import Sequence

from ..packages.session import PackageChange, Session
from ..settings.model import Facts


def facts_of(session: Session, packages: Sequence[PackageChange]) -> Facts:
    """Return them as they are when ``packages``, a solved transaction, is done."""
    target = session.target
    return Facts(kind=target.kind, version=target.version, arch=session.arch,
                 versions=lambda name: session.versions_after(name, packages))
