"""What a refusal says of packages that a plugin installs and no repository offers."""
from __future__ import annotations

import difflib
from typing import Collection, List, Mapping, Sequence, Tuple

from ..errors import UnmetDependency
from ..system.words import count, first_lines, first_names, printable
from ..target import Target

_MOST_MISSING = 20
_MOST_NAMES = 20  # of a repository, in the message
_MOST_COMPARED = 2000  # names whose likeness is computed, as a repository can have many
_MOST_CHARACTERS = 40  # of a name that is compared
_MOST_WANTED = 3  # names that others are compared with


def refusal(subject: str, target: Target, missing: Mapping[str, str],
            offers: Mapping[str, Collection[str]], *, hint: str) -> UnmetDependency:
    """Return the refusal of the plugin ``subject`` whose packages ``missing`` are not offered.

    ``missing`` has the reason for each package that is asked for; ``offers`` the names of the
    packages in each repository of the plugin that the run uses.
    """
    what = "a package" if len(missing) == 1 else count(len(missing), "package")
    lines = [f"{subject} cannot go into {target.name}: no repository of this run offers {what}"
             " of its <packages>."]
    lines += first_lines([f"  {printable(name)}: {printable(reason)}."
                          for name, reason in missing.items()], _MOST_MISSING, before="  ")
    lines += [_contents(repo_id, sorted_by_likeness(list(missing), names))
              for repo_id, names in sorted(offers.items())]
    return UnmetDependency("\n".join(lines), hint=hint)


def _contents(repo_id: str, names: Sequence[str]) -> str:
    if not names:
        return f"The repository {repo_id} has no packages."
    return (f"The repository {repo_id} has"
            f" {first_names([printable(name) for name in names], _MOST_NAMES)}.")


def sorted_by_likeness(wanted: Sequence[str], names: Collection[str]) -> List[str]:
    """Return ``names`` with those first that are like one of ``wanted``, then the others sorted.

    Upper and lower case are alike. Only the first names are compared, so that the work stays
    small whatever a repository contains.
    """
    ordered = sorted(names)
    patterns = [_comparable(name) for name in wanted[:_MOST_WANTED]]
    likeness: List[Tuple[float, str]] = []
    for name in ordered[:_MOST_COMPARED]:
        best = max((_ratio(pattern, _comparable(name)) for pattern in patterns), default=0.0)
        if best:
            likeness.append((-best, name))
    near = [name for _, name in sorted(likeness)]
    return [*near, *sorted(set(ordered).difference(near))]


def _comparable(name: str) -> str:
    return name[:_MOST_CHARACTERS].lower()


def _ratio(one: str, other: str) -> float:
    """Return how alike two names are, from 0.6 to 1; 0 if they are less alike.

    A name that begins with the other is as near as one that is alike.
    """
    matcher = difflib.SequenceMatcher(None, other, one, autojunk=False)
    ratio = matcher.ratio() if matcher.quick_ratio() >= 0.6 else 0.0
    if one and (other.startswith(one) or one.startswith(other)):
        return max(ratio, 0.6)
    return ratio if ratio >= 0.6 else 0.0
