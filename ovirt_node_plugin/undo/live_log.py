"""The log of changes to the running system, in the folder of the root's journal.

Each line is written before its step is done; undoing the journal reads them. The states
before and after are also kept in the outcome of a setting.
"""
from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, List, Tuple

from ..errors import RecordError
from ..system.limits import JOURNAL_BYTES
from ..system.path_sets import JOURNAL
from ..system.regular_files import read_regular

WAS, LEFT = "was", "left"
"""Names in an outcome: the state of the running system before and after the step."""

_FILE = "live"


@dataclass(frozen=True)
class Deed:
    """One setting that is about to be made live; ``was`` is the state before."""

    kind: str
    key: str
    was: str


@dataclass(frozen=True)
class Log:
    """All lines: the deeds in order, and the names of configuration to be reloaded."""

    deeds: Tuple[Deed, ...]
    again: FrozenSet[str]


NOTHING = Log((), frozenset())


def write_deed(root: Path, deed: Deed) -> None:
    """Log a deed that is about to be done."""
    _append(root, {"kind": deed.kind, "key": deed.key, "was": deed.was})


def write_again(root: Path, names: Iterable[str]) -> None:
    """Log the names of configuration that the running system is about to reload."""
    _append(root, {"again": sorted(names)})


def read_log(root: Path) -> Log:
    """Return the log in the journal of ``root``; without one, an empty log.

    A last line that is cut off is ignored: its deed was not done. Raises RecordError for
    an invalid file.
    """
    deeds: List[Deed] = []
    again: List[str] = []
    try:
        lines = read_regular(root / JOURNAL / _FILE,
                             max_bytes=JOURNAL_BYTES).decode().split("\n")[:-1]
        for data in map(json.loads, lines):
            if "again" in data:
                again.extend(map(str, data["again"]))
            else:
                deeds.append(Deed(str(data["kind"]), str(data["key"]), str(data["was"])))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise RecordError(f"the journal {root / JOURNAL / _FILE} cannot be read: {exc}",
                          hint="Remove that file, then run the command again; look by hand"
                               " which services run.") from exc
    return Log(tuple(deeds), frozenset(again))


def _append(root: Path, data: Dict[str, object]) -> None:
    with open(root / JOURNAL / _FILE, "a", encoding="utf-8") as stream:
        stream.write(json.dumps(data) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
