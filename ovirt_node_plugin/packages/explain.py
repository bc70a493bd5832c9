"""Why a plugin cannot go in: a second solve that may touch core packages."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Sequence, Tuple

import dnf.exceptions
import dnf.transaction
import hawkey

from ..errors import NodePluginError, UnmetDependency
from ..policy.core_rules import CoreChange, CoreRules
from ..policy.refusals import needs_newer
from ..target import Target
from . import core

_MOST_PACKAGES = 500


def refusal(base: Any, *, target: Target, subject: str, rules: CoreRules,
            mark: Callable[[], None], problem: str, names: Sequence[str] = (),
            repos_off: Sequence[str] = ()) -> NodePluginError:
    """Return the error that says why the first solve failed.

    ``mark`` marks the wanted packages again on a fresh goal; ``problem`` is DNF's
    text of the first failure; ``names`` are the packages wanted; ``repos_off`` the
    plugins' repositories that this run does not use. The second solve runs with
    every exclude of the core policy gone and may erase. If it needs changes of core
    packages, the answer is NeedsNewerImage and names each of them; otherwise, or if
    it fails too, it is UnmetDependency with DNF's own text.
    """
    base.reset(goal=True)
    base.sack.reset_excludes()
    base._setup_excludes_includes()
    try:
        mark()
        base.resolve(allow_erasing=True)
    except dnf.exceptions.Error as exc:
        lacking = _lacking(base, names, target)
        return _unmet(subject, target, "\n".join([str(exc).strip(), *lacking]), repos_off)
    found = core.changes(base, rules)
    if not found:
        return _unmet(subject, target, problem, repos_off)
    return needs_newer(subject, target, found, _reasons(base, found, target),
                       first=_wanted_by_others(base, found))


def _reasons(base: Any, found: Sequence[CoreChange], target: Target) -> List[str]:
    """Return a line for each core package: who asks for it, what is there, what is offered.

    What arriving packages that are not core ask for comes first.
    """
    arriving = [item.pkg for item in base.transaction
                if item.action in dnf.transaction.FORWARD_ACTIONS]
    core_names = {change.name for change in found}
    lines: Dict[bool, List[str]] = {False: [], True: []}
    for change in found:
        has = f"the {'image' if target.is_node else 'system'} has {change.has or 'none'}"
        offer = f"; repo {change.repo} offers {change.offers}" if change.offers else ""
        askers = sorted(_askers(base, arriving, change),
                        key=lambda asker: asker[0].name in core_names)
        outer = [asker for asker in askers if asker[0].name not in core_names]
        for package, verb, wanted in outer or askers[:1]:
            lines[not outer].append(f"{package} {verb} {wanted}; {has}{offer}.")
        if not askers:
            lines[True].append(f"{change.text()}: {has}{offer}.")
    return lines[False] + lines[True]


def _wanted_by_others(base: Any, found: Sequence[CoreChange]) -> List[str]:
    """Return the names of those core packages that packages ask for which are none."""
    names = {change.name for change in found}
    others = [item.pkg for item in base.transaction
              if item.action in dnf.transaction.FORWARD_ACTIONS and item.pkg.name not in names]
    return [change.name for change in found if _askers(base, others, change)]


def _askers(base: Any, arriving: Sequence[Any],
            change: CoreChange) -> List[Tuple[Any, str, str]]:
    """Return which of the ``arriving`` packages ask for ``change``, the verb, and for what."""
    found: List[Tuple[Any, str, str]] = []
    gone = base.sack.query().installed().filter(name=change.name)
    for package in arriving:
        if str(package) == change.nevra:
            continue
        if change.offers:
            found.extend((package, "needs", str(need))
                         for need in core.needs(base, package, change.nevra))
        elif any(str(one) == change.nevra for one in base.goal.obsoleted_by_package(package)):
            found.append((package, "obsoletes", change.name))
        elif package.conflicts:
            found.extend((package, "conflicts with", str(conflict))
                         for conflict in package.conflicts if gone.filter(provides=conflict))
    return found


def _lacking(base: Any, names: Sequence[str], target: Target) -> List[str]:
    """Return a line for each requirement that only a package of another version would meet.

    DNF's text does not say what is installed. Followed from the packages ``names``
    through what is offered.
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
                other = query.installed().filter(provides=name)
                if other:
                    lines[f"  {package} needs {need}; the {what} has"
                          f" {', '.join(core.evr_name(one) for one in other)}, and no repo of"
                          " this run offers another that fits."] = None
            elif not providers.installed():
                fresh = [one for one in providers.latest() if str(one) not in seen]
                seen.update(str(one) for one in fresh)
                todo.extend(fresh)
    return list(lines)


def _unmet(subject: str, target: Target, problem: str,
           repos_off: Sequence[str]) -> UnmetDependency:
    if repos_off:
        which = "repository {} is" if len(repos_off) == 1 else "repositories {} are"
        hint = (f"The plugin's own {which.format(', '.join(repos_off))} off in this run. Add"
                f" --enablerepo={','.join(repos_off)}, or ask the plugin's vendor.")
    else:
        hint = "Name the repository that has it with --enablerepo, or ask the plugin's vendor."
    return UnmetDependency(
        f"{subject} cannot go into {target.name}: a dependency is not met.\n{problem.strip()}",
        hint=hint)
