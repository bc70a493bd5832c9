"""Lines for people about what scriptlets and DNF did beside the packages' own files."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Collection, Dict, List, Mapping, Sequence

from ...packages.scriptlet_runs import Scriptlet, ScriptletReport
from ...system import path_sets
from ...system.entries import same_entry
from ...system.paths import is_inside
from ...system.trees import folders_above
from ...system.words import first_names
from ...undo.changes import Change

_MOST_PATHS = 8  # that a line names
_WORDS = {(False, True): "made", (True, True): "changed", (True, False): "removed"}
_MODULE_INDEX = re.compile(r"(?:usr/)?lib/modules/([^/]+)/modules\.[a-z.]+")


@dataclass(frozen=True)
class Doers:
    """Who may have changed a path.

    ``watched`` tells whether the ``report`` knows what each scriptlet changed. ``plugin_packages``
    are the names of the packages of plugins; ``whole`` is ``image`` or ``system``.
    """

    report: ScriptletReport
    watched: bool
    plugin_packages: Collection[str]
    whole: str

    def of(self, path: str) -> str:
        """Return the words for who changed ``path``, relative to the root."""
        scriptlets = self.report.changed.get(path)
        if scriptlets:
            return first_names(list(dict.fromkeys(map(self._text, scriptlets))), 3)
        if is_inside(path, path_sets.DNF_MODULES):
            return "DNF"
        return "scriptlets" if self.report.ran and not self.watched else "the transaction"

    def _text(self, scriptlet: Scriptlet) -> str:
        if scriptlet.is_trigger and scriptlet.package not in self.plugin_packages:
            return f"{scriptlet.text}, a package of the {self.whole},"
        return scriptlet.text


def effects(changes: Sequence[Change], owned: Collection[str], doers: Doers) -> List[str]:
    """Return lines that name what was made, changed or removed, and by whom.

    ``changes`` are the differences of the root before and after the transaction; ``owned``
    are the paths, relative to the root, of the packages' files: rpm makes their folders.
    """
    folders = {folder for path in owned for folder in folders_above(path)}
    names: Dict[str, List[str]] = {}
    replaced: List[str] = []
    for change in sorted(changes, key=lambda change: change.path):
        word = _WORDS.get((change.before is not None, change.after is not None), "")
        if change.path in owned:
            if word == "changed" and not same_entry(change.before, change.after):
                replaced.append(f"/{change.path}")
        elif word and not (word == "made" and change.path in folders):
            names.setdefault(f"{doers.of(change.path)} {word}", []).append(_name(change.path))
    return [*(f"{doer[0].upper()}{doer[1:]} {first_names(list(dict.fromkeys(paths)), _MOST_PATHS)}."
              for doer, paths in names.items()),
            *(f"Packages changed {first_names(replaced, _MOST_PATHS)}, which existed before; a"
              " removal restores that." for _ in replaced[:1])]


def moved(places: Mapping[str, str], doers: Doers) -> List[str]:
    """Return lines that name moved files; ``places`` are as ``Journal.moved`` returns them."""
    names: Dict[str, List[str]] = {}
    for old, new in places.items():
        names.setdefault(doers.of(new), []).append(f"/{old} to /{new}")
    return [f"{doer[0].upper()}{doer[1:]} moved {first_names(paths, _MOST_PATHS)}: a removal does"
            " not move that back." for doer, paths in names.items()]


def _name(path: str) -> str:
    """Return the name of what is at ``path``, relative to the root."""
    index = _MODULE_INDEX.fullmatch(path)
    if index is not None:
        return f"the index of the modules of kernel {index[1]}"
    if is_inside(path, path_sets.DNF_MODULES) and path.endswith(".module"):
        return f"the state of the module stream {path.rpartition('/')[2][:-len('.module')]}"
    return f"/{path}"


def failures(report: ScriptletReport) -> List[str]:
    """Return a line about each scriptlet that failed without making the change fail."""
    lines = []
    for failed in report.failed:
        what, *output = failed.text.splitlines()
        lines.append(f"{what[0].upper()}{what[1:]}, and the change went on, as rpm does it"
                     + (f"; its output: {'; '.join(map(str.strip, output))}" if output else "."))
    return lines
