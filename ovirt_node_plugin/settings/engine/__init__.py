"""Settings planned, checked, switched on, verified and undone, whatever their kind."""
from __future__ import annotations

from .apply import apply_all, chained
from .checking import check, held, planned, text_of
from .kinds import verify
from .revert import Finished, Revert, do_revert, finish_revert, plan_effects, plan_revert
from .upgrade import Upgrade, apply_upgrade, plan_upgrade
from .wanted_settings import left_out, wanted

__all__ = [
    "Finished", "Revert", "Upgrade", "apply_all", "apply_upgrade", "chained", "check",
    "do_revert", "finish_revert", "held", "left_out", "plan_effects", "plan_revert", "plan_upgrade",
    "planned", "text_of", "verify", "wanted",
]
