"""What the conditions of settings ask about the root of a session."""
from __future__ import annotations

from typing import Optional, Sequence

from ...packages.session import PackageChange, Session
from ...settings.kit.model import Facts
from ..model.books import Books


def facts_of(session: Session, packages: Sequence[PackageChange],
             books: Optional[Books] = None) -> Facts:
    """Return them as they are when ``packages``, a solved transaction, is done.

    With ``books`` they know which plugin has a file.
    """
    target = session.target
    return Facts(kind=target.kind, version=target.version, arch=session.arch,
                 versions=lambda name: session.versions_after(name, packages),
                 owner=lambda path: _owner(path, session, books))


def _owner(path: str, session: Session, books: Optional[Books]) -> str:
    """Return whose the installed file ``path`` is, in words; empty if it is no package's."""
    for nevra in session.owners(f"/{path}"):
        names = [name for name, record in (books.records if books else {}).items()
                 if nevra in {package.nevra for package in record.packages}]
        return f"package {nevra}" + (f" of plugin {', '.join(names)}" if names else "")
    return ""
