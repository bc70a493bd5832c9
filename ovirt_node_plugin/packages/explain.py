"""Why a plugin cannot be installed: a second solve that may touch core packages."""
from __future__ import annotations

from typing import Callable, Dict, List, Optional, Sequence, Tuple

import dnf.exceptions
import hawkey

from ..errors import NodePluginError, Refused, UnmetDependency
from ..policy.core_rules import CoreChange, CoreRules
from ..policy.refusals import needs_newer
from ..target import Target
from . import claims, core, not_offered, solved
from .claims import Claims
from .dnf_types import DnfBase, DnfPackage

_MOST_PACKAGES = 500


def refusal(base: DnfBase, *, target: Target, subject: str, rules: CoreRules,
            mark: Callable[[], None], problem: str, names: Sequence[str] = (),
            repos_on: Sequence[str] = (), repos_off: Sequence[str] = (),
            claimed: Claims) -> NodePluginError:
    """Return the error that says why the first solve failed.

    ``mark`` marks the wanted packages again on a fresh goal; ``problem`` is DNF's
    text of the first failure; ``names`` are the packages wanted; ``repos_on`` and
    ``repos_off`` the plugins' repositories that this run uses and does not use; ``claimed``
    are packages of plugins that are not part of the run. The second solve runs without the
    excludes of these rules and may erase. If it needs changes of core packages, the result is
    NeedsNewerImage and names each of them; if it changes claimed packages, Refused. Otherwise,
    or if it fails too, it is UnmetDependency, for a failed solve with DNF's own text.
    """
    base.reset(goal=True)
    base.sack.reset_excludes()
    base._setup_excludes_includes()
    try:
        mark()
        base.resolve(allow_erasing=True)
    except not_offered.NotOffered as exc:
        return not_offered.refusal(base, subject=subject, target=target, wanted=exc.wanted,
                                   repos_on=repos_on, repos_off=repos_off)
    except dnf.exceptions.Error as exc:
        lacking = _lacking(base, names, target)
        return _unmet(subject, target, "\n".join([str(exc).strip(), *lacking]), repos_off)
    changes = core.changes(base, rules)
    if changes:
        what = "the image" if target.is_node else "the system"
        return needs_newer(subject, target, changes, _reasons(base, changes, lambda _: what),
                           first=_wanted_by_others(base, changes))
    return claims_refusal(base, subject, claimed) or _unmet(subject, target, problem, repos_off)


def claims_refusal(base: DnfBase, subject: str, claimed: Claims) -> Optional[Refused]:
    """Return the refusal of a solved transaction that changes ``claimed`` packages, or None."""
    changes = claims.changes(base, claimed)
    if not changes:
        return None
    return claims.refusal(subject, changes, _reasons(
        base, list(changes), lambda change: f"plugin {', '.join(changes[change])}"))


def _reasons(base: DnfBase, changes: Sequence[CoreChange],
             owner: Callable[[CoreChange], str]) -> List[str]:
    """Return a line for each package that changes: who asks for it, who has it, what is offered.

    ``owner`` returns who has the package. The lines with packages that do not change
    themselves come first.
    """
    arriving = solved.arriving(base)
    changed_names = {change.name for change in changes}
    lines: Dict[bool, List[str]] = {False: [], True: []}
    for change in changes:
        has = f"{owner(change)} has {change.has or 'none'}"
        offer = f"; repo {change.repo} offers {change.offers}" if change.offers else ""
        askers = sorted(_askers(base, arriving, change),
                        key=lambda asker: asker[0].name in changed_names)
        outer = [asker for asker in askers if asker[0].name not in changed_names]
        for package, verb, wanted in outer or askers[:1]:
            lines[not outer].append(f"{package} {verb} {wanted}; {has}{offer}.")
        if not askers:
            lines[True].append(f"{change.text()}: {has}{offer}.")
    return lines[False] + lines[True]


def _wanted_by_others(base: DnfBase, changes: Sequence[CoreChange]) -> List[str]:
    """Return the names of the core packages that packages which are not core ask for."""
    names = {change.name for change in changes}
    others = [package for package in solved.arriving(base) if package.name not in names]
    return [change.name for change in changes if _askers(base, others, change)]


def _askers(base: DnfBase, arriving: Sequence[DnfPackage],
            change: CoreChange) -> List[Tuple[DnfPackage, str, str]]:
    """Return which of the ``arriving`` packages ask for ``change``, the verb, and for what."""
    askers: List[Tuple[DnfPackage, str, str]] = []
    gone = base.sack.query().installed().filter(name=change.name)
    for package in arriving:
        if str(package) == change.nevra:
            continue
        if change.offers:
            askers.extend((package, "needs", str(need))
                          for need in core.needs(base, package, change.nevra))
        elif change.nevra in map(str, base.goal.obsoleted_by_package(package)):
            askers.append((package, "obsoletes", change.name))
        elif package.conflicts:
            askers.extend((package, "conflicts with", str(conflict))
                          for conflict in package.conflicts if gone.filter(provides=conflict))
    return askers


def _lacking(base: DnfBase, names: Sequence[str], target: Target) -> List[str]:
    """Return a line for each requirement that only another version of a package would meet.

    DNF's text does not say what is installed. Requirements are followed from the packages
    ``names`` through those that are offered.
    """
    query = base.sack.query(hawkey.IGNORE_EXCLUDES)
    todo = list(query.available().filter(name=list(names)).latest()) if names else []
    seen = {str(package) for package in todo}
    what = "image" if target.is_node else "system"
    lines: Dict[str, None] = {}
    while todo and len(seen) < _MOST_PACKAGES:
        package = todo.pop(0)
        for need in package.requires:
            providers = query.filter(provides=need)
            name = str(need).split()[0]
            if not providers and not name.startswith("("):  # a rich dependency names several
                installed = query.installed().filter(provides=name)
                if installed:
                    lines[f"  {package} needs {need}; the {what} has"
                          f" {', '.join(map(core.evr_name, installed))}, and no repo of"
                          " this run offers another that fits."] = None
            elif not providers.installed():
                fresh = [provider for provider in providers.latest()
                         if str(provider) not in seen]
                seen.update(map(str, fresh))
                todo.extend(fresh)
    return list(lines)


def _unmet(subject: str, target: Target, problem: str,
           repos_off: Sequence[str]) -> UnmetDependency:
    hint = not_offered.hint_for(repos_off) or (
        "Name the repository that has it with --enablerepo, or ask the plugin's vendor.")
    return UnmetDependency(
        f"{subject} cannot go into {target.name}: a dependency is not met.\n{problem.strip()}",
        hint=hint)
