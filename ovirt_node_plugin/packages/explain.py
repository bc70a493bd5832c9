"""Why a plugin cannot go in: a second solve that may touch core packages."""
from __future__ import annotations

from typing import Any, Callable, List, Sequence, Tuple

import dnf.exceptions
import dnf.transaction

from ..errors import NeedsNewerImage, NodePluginError, UnmetDependency
from ..target import Target
from . import core


def refusal(base: Any, *, target: Target, subject: str, rules: core.CoreRules,
            mark: Callable[[], None], problem: str) -> NodePluginError:
    """Return the error that says why the first solve failed.

    ``mark`` marks the wanted packages again on a fresh goal; ``problem`` is DNF's
    text of the first failure. The second solve runs with every exclude of the
    core policy gone and may erase. If it needs changes of core packages, the
    answer is NeedsNewerImage and names each of them; otherwise, or if it fails
    too, it is UnmetDependency with DNF's own text.
    """
    base.reset(goal=True)
    base.sack.reset_excludes()
    base._setup_excludes_includes()
    try:
        mark()
        base.resolve(allow_erasing=True)
    except dnf.exceptions.Error as exc:
        return _unmet(subject, target, str(exc))
    found = core.changes(base, rules)
    if not found:
        return _unmet(subject, target, problem)
    lines = [line for change in found for line in _reasons(base, change, target)]
    return needs_newer(subject, target, found, lines)


def needs_newer(subject: str, target: Target, found: Sequence[core.CoreChange],
                lines: Sequence[str]) -> NeedsNewerImage:
    """Return the refusal that names the core packages ``found``, with ``lines`` of reasons."""
    what = "image" if target.is_node else "system"
    text = (f"{subject} cannot go into {target.name}: it needs newer core packages"
            f" than this {what} has.")
    if any(change.action in ("remove", "obsolete", "reinstall", "downgrade") for change in found):
        text = (f"{subject} cannot go into {target.name}: it needs other core packages"
                f" than this {what} has.")
    body = "".join(f"\n  {line}" for line in dict.fromkeys(lines))
    return NeedsNewerImage(text + body, hint=next_step(target, found),
                           packages=[change.nevra for change in found])


def next_step(target: Target, found: Sequence[core.CoreChange]) -> str:
    """Return what the administrator does about core packages, on this target."""
    if target.is_node:
        return "You need a newer Node ISO."
    names = " ".join(dict.fromkeys(
        change.name for change in found if change.action in ("upgrade", "install")))
    if names:
        return f"Update {names} first: dnf upgrade {names}"
    return "A plugin does not change core packages; ask its vendor for one that fits."


def _reasons(base: Any, change: core.CoreChange, target: Target) -> List[str]:
    """Return a line for each arriving package that asks for ``change``."""
    has = f"the {'image' if target.is_node else 'system'} has {change.has or 'none'}"
    offer = f"; repo {change.repo} offers {change.offers}" if change.offers else ""
    lines = [f"{asker} {verb} {wanted}; {has}{offer}."
             for asker, verb, wanted in _askers(base, change)]
    return lines or [f"{change.text()}: {has}{offer}."]


def _askers(base: Any, change: core.CoreChange) -> List[Tuple[str, str, str]]:
    arriving = [item.pkg for item in base.transaction
                if item.action in dnf.transaction.FORWARD_ACTIONS]
    found: List[Tuple[str, str, str]] = []
    for package in arriving:
        if change.offers:
            found.extend((str(package), "needs", str(need))
                         for need in _needs(base, package, change))
        elif any(str(gone) == change.nevra for gone in base.goal.obsoleted_by_package(package)):
            found.append((str(package), "obsoletes", change.name))
        else:
            gone = base.sack.query().installed().filter(name=change.name)
            found.extend((str(package), "conflicts with", str(conflict))
                         for conflict in package.conflicts
                         if gone.filter(provides=conflict))
    return found


def _needs(base: Any, package: Any, change: core.CoreChange) -> List[Any]:
    """Return what ``package`` requires that the offered core package has and the image lacks."""
    if str(package) == change.nevra:
        return []
    offered = base.sack.query().available().filter(nevra_strict=change.nevra)
    installed = base.sack.query().installed()
    return [need for need in package.requires
            if offered.filter(provides=need) and not installed.filter(provides=need)]


def _unmet(subject: str, target: Target, problem: str) -> UnmetDependency:
    return UnmetDependency(
        f"{subject} cannot go into {target.name}: a dependency is not met.\n{problem.strip()}",
        hint="Name the repository that has it with --enablerepo, or ask the plugin's vendor.")
