"""The changes of an install in a root, which a removal undoes."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from ..system.entries import Entry
from ..undo.changes import AppliedState


@dataclass(frozen=True)
class UndoData:
    """The undo data of one installed plugin.

    ``descriptor`` is the XML document as installed, ``files`` are the files of the bundle that
    its settings can name, so that they can be applied again without the bundle; ``folders`` are
    the registry's own folders that were made for this plugin, relative to the root, which
    ``store.save`` fills in. ``inventory`` is false for plugins installed by the first
    versions of this tool, which wrote none.
    """

    name: str
    descriptor: bytes
    state: AppliedState
    folders: Tuple[str, ...] = ()
    inventory: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    @property
    def private(self) -> bool:
        """Whether it holds the content of a file that not every user may read.

        That can be a file as it was before, or one of the bundle that was placed so.
        """
        changes = self.state.all_changes
        return (any(_is_private(change.before) and change.before.content is not None
                    for change in changes if change.before is not None)
                or bool(self.files) and any(_is_private(change.after) for change in changes))


def _is_private(entry: Optional[Entry]) -> bool:
    return entry is not None and entry.kind == "file" and not entry.mode & 0o004
