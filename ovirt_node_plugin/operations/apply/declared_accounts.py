"""Creates the accounts that arriving packages declare, where rpm does not."""
from __future__ import annotations

from typing import Sequence

from ...packages.session import PackageChange
from ...settings.accounts import sysusers
from ...settings.kit.model import Context
from ..model.declared_accounts import declared_accounts


def make_accounts(packages: Sequence[PackageChange], ctx: Context) -> None:
    """Create the accounts that arriving packages declare, as rpm 4.19 and later does.

    To be called before the transaction: rpm gives files of owners that it does not find to
    root. Raises Refused or CommandError where it cannot be done.
    """
    lines = declared_accounts(packages)
    if lines:
        sysusers.run_sysusers(ctx, "-", lines=lines)
