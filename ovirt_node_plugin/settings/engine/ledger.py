"""What the plugins of a root changed in it, by settings and scriptlets."""
from __future__ import annotations

from dataclasses import replace
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ...undo.changes import Applied, AppliedState, Change, is_kept
from .path_history import ChangePlace, Holder, PathStep


class Ledger:
    """The applied state of all plugins of a root; it is changed in memory only."""

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
        """Yield the settings of all plugins."""
        for plugin, state in self._states.items():
            for applied in state.settings:
                yield Holder(plugin, applied.identity), applied

    def having(self, kind: str, key: str) -> List[Tuple[Holder, Applied]]:
        """Return the setting with this kind and key of each plugin that has it.

        The values of a shared setting agree, but the outcome of one plugin may have more.
        """
        return [(holder, applied) for holder, applied in self.settings()
                if applied.identity == (kind, key)]

    def steps(self, path: str) -> List[PathStep]:
        """Return every change of ``path``."""
        return [PathStep(change, ChangePlace(holder, number)) for holder, changes in self._changes()
                for number, change in enumerate(changes) if change.path == path]

    def below(self, folder: str) -> Optional[Holder]:
        """Return the first holder of a change in ``folder``, None if there is none."""
        return next((holder for holder, changes in self._changes()
                     if any(change.path.startswith(folder + "/") for change in changes)), None)

    def set_settings(self, plugin: str, settings: Iterable[Applied]) -> None:
        """Replace the settings of a plugin."""
        self._states[plugin] = replace(self.state(plugin), settings=tuple(settings))

    def set_effects(self, plugin: str, effects: Iterable[Change]) -> None:
        """Replace the scriptlet effects of a plugin."""
        self._states[plugin] = replace(self.state(plugin), effects=tuple(effects))

    def set_factory(self, plugin: str, changes: Iterable[Change]) -> None:
        """Replace the plugin's changes of the image's pristine copy of /etc."""
        self._states[plugin] = replace(self.state(plugin), factory=tuple(changes))

    def put(self, plugin: str, applied: Applied) -> None:
        """Replace the plugin's setting of the same kind and key, or add it at the end."""
        settings = {other.identity: other for other in self.state(plugin).settings}
        self.set_settings(plugin, {**settings, applied.identity: applied}.values())

    def give(self, holder: Holder, changes: Iterable[Change]) -> None:
        """Add changes to a holder, before its own."""
        self._set_changes(holder, (*changes, *self._changes_of(holder)))

    def rewrite(self, rewritten: Mapping[ChangePlace, Change]) -> None:
        """Replace the changes at these places, and drop those that change nothing."""
        for holder in {place.holder for place in rewritten}:
            changes = [rewritten.get(ChangePlace(holder, number), change)
                       for number, change in enumerate(self._changes_of(holder))]
            self._set_changes(holder, (change for change in changes if is_kept(change)))

    def _changes(self) -> Iterator[Tuple[Holder, Tuple[Change, ...]]]:
        for plugin, state in self._states.items():
            for applied in state.settings:
                yield Holder(plugin, applied.identity), applied.changes
            yield Holder(plugin), state.effects

    def _changes_of(self, holder: Holder) -> Tuple[Change, ...]:
        return next((changes for other, changes in self._changes() if other == holder), ())

    def _set_changes(self, holder: Holder, changes: Iterable[Change]) -> None:
        if holder.setting is None:
            self.set_effects(holder.plugin, changes)
        else:
            applied = next(applied for other, applied in self.settings() if other == holder)
            self.put(holder.plugin, replace(applied, changes=tuple(changes)))
