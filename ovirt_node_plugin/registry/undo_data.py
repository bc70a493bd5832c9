"""What an install changed in a root, so that it can be undone."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Sequence, Tuple

from ..undo.changes import EFFECTS, Applied, Change


@dataclass(frozen=True)
class UndoData:
    """The changes of one installed plugin.

    ``descriptor`` is the document as installed; ``effects`` are what scriptlets
    changed; ``folders`` are those of the registry itself that were made for this
    plugin, relative to the root (``registry.save`` fills them in). ``inventory`` says
    that there is one beside it, which the first versions of this tool did not write.
    """

    name: str
    descriptor: bytes
    settings: Tuple[Applied, ...]
    effects: Tuple[Change, ...]
    folders: Tuple[str, ...] = ()
    inventory: bool = False

    @property
    def applied(self) -> Tuple[Applied, ...]:
        """The settings, and after them the effects as one more, if there are any."""
        if not self.effects:
            return self.settings
        return (*self.settings, Applied(kind=EFFECTS, key="", value="", before="",
                                        changes=self.effects))

    def with_applied(self, applied: Sequence[Applied]) -> UndoData:
        """Return this with other settings and effects, in the form of ``applied``."""
        return dataclasses.replace(
            self, settings=tuple(a for a in applied if a.kind != EFFECTS),
            effects=tuple(c for a in applied if a.kind == EFFECTS for c in a.changes))

    @property
    def private(self) -> bool:
        """Say if it holds the content of a file that not everybody may read."""
        return any(
            change.before is not None and change.before.kind == "file"
            and change.before.content is not None and not change.before.mode & 0o004
            for applied in self.applied for change in applied.changes)
