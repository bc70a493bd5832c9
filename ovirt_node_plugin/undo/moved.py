"""What the journal saved only by name: move it back, and tell what is not as before."""
from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Tuple

from ..system import beneath
from ..system.trees import stat_of
from . import covered, journal
from .journal_file import State
from .snapshot import restore


def move_back(root: Path, state: State) -> None:
    """Make folders and links again that are missing, and move files back that were moved.

    A file that took its place is replaced, and so is what took the place of a folder.
    """
    for path, kept in sorted(state.index.items()):
        if (kept is not None and (not os.path.lexists(root / path) if kept.kind == "link" else
                                  kept.kind == "dir" and _is_gone(root / path, state))
                and (root / path).parent.is_dir()):
            restore(root, path, kept, journal.folder_of(root))
    known = covered.recorded(state)
    new = covered.present(root, state, known) - known if state.files else set()
    for path, place in covered.moved(root, state, new).items():
        if os.path.lexists(root / place) and not (root / path).is_dir():
            # without its folder, or from another filesystem, it stays lost, and is named as such
            with contextlib.suppress(OSError), beneath.parent_opened(root, place) as source, \
                    beneath.parent_opened(root, path) as target:
                os.rename(source, target)


def _is_gone(folder: Path, state: State) -> bool:
    """Return whether a saved folder is missing, or is a file or a link now.

    What a running system put in its place is restored later, if the change did that.
    """
    now = stat_of(folder)
    return now is None or not (state.scope.live or stat.S_ISDIR(now[0]))


def lost(root: Path, state: State) -> Tuple[str, ...]:
    """Return what is not as before, such as ``/opt/x was removed``, after undoing.

    A running system may have changed files itself; nothing is returned for it.
    """
    if state.scope.live:
        return ()
    return (*(f"/{path} was removed" for path in sorted(state.names)
              if not os.path.lexists(root / path)),
            *(f"/{path} was changed" for path, file in sorted(state.files.items())
              for now in [covered.named_file(root, path)]
              if os.path.lexists(root / path) and (now is None or now[1:] != file[1:])))


def written_in_place(root: Path, state: State) -> Tuple[str, ...]:
    """Return the files that were saved as hard links and written to since, before undoing."""
    changed = []
    for path, kept in sorted(state.index.items()):
        if kept is not None and kept.linked:
            try:
                info = os.lstat(journal.folder_of(root) / str(kept.number))
            except FileNotFoundError:
                continue
            if (stat.S_ISREG(info.st_mode)
                    and (info.st_size, info.st_mtime_ns) != (kept.size_bytes, kept.mtime_ns)):
                changed.append(f"/{path} was changed")
    return tuple(changed)
