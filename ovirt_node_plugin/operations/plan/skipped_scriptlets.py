"""Scriptlets of packages that leave and that are not run, as the user asked for."""
from __future__ import annotations

from typing import Sequence, Tuple

from ...packages.session import PackageChange, Session

_SECTIONS = ("preun", "postun", "preuntrans", "postuntrans")


def of_leaving(packages: Sequence[PackageChange], session: Session) -> Tuple[str, ...]:
    """Return the scriptlets that are not run, as ``inventory.Operation`` has them."""
    leaving = [change.nevra for change in packages if not change.arrives]
    return tuple(f"{nevra}:{section}"
                 for nevra, header in sorted(session.installed_headers(leaving).items())
                 for section in _SECTIONS if section in header.scriptlets)


def notes(skipped: Sequence[str]) -> Tuple[str, ...]:
    """Return lines for people about the scriptlets ``skipped``."""
    return tuple(f"The scriptlet %{section} of {nevra} is not run: what it does is not done."
                 for nevra, _, section in (scriptlet.rpartition(":") for scriptlet in skipped))
