"""What a solved transaction of any dnf command is refused for, and how that is said."""
from __future__ import annotations

import fnmatch
from typing import Any, Dict, List, Optional, Protocol, Sequence

import dnf.transaction

from .. import journal, registry
from ..config import Config
from ..errors import Refused
from ..target import Target
from . import core, explain, modules

_UPGRADES = ("upgrade", "update", "up", "distro-sync", "distrosync", "dsync", "downgrade")
_REMOVALS = ("remove", "erase", "rm", "autoremove", "autoerase", "swap", "history", "hist")
_SHOWN = 3

_BUILDERS = ("If you build images with dnf, set node_policy = plugins in"
             " /etc/dnf/plugins/node-plugin.conf.")


class Policy(Protocol):
    """As much of a run's policy as its refusals depend on."""

    base: Any
    config: Config
    plugin_run: bool
    left_out: List[core.CoreChange]

    @property
    def target(self) -> Target: ...

    @property
    def rules(self) -> core.CoreRules: ...

    @property
    def binds_all(self) -> bool: ...


def check(policy: Policy, *, options: Any, scope: Optional[Sequence[str]]) -> None:
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
        _refuse_pending(policy.target)
    _refuse_live(policy)
    if plain and scope is None:
        _refuse_claimed(policy)
    if scope is None or scope:
        found = core.changes(base, policy.rules, repos=scope)
        if found:
            raise explain.needs_newer("This transaction", policy.target, found,
                                      [change.text() for change in found],
                                      hint=_hint(policy, found) if plain else "")


def live_refusal(target: Target) -> Refused:
    """Return the refusal to change a booted node, with the way to do it offline."""
    return Refused(
        f"this is a booted {target.name}; its packages are not changed while it runs,"
        " since the next image upgrade would lose them.",
        hint="Put the plugin into the image: unpack it, for example in /mnt/node, run"
             " dnf node-plugin install NAME --installroot=/mnt/node, and deploy that image."
             " Or set live = yes in /etc/dnf/plugins/node-plugin.conf.")


def takes_away(options: Any) -> bool:
    """Say if the command of ``options`` is there to remove packages.

    Then the solved transaction is refused, with its reason; a solver that must keep
    a package says only that it is protected.
    """
    command = str(getattr(options, "command", ""))
    return command.startswith(_REMOVALS) or "remove" in str(getattr(options, "subcmd", ""))


def left_out_note(policy: Policy, options: Any) -> str:
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
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        repos = ", ".join(sorted({change.repo for change in shown}))
        what += f". Left out of repo {repos}: {', '.join(names[:_SHOWN])}{more}"
    elif not getattr(options, "allowerasing", False) or not policy.binds_all:
        return ""
    return f"{what}. {_hint(policy, shown) or explain.next_step(policy.target, shown)}"


def is_asked(change: core.CoreChange, words: Sequence[str]) -> bool:
    """Say if one of ``words`` is a name, a glob of names, or a NEVRA of ``change``'s package."""
    arch = change.nevra.rpartition(".")[2]
    forms = (change.name, f"{change.name}.{arch}", change.offers, change.nevra,
             change.offers.rpartition("-")[0])
    return any(fnmatch.fnmatchcase(form, word) for word in words for form in forms)


def _hint(policy: Policy, found: Sequence[core.CoreChange]) -> str:
    """Return what to do on a node where a newer ISO is not the answer, else nothing."""
    if policy.binds_all and not any(change.action in ("upgrade", "install") for change in found):
        return f"An image keeps every package that it is made of. {_BUILDERS}"
    return ""


def _refuse_asked(policy: Policy, options: Any) -> None:
    """Refuse an upgrade of packages by name that comes to nothing because they are core."""
    if not str(getattr(options, "command", "")).startswith(_UPGRADES):
        return
    words = getattr(policy.base, "args", None) or ()
    asked = [change for change in policy.left_out
             if change.action == "upgrade" and is_asked(change, words)]
    if asked:
        raise explain.needs_newer("This transaction", policy.target, asked,
                                  [change.text() for change in asked],
                                  hint=_hint(policy, asked))


def _refuse_modules(policy: Policy) -> None:
    found = modules.changes(policy.base, policy.rules)
    if found:
        raise Refused(
            "\n  ".join([f"core packages of {policy.target.name} come from a module, whose state"
                         " stays as it is:", *found]),
            hint=f"You need a newer Node ISO for another stream. {_BUILDERS}")


def _refuse_pending(target: Target) -> None:
    if journal.pending(target.root):
        where = "" if target.live else f" --installroot={target.root}"
        raise Refused(
            f"a change of plugins in {target.root} was interrupted and waits",
            hint=f"Run: dnf node-plugin verify{where}. It undoes that change first.")


def _refuse_live(policy: Policy) -> None:
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
        raise live_refusal(policy.target)


def _replaced(base: Any, globs: Sequence[str]) -> List[str]:
    """Return the NEVRAs that arriving packages of allowed names obsolete."""
    return [str(gone) for item in base.transaction
            if item.action in dnf.transaction.FORWARD_ACTIONS
            and any(fnmatch.fnmatchcase(item.pkg.name, glob) for glob in globs)
            for gone in base.goal.obsoleted_by_package(item.pkg)]


def _refuse_claimed(policy: Policy) -> None:
    """Refuse what changes a plugin's packages behind its record's back."""
    gone = {str(item.pkg) for item in policy.base.transaction
            if item.action in dnf.transaction.BACKWARD_ACTIONS} & policy.rules.claims
    if not gone:
        return
    owners: Dict[str, List[str]] = {}
    for name, record in registry.read_registry(policy.target.root).records.items():
        mine = [package.nevra for package in record.packages if package.nevra in gone]
        if mine:
            owners[name] = mine
    where = "" if policy.target.live else f" --installroot={policy.target.root}"
    names = " ".join(owners)
    raise Refused(
        "\n  ".join(["packages of plugins change with their plugins only:",
                     *(f"{nevra} belongs to plugin {name}"
                       for name, nevras in owners.items() for nevra in nevras)]),
        hint=f"Run: dnf node-plugin remove {names}{where}"
             f" (or dnf node-plugin upgrade {names}{where}).")
