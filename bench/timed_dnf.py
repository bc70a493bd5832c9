"""Run dnf and time the parts of an install: ``python3 -m bench.timed_dnf FILE ARGUMENT...``.

The seconds of the package transaction and of writing the manifest go to FILE as JSON. The
arguments are those of dnf.
"""
from __future__ import annotations

import functools
import json
import sys
import time
from typing import Any, Callable, Dict, List, Tuple

from ovirt_node_plugin.operations.apply import inventories
from ovirt_node_plugin.operations.apply.inventories import Inventories
from ovirt_node_plugin.packages.session import Session
from ovirt_node_plugin.registry import store, unowned_files

TRANSACTION, MANIFEST = "transaction_s", "manifest_s"
_PARTS: List[Tuple[Any, str, str]] = [
    (Session, "run", TRANSACTION), (Inventories, "__init__", MANIFEST),
    (inventories, "previous", MANIFEST), (Inventories, "of", MANIFEST),
    (store, "save_inventory", MANIFEST), (unowned_files, "follow", MANIFEST)]


def main() -> None:
    """Run dnf and exit with its status."""
    from dnf.cli.main import user_main

    spent: Dict[str, float] = {TRANSACTION: 0.0, MANIFEST: 0.0}
    for owner, name, part in _PARTS:
        setattr(owner, name, _timed(getattr(owner, name), part, spent))
    try:
        user_main(sys.argv[2:], exit_code=True)
    finally:
        with open(sys.argv[1], "w", encoding="utf-8") as stream:
            json.dump(spent, stream)


def _timed(function: Callable[..., Any], part: str,
           spent: Dict[str, float]) -> Callable[..., Any]:
    """Return ``function`` with its seconds added to ``spent[part]``."""
    @functools.wraps(function)
    def run(*words: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*words, **named)
        finally:
            spent[part] += time.perf_counter() - started
    return run


if __name__ == "__main__":
    main()
