"""What other plugins' undo data hold, as it becomes while one plugin's part is taken out."""
from __future__ import annotations

import dataclasses
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ...system.entries import same_entry
from ...undo.changes import Applied, Change
from .path_history import PathStep, Rewrite

Others = Mapping[str, Sequence[Applied]]


class Ledger:
    """The settings, and effects, of other plugins; changed in memory only."""

    def __init__(self, others: Others) -> None:
        self._applied: Dict[str, List[Applied]] = {
            owner: list(applied) for owner, applied in others.items()}
        self._touched: Set[str] = set()

    def each(self) -> Iterator[Tuple[str, int, Applied]]:
        """Yield every plugin's settings: plugin, number, setting."""
        for owner, applied in self._applied.items():
            for number, one in enumerate(applied):
                yield owner, number, one

    def steps(self, path: str) -> List[PathStep]:
        """Return every change of ``path``."""
        return [PathStep(owner, (number, count), change)
                for owner, number, applied in self.each()
                for count, change in enumerate(applied.changes) if change.path == path]

    def below(self, folder: str) -> Optional[Tuple[str, int]]:
        """Return whose setting changed something in ``folder``, None if nobody's did."""
        return next(((owner, number) for owner, number, applied in self.each()
                     for change in applied.changes
                     if change.path.startswith(folder + "/")), None)

    def find(self, kind: str, key: str) -> Optional[Tuple[str, int]]:
        """Return who has that setting, None if nobody has.

        Of a shared one the values agree, though one plugin may say more than another.
        """
        return next(((owner, number) for owner, number, applied in self.each()
                     if (applied.kind, applied.key) == (kind, key)), None)

    def values(self, kind: str, key: str) -> Tuple[str, ...]:
        """Return the values that plugins have of one setting."""
        return tuple(applied.value for _, _, applied in self.each()
                     if (applied.kind, applied.key) == (kind, key))

    def rewrite(self, new: Rewrite) -> None:
        """Let another plugin's change lead from another state, or to another one."""
        number, count = new.step.place
        applied = self._applied[new.step.owner][number]
        changes = list(applied.changes)
        changes[count] = Change(new.step.change.path, new.before, new.after)
        self.replace(new.step.owner, number, dataclasses.replace(
            applied, changes=tuple(changes)))

    def give(self, owner: str, number: int, change: Change) -> None:
        """Let another plugin's setting answer for one more change."""
        applied = self._applied[owner][number]
        self.replace(owner, number, dataclasses.replace(
            applied, changes=(change, *applied.changes)))

    def replace(self, owner: str, number: int, applied: Applied) -> None:
        """Put another state of a setting into its place."""
        self._applied[owner][number] = applied
        self._touched.add(owner)

    def at(self, owner: str, number: int) -> Applied:
        """Return one setting."""
        return self._applied[owner][number]

    def add(self, owner: str, applied: Applied) -> None:
        """Give a plugin one more setting."""
        self._applied[owner].append(applied)
        self._touched.add(owner)

    def handed(self) -> Dict[str, Tuple[Applied, ...]]:
        """Return the complete new settings of each plugin for which they changed."""
        return {owner: tuple(map(_without_idle, self._applied[owner]))
                for owner in sorted(self._touched)}


def _without_idle(applied: Applied) -> Applied:
    """Drop changes that have become none."""
    return dataclasses.replace(applied, changes=tuple(
        change for change in applied.changes if not same_entry(change.before, change.after)))
