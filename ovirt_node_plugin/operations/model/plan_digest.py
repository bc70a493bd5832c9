"""The digest of a plan, by which a command does only what was shown before."""
from __future__ import annotations

import dataclasses
import hashlib
import re

from ...errors import PlanChanged, UsageError
from .results import Plan

_DIGEST = re.compile("[0-9a-f]{64}")


def digest_of(plan: Plan) -> str:
    """Return the SHA-256 of a plan, in hexadecimal; it is the same before and after the change.

    Packages count with the digests of their headers, which have the digests of all their files.
    Without the free space and texts that depend on the run: notes, and the table of dnf.
    """
    shown = dataclasses.replace(
        plan, table="", notes=(), unrepaired=(),
        plugins=tuple(dataclasses.replace(plugin, notes=(), next_step="")
                      for plugin in plan.plugins),
        space=plan.space and dataclasses.replace(plan.space, free_bytes=None))
    headers = [change.header.digest if change.arrives and change.header is not None else ""
               for change in plan.packages]
    return hashlib.sha256(repr((shown, headers)).encode(errors="surrogateescape")).hexdigest()


def require_digest(text: str) -> None:
    """Raise UsageError if ``text`` cannot be the digest of a plan; it may be empty."""
    if text and not _DIGEST.fullmatch(text):
        raise UsageError(f"--plan-digest={text} is not the digest of a plan",
                         hint="A digest has 64 hexadecimal digits. It is in the answer of --dry-run"
                              " --json.")


def refuse_changed(plan: Plan, digest: str) -> None:
    """Raise PlanChanged if ``digest`` is that of another plan; an empty one is that of any."""
    if digest and digest_of(plan) != digest:
        raise PlanChanged(
            f"the plan of {plan.operation} is no longer the one that was shown",
            hint="Nothing was changed. Look at the plan again with --dry-run: a repository, a"
                 " bundle, the root or the options have changed since.")
