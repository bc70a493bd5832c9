"""Relabel files of the running system after a change of the policy's file contexts.

Files of an image are labelled when it is made; a merge labels what it changes in one.
"""
from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

from ...system.entries import LABEL
from ...system.paths import resolve_inside
from ...system.trees import walk
from ..kit.model import Context
from . import selinux_store

_PLAIN = re.compile(r"(?:[A-Za-z0-9/_@%,~=:-]|\\[.+^$*?()|{}\[\]\\-])*")


def wrong(keys: Sequence[str], ctx: Context) -> bool:
    """Return whether a file of these contexts has another label than the policy says."""
    places = _places(keys, ctx.root)
    return bool(places) and bool(ctx.run(["restorecon", "-n", "-v", "-R", "--", *places]).strip())


def restore(keys: Sequence[str], ctx: Context) -> None:
    """Label all files of these contexts by the policy."""
    places = _places(keys, ctx.root)
    if places:
        ctx.run(["restorecon", "-R", "--", *places])


@contextlib.contextmanager
def kept(folders: Sequence[Path]) -> Iterator[None]:
    """Keep the labels in ``folders`` while programs replace files in them.

    A kernel without SELinux gives new files no label. At the end, a file without a label
    gets the one that its path had before, and a new path gets that of its folder.
    """
    before = {path: _label(path) for folder in folders for path in _tree(folder)}
    yield
    if not any(before.values()):
        return
    labels: Dict[Path, Optional[bytes]] = {}
    for path in (entry for folder in folders for entry in _tree(folder)):
        label = _label(path)
        if label is None:
            label = before.get(path) or labels.get(path.parent)
            if label is not None:
                os.setxattr(path, LABEL, label, follow_symlinks=False)
        labels[path] = label


def _tree(folder: Path) -> Iterator[Path]:
    """Yield a folder and everything in it, each folder before its entries."""
    yield folder
    if folder.is_dir():
        yield from (Path(entry.path) for entry in walk(folder))


def _label(path: Path) -> Optional[bytes]:
    try:
        return os.getxattr(path, LABEL, follow_symlinks=False)
    except OSError:  # it has none, or its filesystem has no labels
        return None


def _places(keys: Sequence[str], root: Path) -> List[Path]:
    """Return the existing paths that match the plain start of each regular expression."""
    places: List[Path] = []
    for key in keys:
        regex = selinux_store.context_of(key)[0]
        match = _PLAIN.match(regex)
        end = match.end() if match else 0
        folder, _, name = re.sub(r"\\(.)", r"\1", regex[:end]).rpartition("/")
        target = resolve_inside(root, folder)
        whole = end == len(regex) or regex[end] == "("
        if target.is_dir():
            places += [target / entry.name for entry in sorted(target.iterdir())
                       if (entry.name == name if whole else entry.name.startswith(name))]
    return list(dict.fromkeys(places))
