"""Settings planned, checked, switched on, verified and undone, whatever their kind."""
from __future__ import annotations

from typing import Dict, Iterator, List, Sequence, Tuple

from ...errors import Refused
from ...plugin.descriptor import Descriptor
from ...plugin.settings import Setting
from ...undo.changes import EFFECTS, Applied
from ..boot import command_line, initramfs
from ..certificates import ca_trust
from ..kit.model import Context, Wanted
from ..modules import module_index
from ..selinux import selinux_policy
from . import conditions
from .apply import apply_all, chained
from .checking import check, held, planned, text_of
from .kinds import KINDS
from .revert import Finished, Revert, do_revert, finish_revert, plan_effects, plan_revert
from .upgrade import Upgrade, apply_upgrade, plan_upgrade


def wanted(descriptor: Descriptor, ctx: Context) -> Tuple[Wanted, ...]:
    """Return every setting of a plugin, in the descriptor's order, implied ones last.

    Those whose condition is not met are left out: ``left_out`` tells them.

    Raises Refused if two conditions that are met ask for one thing differently.
    """
    met, _ = conditions.split(descriptor, ctx.facts)
    found: Dict[Tuple[str, str], Wanted] = {}
    for one in _of_kinds(met, ctx):
        first = found.setdefault((one.kind, one.key), one)
        if first.need and not one.need:
            found[one.kind, one.key] = one  # in the other's place: it comes before its user
        elif first.value != one.value and not one.need:
            raise Refused(
                f"plugin {ctx.plugin} wants to {first.text} and to {one.text}: both conditions"
                " are met", hint="Its vendor has to make one <when> exclude the other.")
    every = tuple(found.values())
    return (*every, *command_line.implied(every, ctx), *ca_trust.implied(every),
            *selinux_policy.implied(every), *module_index.implied(ctx),
            *initramfs.implied(every, ctx))


def left_out(descriptor: Descriptor, ctx: Context) -> Tuple[str, ...]:
    """Return a line for each setting whose condition is not met, with what it asks for."""
    _, left = conditions.split(descriptor, ctx.facts)
    return tuple(f"left out: {one.text} ({reason})" for item, reason in left
                 for one in _of_kinds([item], ctx))


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


def _of_kinds(settings: Sequence[Setting], ctx: Context) -> Iterator[Wanted]:
    for item in settings:
        for kind in KINDS.values():
            yield from kind.wanted(item, ctx)


__all__ = [
    "Finished", "Revert", "Upgrade", "apply_all", "apply_upgrade", "chained", "check",
    "do_revert", "finish_revert", "held", "left_out", "plan_effects", "plan_revert", "plan_upgrade",
    "planned", "text_of", "verify", "wanted",
]
