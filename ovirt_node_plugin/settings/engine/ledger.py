"""What the plugins of a root changed in it, by settings and scriptlets: kept in one place."""
from __future__ import annotations

from dataclasses import replace
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from ...system.entries import same_entry
from ...undo.changes import Applied, AppliedState, Change
from .path_history import ChangePlace, Holder, PathStep


class Ledger:
    """The applied state of all plugins of a root, changed in memory only.

    Who takes a setting out of it has another plugin's setting answer for its changes.
    """

    def __init__(self, states: Optional[Mapping[str, AppliedState]] = None) -> None:
        self._states: Dict[str, AppliedState] = dict(states or {})

    @property
    def states(self) -> Mapping[str, AppliedState]:
        """The state of every plugin that has one, by name."""
        return self._states

    def state(self, plugin: str) -> AppliedState:
        """Return the state of one plugin, an empty one if it is not known."""
        return self._states.get(plugin, AppliedState())

    def settings(self) -> Iterator[Tuple[Holder, Applied]]:
        """Yield every plugin's settings."""
        for plugin, state in self._states.items():
            for number, applied in enumerate(state.settings):
                yield Holder(plugin, number), applied

    def having(self, kind: str, key: str) -> List[Tuple[Holder, Applied]]:
        """Return that setting of each plugin that has it.

        Of a shared one the values agree, though one plugin may say more than another.
        """
        return [(holder, applied) for holder, applied in self.settings()
                if (applied.kind, applied.key) == (kind, key)]

    def steps(self, path: str) -> List[PathStep]:
        """Return every change of ``path``."""
        return [PathStep(change, ChangePlace(holder, number)) for holder, changes in self._changes()
                for number, change in enumerate(changes) if change.path == path]

    def below(self, folder: str) -> Optional[Holder]:
        """Return who changed something in ``folder``, None if nobody did."""
        return next((holder for holder, changes in self._changes()
                     if any(change.path.startswith(folder + "/") for change in changes)), None)

    def set_settings(self, plugin: str, settings: Iterable[Applied]) -> None:
        """Give a plugin other settings."""
        self._states[plugin] = replace(self.state(plugin), settings=tuple(settings))

    def set_effects(self, plugin: str, effects: Iterable[Change]) -> None:
        """Give a plugin other effects."""
        self._states[plugin] = replace(self.state(plugin), effects=tuple(effects))

    def drop(self, plugin: str, settings: Collection[Applied]) -> None:
        """Take settings of a plugin out; what they changed is nobody's then."""
        self.set_settings(plugin, (applied for applied in self.state(plugin).settings
                                   if applied not in settings))

    def replace(self, holder: Holder, applied: Applied) -> None:
        """Put another state of a setting into its place."""
        settings = self.state(holder.plugin).settings
        self.set_settings(holder.plugin, (
            applied if number == holder.number else other
            for number, other in enumerate(settings)))

    def give(self, holder: Holder, changes: Iterable[Change]) -> None:
        """Let a setting, or a plugin's effects, answer for more changes, made before its own."""
        self._set_changes(holder, (*changes, *self._changes_of(holder)))

    def rewrite(self, rewritten: Mapping[ChangePlace, Change]) -> None:
        """Put other changes into places, and drop those that have become none."""
        holders: Set[Holder] = {place.holder for place in rewritten}
        for holder in holders:
            changes = [rewritten.get(ChangePlace(holder, number), change)
                       for number, change in enumerate(self._changes_of(holder))]
            self._set_changes(holder, (change for change in changes
                                       if not same_entry(change.before, change.after)))

    def _changes(self) -> Iterator[Tuple[Holder, Tuple[Change, ...]]]:
        for plugin, state in self._states.items():
            for number, applied in enumerate(state.settings):
                yield Holder(plugin, number), applied.changes
            yield Holder(plugin), state.effects

    def _changes_of(self, holder: Holder) -> Tuple[Change, ...]:
        state = self.state(holder.plugin)
        return state.effects if holder.number is None else state.settings[holder.number].changes

    def _set_changes(self, holder: Holder, changes: Iterable[Change]) -> None:
        if holder.number is None:
            self.set_effects(holder.plugin, changes)
        else:
            applied = self.state(holder.plugin).settings[holder.number]
            self.replace(holder, replace(applied, changes=tuple(changes)))
