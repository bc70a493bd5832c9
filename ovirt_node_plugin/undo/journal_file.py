"""What a journal's file holds: what was being done, what it may touch, what was there."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Optional, Tuple

from .snapshot import SavedEntry

FORMAT = 1


@dataclass(frozen=True)
class Scope:
    """What a change may touch; every name is relative to the root.

    ``paths`` are single entries, as from package file lists, and what is new
    beside them counts too; ``trees`` folders that scriptlets and settings write
    to, kept with content; ``bare`` folders of which only the names are kept, so
    that what is new in them can go again; ``near`` those of which that goes for
    what is directly in them; ``whole`` files and folders that are written to in
    place, such as databases, all of them copied.

    ``live`` is for a system that runs: there others change things too, so what is
    beside ``paths`` or in ``near`` is not looked at, and ``spared`` are folders and
    files below ``trees`` that are left alone.
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
    """What was being done when a journal was written, for messages."""

    operation: str
    plugins: Tuple[str, ...]
    tool: str


@dataclass(frozen=True)
class State:
    """What the journal's file holds.

    ``index`` has every entry that is kept, None where there was none; ``near`` are
    the folders in which ``paths`` lie; ``names`` what was in those, in ``bare`` and
    in ``trees``.
    """

    intent: Intent
    scope: Scope
    index: Dict[str, Optional[SavedEntry]]
    near: FrozenSet[str]
    names: FrozenSet[str]


def dump(state: State) -> bytes:
    """Return ``state`` as the journal's file has it."""
    data = {
        "format": FORMAT, "operation": state.intent.operation,
        "plugins": state.intent.plugins, "tool": state.intent.tool,
        "scope": vars(state.scope), "near": sorted(state.near), "names": sorted(state.names),
        "index": {path: kept and kept.dump() for path, kept in state.index.items()}}
    return json.dumps(data, separators=(",", ":")).encode()


def load(text: bytes) -> State:
    """Return what ``dump`` made ``text`` of; it may come from a hostile root.

    Raises ValueError, KeyError, TypeError or AttributeError for anything else.
    """
    data = json.loads(text)
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']}, not {FORMAT}")
    scope = data["scope"]
    names = {key: tuple(map(str, scope[key])) for key in scope if key != "live"}
    index = {_inside(path): SavedEntry.load(kept) if kept is not None else None
             for path, kept in data["index"].items()}
    twins = {kept.twin for kept in index.values() if kept is not None and kept.twin}
    if not twins <= set(index):
        raise ValueError("it names a file that it does not keep")
    return State(
        intent=Intent(str(data["operation"]), tuple(map(str, data["plugins"])), str(data["tool"])),
        scope=Scope(live=bool(scope["live"]), **names), index=index,
        near=frozenset(map(_inside, data["near"])), names=frozenset(map(_inside, data["names"])))


def _inside(path: Any) -> str:
    """Return a path that is relative and does not climb."""
    text = str(path)
    if text.startswith("/") or ".." in text.split("/") or "\0" in text:
        raise ValueError(f"it names {text!r}, which is outside of the root")
    return text
