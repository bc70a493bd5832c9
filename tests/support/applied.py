"""Apply settings without an installation."""
from __future__ import annotations

from typing import List, Optional, Sequence, Tuple

from ovirt_node_plugin.settings.engine.apply import apply_one
from ovirt_node_plugin.settings.engine.ledger import Ledger
from ovirt_node_plugin.settings.kit.model import Context, Wanted
from ovirt_node_plugin.undo.changes import Applied


def apply_all(items: Sequence[Wanted], ctx: Context,
              ledger: Optional[Ledger] = None) -> Tuple[Applied, ...]:
    """Apply settings in order, add them to ``ledger``, and return them with their changes.

    If one fails, the earlier ones are in the ledger. Raises as ``apply_one``.
    """
    ledger = Ledger() if ledger is None else ledger
    applied: List[Applied] = []
    for item in items:
        applied.append(apply_one(item, ctx, ledger))
        ledger.set_settings(ctx.plugin, (*ledger.state(ctx.plugin).settings, applied[-1]))
    return tuple(applied)
