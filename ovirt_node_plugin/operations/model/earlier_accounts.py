"""The numbers of a plugin's accounts, as its record and inventory know them."""
from __future__ import annotations

from typing import Tuple

from ...registry.inventory import SCRIPTLETS, Inventory
from ...settings.accounts.account_ids import ID_NAMES
from ...undo.changes import Applied


def as_settings(inventory: Inventory) -> Tuple[Applied, ...]:
    """Return the accounts that scriptlets made as settings, whose outcome has the number."""
    return tuple(
        Applied(kind=account.kind, key=account.name, value="", before="", changes=(),
                outcome={ID_NAMES[account.kind]: str(account.number)})
        for account in inventory.accounts
        if account.kind in ID_NAMES and account.number is not None and account.by == SCRIPTLETS)
