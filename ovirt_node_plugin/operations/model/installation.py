"""A planned installation: the plan, and all that is needed to carry it out."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from ...settings.engine.revert import Revert
from .books import Books
from .jobs import Job
from .results import Plan


@dataclass(frozen=True)
class Installation:
    """A plan, and all that is needed to carry it out.

    ``revert`` undoes the settings that go, of all plugins; ``books`` are without them.
    ``skipped_scriptlets`` as in ``inventory.Operation``.
    """

    plan: Plan
    jobs: Tuple[Job, ...]
    books: Books
    revert: Revert
    skipped_scriptlets: Tuple[str, ...] = ()
