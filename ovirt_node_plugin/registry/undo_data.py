"""The changes of an install in a root, which a removal undoes."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Tuple

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
        """Whether it holds the content of a file that not every user may read."""
        return any(
            change.before is not None and change.before.kind == "file"
            and change.before.content is not None and not change.before.mode & 0o004
            for change in self.state.all_changes)
