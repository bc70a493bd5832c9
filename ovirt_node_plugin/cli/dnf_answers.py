"""What the subcommands of ``dnf node-plugin`` print and ask, as text or as JSON."""
from __future__ import annotations

import dataclasses
import logging
from typing import Optional, Protocol, Sequence

from ..errors import NodePluginError, Status
from ..operations.model.answers import PlanAnswer
from ..operations.model.plan_digest import refuse_changed
from ..operations.model.results import Plan
from ..operations.plan import origins
from ..packages.console import Console, transaction_displays
from ..packages.dnf_types import DnfCliCommand, DnfDisplay
from ..registry.inventory import Delta
from ..report import manifest_data, manifest_text, plan_text
from ..system.json_data import Data
from ..system.progress import Progress
from ..system.words import printable
from .dnf_arguments import DnfOptions
from .json_document import JsonDocument

logger = logging.getLogger("dnf")


class ParsedCommand(DnfCliCommand, Protocol):
    """DNF's command object, whose ``opts`` exist after the command line was parsed."""

    opts: DnfOptions


class Answers:
    """The plans, questions and answers of one run.

    ``document`` is None without --json, ``progress`` None without --progress.
    """

    def __init__(self, command: ParsedCommand, console: Console, *,
                 document: Optional[JsonDocument], progress: Optional[Progress]) -> None:
        self._command = command
        self._console = console
        self._document = document
        self._progress = progress

    def confirmed(self, plan: Plan) -> bool:
        """Show the plan; return whether to carry it out.

        Raises NodePluginError if the user answers no.
        """
        console = self._console
        refuse_changed(plan, self._command.opts.plan_digest)
        dry = self._command.opts.dry_run or not plan.changes
        if self._document is not None:
            if dry or console.assumes_no:
                self._document.print(PlanAnswer.of(plan, done=False).to_data())
        else:
            # -q hides what is logged, but not what the user is asked about
            hidden = self._command.opts.quiet and (dry or not console.assumes_yes)
            for line in plan_text.plan(plan):
                if hidden:
                    print(printable(line))
                logger.info("%s", printable(line))
        if dry:
            return False
        if not console.confirmed():
            raise NodePluginError("Operation aborted.")
        return True

    def accept_origins(self, plan: Plan) -> None:
        """Ask about each plugin whose origin changes, unless an option accepts it.

        Raises Refused with -y, and NodePluginError if the user answers no.
        """
        changed = [plugin for plugin in plan.plugins
                   if plugin.old_origin is not None
                   and plugin.name not in self._command.opts.accept_origin]
        if changed and self._console.assumes_yes:
            raise origins.refusal(changed, accepting="add")
        for plugin in changed:
            for line in (*plugin.origin_change, f"Accept the new origin of {plugin.name}?"):
                print(printable(line))
            if not self._console.accepted():
                raise NodePluginError("Operation aborted.")

    def report_done(self, plan: Plan, notes: Sequence[str], *,
                    deltas: Sequence[Delta] = ()) -> None:
        """Print that a plan was carried out, with ``notes`` about it and what a removal left."""
        plan = dataclasses.replace(plan, notes=(*plan.notes, *notes))
        removed = tuple(map(manifest_data.delta, deltas))
        for line in (*map(manifest_text.removal, removed), *plan_text.done(plan)):
            logger.info("%s", printable(line))
        for note in notes:
            logger.warning("Note: %s", note)
        if self._document is not None:
            self._document.print(PlanAnswer.of(plan, done=True, deltas=removed).to_data())

    def displays(self) -> Sequence[DnfDisplay]:
        """Return what shows the steps of the transaction."""
        if self._document is not None and self._progress is None:
            return ()
        return transaction_displays(messages=self._progress is not None)

    def print(self, data: Data, lines: Sequence[str]) -> Status:
        """Print the answer of a subcommand: ``data`` with --json, else ``lines``."""
        if self._document is not None:
            self._document.print(data)
        else:
            for line in lines:
                print(printable(line))
        return Status.DONE
