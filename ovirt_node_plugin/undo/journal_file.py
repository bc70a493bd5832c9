"""The file of a journal: the operation, what it may change, and what was there before."""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Mapping, Optional, Tuple

from ..errors import Refused
from ..system.json_data import check_items, check_size
from ..system.limits import JOURNAL_BYTES
from .snapshot import SavedEntry

FORMAT = 1
# The parts of a scope whose content is undone as a whole.
_FOLDERS = ("trees", "bare", "whole")


NamedFile = Tuple[int, int, int, int, int, int]
"""Inode, size in bytes, mtime in ns, st_mode, uid and gid of a file that is known by name only."""


@dataclass(frozen=True)
class Scope:
    """The paths that an operation may change, all relative to the root.

    ``paths`` are single entries, such as those in package file lists; new entries beside
    them are undone too. ``trees`` are folders to which scriptlets and settings write, saved
    with content. Of ``bare`` folders the folders, links and names are saved, but no content; of
    ``near`` folders only the names directly in them. ``whole`` are files and folders that
    are written in place, such as databases; all of them are copied.

    ``live`` is for the running system, which others change too: new entries beside
    ``paths`` and in ``near`` are then ignored, and ``spared`` are folders and files below
    ``trees`` that are ignored.
    """

    paths: Tuple[str, ...]
    trees: Tuple[str, ...] = ()
    bare: Tuple[str, ...] = ()
    near: Tuple[str, ...] = ()
    whole: Tuple[str, ...] = ()
    live: bool = False
    spared: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Intent:
    """The operation for which a journal was written, for messages."""

    operation: str
    plugins: Tuple[str, ...]
    tool: str


@dataclass(frozen=True)
class State:
    """The content of a journal's file.

    ``index`` has every saved entry by its path, None where there was none; ``near`` are the
    folders of ``paths``; ``names`` are the names in those, in ``bare`` and in ``trees``.
    ``mounts`` are the mount points in the root. ``files`` describes the regular files in
    ``names``, by path; it is empty in a running system.
    """

    intent: Intent
    scope: Scope
    index: Dict[str, Optional[SavedEntry]]
    near: FrozenSet[str]
    names: FrozenSet[str]
    mounts: FrozenSet[str] = frozenset()
    files: Mapping[str, NamedFile] = field(default_factory=dict)


def dump(state: State) -> bytes:
    """Return the content of the journal's file for ``state``.

    Raises Refused for one that ``load`` would refuse as too large.
    """
    data = {
        "format": FORMAT, "operation": state.intent.operation,
        "plugins": state.intent.plugins, "tool": state.intent.tool,
        "scope": vars(state.scope), "near": sorted(state.near), "names": sorted(state.names),
        "mounts": sorted(state.mounts), "files": state.files,
        "index": {path: kept and kept.dump() for path, kept in state.index.items()}}
    text = json.dumps(data, separators=(",", ":")).encode()
    try:
        check_size(text, most_bytes=JOURNAL_BYTES)
    except ValueError as exc:
        raise Refused(f"the root has too many files for a journal: {exc}",
                      hint="Nothing was changed. Remove files that do not belong in an image.",
                      ) from exc
    return text


def load(text: bytes) -> State:
    """Return the state in ``text``, the inverse of ``dump``; the root may be hostile.

    Raises ValueError, KeyError, TypeError or AttributeError for invalid text.
    """
    check_items(text)
    data = json.loads(text)
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']}, not {FORMAT}")
    scope = data["scope"]
    names = {key: tuple(map(_named if key in _FOLDERS else str, scope[key]))
             for key in scope if key != "live"}
    index = {_named(path): SavedEntry.load(kept) if kept is not None else None
             for path, kept in data["index"].items()}
    twins = {kept.twin for kept in index.values() if kept is not None and kept.twin}
    if not twins <= set(index):
        raise ValueError("it names a file that it does not keep")
    return State(
        intent=Intent(str(data["operation"]), tuple(map(str, data["plugins"])), str(data["tool"])),
        scope=Scope(live=bool(scope["live"]), **names), index=index,
        near=frozenset(map(_inside, data["near"])), names=frozenset(map(_named, data["names"])),
        mounts=frozenset(map(_named, data.get("mounts", ()))),
        files={_named(path): _file(values) for path, values in data.get("files", {}).items()})


def _file(values: object) -> NamedFile:
    if (not isinstance(values, list) or len(values) != 6
            or not all(isinstance(value, int) for value in values)):
        raise ValueError("the description of a file is invalid")
    inode, size_bytes, mtime_ns, mode, uid, gid = values
    return inode, size_bytes, mtime_ns, mode, uid, gid


def _named(path: object) -> str:
    """Return ``path`` if it names an entry in the root; else raise ValueError."""
    text = _inside(path)
    if set(text.split("/")) & {"", "."}:
        raise ValueError(f"it names {text[:200]!r}, which is no entry of the root")
    return text


def _inside(path: object) -> str:
    """Return ``path`` if it is relative and has no ``..``; else raise ValueError."""
    text = str(path)
    if text.startswith("/") or ".." in text.split("/") or "\0" in text:
        raise ValueError(f"it names {text[:200]!r}, which is outside of the root")
    return text
