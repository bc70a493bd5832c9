"""The solved transaction of a DNF run: the packages that arrive and those that leave."""
from __future__ import annotations

from typing import List

import dnf.transaction

from .dnf_types import DnfBase, DnfPackage, DnfTransactionItem


def arriving_items(base: DnfBase) -> List[DnfTransactionItem]:
    """Return the items that install a package; none before a solve."""
    return [item for item in base.transaction or ()
            if item.action in dnf.transaction.FORWARD_ACTIONS]


def leaving_items(base: DnfBase) -> List[DnfTransactionItem]:
    """Return the items that remove a package or replace it; none before a solve."""
    return [item for item in base.transaction or ()
            if item.action in dnf.transaction.BACKWARD_ACTIONS]


def arriving(base: DnfBase) -> List[DnfPackage]:
    """Return the packages that the transaction installs."""
    return [item.pkg for item in arriving_items(base)]


def leaving(base: DnfBase) -> List[DnfPackage]:
    """Return the packages that the transaction removes or replaces."""
    return [item.pkg for item in leaving_items(base)]
