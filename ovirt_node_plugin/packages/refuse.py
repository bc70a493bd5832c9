"""What a solved transaction of any dnf command is refused for, and how that is said."""
from __future__ import annotations

import fnmatch
from typing import Any, List, Optional, Protocol, Sequence

import dnf.transaction

from ..config import Config
from ..errors import Refused
from ..policy import refusals
from ..policy.core_rules import CoreChange, CoreRules
from ..system.words import first_names
from ..target import Target
from . import core, modules

_UPGRADES = ("upgrade", "update", "up", "distro-sync", "distrosync", "dsync", "downgrade")
_REMOVALS = ("remove", "erase", "rm", "autoremove", "autoerase", "swap", "history", "hist")
_SHOWN = 3


class TransactionPolicy(Protocol):
    """As much of a run's policy as its refusals depend on."""

    base: Any
    config: Config
    plugin_run: bool
    left_out: List[CoreChange]

    @property
    def target(self) -> Target: ...

    @property
    def rules(self) -> CoreRules: ...

    @property
    def binds_all(self) -> bool: ...


def check(policy: TransactionPolicy, *, options: Any, scope: Optional[Sequence[str]]) -> None:
    """Refuse the solved transaction of ``policy.base`` if a rule forbids it.

    ``options`` are the parsed arguments, None in a program; ``scope`` the repo ids
    that the core policy binds, None for all. Raises Refused or NeedsNewerImage.
    """
    base, plain = policy.base, not policy.plugin_run
    if plain and scope is None:
        _refuse_modules(policy)
    if not base.transaction:
        if plain:
            _refuse_asked(policy, options)
        return
    if plain:
        refusals.refuse_pending(policy.target)
    _refuse_live(policy)
    if plain and scope is None:
        _refuse_claimed(policy)
    if scope is None or scope:
        found = core.changes(base, policy.rules, repos=scope)
        if found:
            raise refusals.needs_newer("This transaction", policy.target, found,
                                      [change.text() for change in found],
                                      hint=_hint(policy, found) if plain else "")


def takes_away(options: Any) -> bool:
    """Say if the command of ``options`` is there to remove packages.

    Then the solved transaction is refused, with its reason; a solver that must keep
    a package says only that it is protected.
    """
    command = str(getattr(options, "command", ""))
    return command.startswith(_REMOVALS) or "remove" in str(getattr(options, "subcmd", ""))


def left_out_note(policy: TransactionPolicy, options: Any) -> str:
    """Return a line on the packages that this run does without, empty if it needs none.

    ``options`` are the parsed arguments, None in a program. Told is what is newer
    than in the root, or what the command line asks for, which comes first.
    """
    words = getattr(policy.base, "args", None) or ()
    asked = {change.name: change for change in policy.left_out if is_asked(change, words)}
    newer = {change.name: change for change in policy.left_out if change.action == "upgrade" or (
        not change.has and not policy.rules.named(change.name))}
    shown = list({**asked, **newer, **asked}.values())
    what = ("Core packages stay as they are" if policy.binds_all
            else "Core packages do not come from plugins' repositories")
    if shown:
        names = [change.offers for change in shown]
        repos = ", ".join(sorted({change.repo for change in shown}))
        what += f". Left out of repo {repos}: {first_names(names, _SHOWN)}"
    elif not getattr(options, "allowerasing", False) or not policy.binds_all:
        return ""
    return f"{what}. {_hint(policy, shown) or refusals.next_step(policy.target, shown)}"


def is_asked(change: CoreChange, words: Sequence[str]) -> bool:
    """Say if one of ``words`` is a name, a glob of names, or a NEVRA of ``change``'s package."""
    arch = change.nevra.rpartition(".")[2]
    forms = (change.name, f"{change.name}.{arch}", change.offers, change.nevra,
             change.offers.rpartition("-")[0])
    return any(fnmatch.fnmatchcase(form, word) for word in words for form in forms)


def _hint(policy: TransactionPolicy, found: Sequence[CoreChange]) -> str:
    return refusals.builders_hint(found) if policy.binds_all else ""


def _refuse_asked(policy: TransactionPolicy, options: Any) -> None:
    """Refuse an upgrade of packages by name that comes to nothing because they are core."""
    if not str(getattr(options, "command", "")).startswith(_UPGRADES):
        return
    words = getattr(policy.base, "args", None) or ()
    asked = [change for change in policy.left_out
             if change.action == "upgrade" and is_asked(change, words)]
    if asked:
        raise refusals.needs_newer("This transaction", policy.target, asked,
                                  [change.text() for change in asked],
                                  hint=_hint(policy, asked))


def _refuse_modules(policy: TransactionPolicy) -> None:
    found = modules.changes(policy.base, policy.rules)
    if found:
        raise Refused(
            "\n  ".join([f"core packages of {policy.target.name} come from a module, whose state"
                         " stays as it is:", *found]),
            hint=f"You need a newer Node ISO for another stream. {refusals.BUILDERS}")


def _refuse_live(policy: TransactionPolicy) -> None:
    if not (policy.target.live and policy.target.is_node) or policy.config.live:
        return
    changed = [item.pkg.name for item in policy.base.transaction
               if item.action in dnf.transaction.FORWARD_ACTIONS]
    replaced = _replaced(policy.base, policy.config.live_allow)
    changed += [item.pkg.name for item in policy.base.transaction
                if item.action in dnf.transaction.BACKWARD_ACTIONS
                and str(item.pkg) not in replaced]
    if not all(any(fnmatch.fnmatchcase(name, glob) for glob in policy.config.live_allow)
               for name in changed):
        raise refusals.live_refusal(policy.target)


def _replaced(base: Any, globs: Sequence[str]) -> List[str]:
    """Return the NEVRAs that arriving packages of allowed names obsolete."""
    return [str(gone) for item in base.transaction
            if item.action in dnf.transaction.FORWARD_ACTIONS
            and any(fnmatch.fnmatchcase(item.pkg.name, glob) for glob in globs)
            for gone in base.goal.obsoleted_by_package(item.pkg)]


def _refuse_claimed(policy: TransactionPolicy) -> None:
    """Refuse what changes a plugin's packages behind its record's back."""
    refusals.refuse_claimed(policy.target, policy.rules.claims.intersection(
        str(item.pkg) for item in policy.base.transaction
        if item.action in dnf.transaction.BACKWARD_ACTIONS))
