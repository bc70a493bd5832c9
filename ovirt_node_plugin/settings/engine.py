"""Settings planned, checked, switched on, verified and undone, whatever their kind."""
from __future__ import annotations

from typing import List, Sequence, Tuple

from ..changes import EFFECTS, Applied
from ..descriptor import Descriptor
from .apply import apply_all, chained
from .checking import check, planned, text_of
from .kinds import KINDS
from .model import Context, Wanted
from .module_index import implied
from .revert import Finished, Revert, do_revert, finish_revert, plan_effects, plan_revert
from .upgrade import Upgrade, apply_upgrade, plan_upgrade


def wanted(descriptor: Descriptor, ctx: Context) -> Tuple[Wanted, ...]:
    """Return every setting of a plugin, in the descriptor's order, implied ones last."""
    found: List[Wanted] = []
    for item in descriptor.settings:
        for kind in KINDS.values():
            found.extend(kind.wanted(item, ctx))
    return (*found, *implied(ctx))


def verify(applied: Sequence[Applied], ctx: Context) -> Tuple[str, ...]:
    """Return what is not, or no longer, as it was applied, each in one line."""
    problems: List[str] = []
    for one in applied:
        if one.kind in KINDS:
            problems.extend(KINDS[one.kind].verify(one, ctx))
        elif one.kind != EFFECTS:
            problems.append(f"the setting {one.kind} {one.key} is of a kind that this version"
                            " of the tool does not know")
    return tuple(problems)


__all__ = [
    "Finished", "Revert", "Upgrade", "apply_all", "apply_upgrade", "chained", "check",
    "do_revert", "finish_revert", "plan_effects", "plan_revert", "plan_upgrade", "planned",
    "text_of", "verify", "wanted",
]
