"""What settings did to the running system, as words of a record and as lines of a journal.

The lines are written before the deed, into the folder of the root's journal, from which
whoever undoes the change reads them.
"""
from __future__ import annotations

import json
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, List, Tuple

from ..errors import RecordError
from ..system.regular_files import read_regular
from .journal import FOLDER

WAS, LEFT = "was", "left"
"""Words of an outcome: the running system's state before, and that in which it was left."""

_FILE = "live"


@dataclass(frozen=True)
class Deed:
    """One setting that is about to be brought into the running system, which is ``was``."""

    kind: str
    key: str
    was: str


@dataclass(frozen=True)
class Log:
    """All lines: deeds in their order, and the names of what was to be read again."""

    deeds: Tuple[Deed, ...]
    again: FrozenSet[str]


NOTHING = Log((), frozenset())


def write_deed(root: Path, deed: Deed) -> None:
    """Keep a deed that is about to be done."""
    _append(root, {"kind": deed.kind, "key": deed.key, "was": deed.was})


def write_again(root: Path, names: Iterable[str]) -> None:
    """Keep the names of what the running system is about to read again."""
    _append(root, {"again": sorted(names)})


def read_log(root: Path) -> Log:
    """Return what the journal of ``root`` has.

    Raises RecordError for something else; a last line that is cut off was not followed
    by its deed.
    """
    deeds: List[Deed] = []
    again: List[str] = []
    try:
        lines = read_regular(root / FOLDER / _FILE).decode().split("\n")[:-1]
        for data in map(json.loads, lines):
            if "again" in data:
                again.extend(map(str, data["again"]))
            else:
                deeds.append(Deed(str(data["kind"]), str(data["key"]), str(data["was"])))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RecordError(f"the journal {root / FOLDER / _FILE} cannot be read: {exc}",
                          hint="Remove that file, then run the command again; look by hand"
                               " which services run.") from exc
    return Log(tuple(deeds), frozenset(again))


def words(**states: str) -> str:
    """Return states as words of an outcome."""
    return " ".join(f"{name}={urllib.parse.quote(state, safe='/,:')}"
                    for name, state in states.items())


def states(outcome: str) -> Dict[str, str]:
    """Return the states among the words of an outcome."""
    found = (word.partition("=") for word in outcome.split())
    return {name: urllib.parse.unquote(state) for name, _, state in found
            if name in (WAS, LEFT)}


def without(outcome: str) -> str:
    """Return an outcome without those words."""
    return " ".join(word for word in outcome.split()
                    if word.partition("=")[0] not in (WAS, LEFT))


def _append(root: Path, data: Dict[str, object]) -> None:
    with open(root / FOLDER / _FILE, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(data) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
