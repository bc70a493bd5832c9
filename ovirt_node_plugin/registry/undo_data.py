"""The changes of an install in a root, which a removal undoes."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Sequence, Tuple

from ..undo.changes import EFFECTS, Applied, Change


@dataclass(frozen=True)
class UndoData:
    """The undo data of one installed plugin.

    ``descriptor`` is the XML document as installed; ``effects`` are the changes of
    scriptlets; ``folders`` are the registry's own folders that were made for this plugin,
    relative to the root, which ``store.save`` fills in. ``inventory`` is false for plugins
    installed by the first versions of this tool, which wrote none.
    """

    name: str
    descriptor: bytes
    settings: Tuple[Applied, ...]
    effects: Tuple[Change, ...]
    folders: Tuple[str, ...] = ()
    inventory: bool = False

    @property
    def applied(self) -> Tuple[Applied, ...]:
        """The settings, followed by one for the effects if there are any."""
        if not self.effects:
            return self.settings
        return (*self.settings, Applied(kind=EFFECTS, key="", value="", before="",
                                        changes=self.effects))

    def with_applied(self, applied: Sequence[Applied]) -> UndoData:
        """Return this undo data with the settings and effects in ``applied``."""
        return dataclasses.replace(
            self, settings=tuple(a for a in applied if a.kind != EFFECTS),
            effects=tuple(c for a in applied if a.kind == EFFECTS for c in a.changes))

    @property
    def private(self) -> bool:
        """Whether it holds the content of a file that not every user may read."""
        return any(
            change.before is not None and change.before.kind == "file"
            and change.before.content is not None and not change.before.mode & 0o004
            for applied in self.applied for change in applied.changes)
