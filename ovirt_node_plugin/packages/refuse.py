"""Refuse solved transactions of any dnf command that break a rule, and say why."""
from __future__ import annotations

import fnmatch
from typing import Dict, List, Optional, Protocol, Sequence

from ..config import Config
from ..errors import Refused
from ..policy import refusals
from ..policy.core_rules import CoreChange, CoreRules
from ..system.words import first_names
from ..target import Target
from . import command_line, core, modules, solved
from .dnf_types import DnfBase

_SHOWN = 3


class TransactionPolicy(Protocol):
    """The part of a run's policy that its refusals depend on."""

    base: DnfBase
    config: Config
    plugin_run: bool
    left_out: List[CoreChange]
    owners: Dict[str, str]
    requested: List[str]

    @property
    def target(self) -> Target: ...

    @property
    def rules(self) -> CoreRules: ...

    @property
    def binds_all(self) -> bool: ...


def check(policy: TransactionPolicy, *, options: object, scope: Optional[Sequence[str]]) -> None:
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
        changes = core.changes(base, policy.rules, repos=scope)
        if changes:
            raise refusals.needs_newer("This transaction", policy.target, changes,
                                       [change.text() for change in changes],
                                       hint=_hint(policy, changes) if plain else "")


def foreign_note(policy: TransactionPolicy) -> str:
    """Return a line on packages that a plain command installs from plugins' repositories.

    On a node they become core packages. Empty for any other transaction.
    """
    if policy.plugin_run or not policy.target.is_node:
        return ""
    by_repo: Dict[str, List[str]] = {}
    for package in solved.arriving(policy.base):
        if policy.owners.get(package.reponame):
            by_repo.setdefault(package.reponame, []).append(str(package))
    where = "" if policy.target.live else f" --installroot={policy.target.root}"
    return "\n".join(
        f"Repo {repo} belongs to plugin {policy.owners[repo]}, which this command does not install:"
        f" {first_names(packages, _SHOWN)} will be core packages of {policy.target.name}, which no"
        f" plugin changes or removes. To install the plugin instead: dnf node-plugin install"
        f" {policy.owners[repo]} --enablerepo={repo}{where}"
        for repo, packages in sorted(by_repo.items()))


def left_out_note(policy: TransactionPolicy, options: object) -> str:
    """Return a line on the packages that were excluded from this run; empty without any.

    ``options`` are the parsed arguments, None in a program. It names packages that are
    newer than in the root, after those that the command line asks for.
    """
    words = command_line.words_of(policy.base)
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
    elif not command_line.allows_erasing(options) or not policy.binds_all:
        return ""
    return f"{what}. {_hint(policy, shown) or refusals.next_step(policy.target, shown)}"


def is_asked(change: CoreChange, words: Sequence[str]) -> bool:
    """Return whether one of ``words`` is a name, a glob or a NEVRA of ``change``'s package."""
    arch = change.nevra.rpartition(".")[2]
    forms = (change.name, f"{change.name}.{arch}", change.offers, change.nevra,
             change.offers.rpartition("-")[0])
    return any(fnmatch.fnmatchcase(form, word) for word in words for form in forms)


def _hint(policy: TransactionPolicy, changes: Sequence[CoreChange]) -> str:
    return refusals.builders_hint(changes) if policy.binds_all else ""


def _refuse_asked(policy: TransactionPolicy, options: object) -> None:
    """Refuse an upgrade by name that does nothing because the packages are core."""
    words = [*policy.requested, *(
        command_line.words_of(policy.base) if command_line.upgrades(options) else ())]
    asked = [change for change in policy.left_out
             if change.action == "upgrade" and is_asked(change, words)]
    if asked:
        raise refusals.needs_newer("This transaction", policy.target, asked,
                                   [change.text() for change in asked],
                                   hint=_hint(policy, asked))


def _refuse_modules(policy: TransactionPolicy) -> None:
    changes = modules.changes(policy.base, policy.rules)
    if changes:
        raise Refused(
            "\n  ".join([f"core packages of {policy.target.name} come from a module, whose state"
                         " stays as it is:", *changes]),
            hint=f"You need a newer Node ISO for another stream. {refusals.BUILDERS}")


def _refuse_live(policy: TransactionPolicy) -> None:
    if policy.target.is_node:
        refusals.refuse_deployed(policy.target, live_allowed=policy.config.live)
    if not (policy.target.booted and policy.target.is_node) or policy.config.live:
        return
    replaced = _replaced(policy.base, policy.config.live_allow)
    changed = [package.name for package in solved.arriving(policy.base)]
    changed += [package.name for package in solved.leaving(policy.base)
                if str(package) not in replaced]
    if not all(any(fnmatch.fnmatchcase(name, glob) for glob in policy.config.live_allow)
               for name in changed):
        raise refusals.live_refusal(policy.target)


def _replaced(base: DnfBase, globs: Sequence[str]) -> List[str]:
    """Return the NEVRAs that arriving packages whose names match ``globs`` obsolete."""
    return [str(obsoleted) for package in solved.arriving(base)
            if any(fnmatch.fnmatchcase(package.name, glob) for glob in globs)
            for obsoleted in base.goal.obsoleted_by_package(package)]


def _refuse_claimed(policy: TransactionPolicy) -> None:
    """Refuse a change of a plugin's packages that its record would not show."""
    refusals.refuse_claimed(policy.target, policy.rules.claims.intersection(
        map(str, solved.leaving(policy.base))))
