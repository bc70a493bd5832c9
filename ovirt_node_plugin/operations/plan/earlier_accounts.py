"""Users and groups of plugins in another root, whose numbers they are to get in this one."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List, Optional, Sequence

from ...errors import BadRoot
from ...registry import store
from ...settings.accounts.account_ids import ID_NAMES
from ...settings.kit.model import Context
from ..model.earlier_accounts import as_settings


def with_earlier(contexts: Sequence[Context], other: Optional[Path]) -> List[Context]:
    """Return ``contexts`` with the accounts that their plugins have in the root ``other``.

    Accounts of scriptlets are those of all plugins there: of plugins that were installed
    together, it is unknown whose scriptlet created one.

    Raises BadRoot if that is no root with a registry, and RecordError for a damaged record.
    """
    if other is None:
        return list(contexts)
    names = store.names(other)
    if not names:
        raise BadRoot(f"{other} has no records of plugins with the numbers of their accounts",
                      hint="Give the root of the other system, the folder that contains its etc.")
    inventories = filter(None, (store.read_inventory(other, name) for name in names))
    of_scriptlets = [account for inventory in inventories for account in as_settings(inventory)]
    settings = {context.plugin: store.read_record(other, context.plugin).settings
                for context in contexts if context.plugin in names}
    return [replace(context, earlier=(
        *(applied for applied in settings.get(context.plugin, ()) if applied.kind in ID_NAMES),
        *of_scriptlets)) for context in contexts]
