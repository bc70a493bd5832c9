"""The accounts that arriving packages declare and rpm on this machine does not create."""
from __future__ import annotations

import re
from typing import Sequence, Tuple

from ...packages import rpmdb
from ...packages.session import PackageChange


def declared_accounts(packages: Sequence[PackageChange]) -> Tuple[str, ...]:
    """Return the lines of sysusers.d(5) by which arriving packages declare accounts.

    There are none where rpm creates the accounts itself.
    """
    if rpmdb.creates_accounts():
        return ()
    # systemd before 257 does not know "u!", which expires an account besides locking it
    return tuple(dict.fromkeys(
        re.sub("^u!", "u", line) for change in packages
        if change.action != "remove" and change.header is not None
        for line in change.header.accounts))
