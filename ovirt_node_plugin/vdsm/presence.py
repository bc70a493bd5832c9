"""Look up installed packages in a child process; imports little."""
from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping

from ..system.nevra import make_evr, make_nevra, name_of

# Looking up one package takes as long as reading three in sequence.
_MANY = 200


def missing_packages(nevras: list[str], *, timeout_s: float) -> set[str] | None:
    """Return those of ``nevras`` that are not in the running system's rpm database.

    The result is None if there is no answer within the time. A damaged, locked or
    unreadable database can make librpm crash, wait or print, so a child process reads it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, nevras)
    os.close(writing)
    try:
        answer = _read_all(reading, time.monotonic() + timeout_s)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        # a process that is stuck in the kernel is left to init
        os.waitpid(child, 0 if answer is not None else os.WNOHANG)
    try:
        return set(json.loads(answer or b""))
    except ValueError:
        return None


def _read_all(handle: int, deadline: float) -> bytes | None:
    """Return all data of a pipe until its end, None if that is after ``deadline``."""
    parts: list[bytes] = []
    while True:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or not select.select([handle], [], [], remaining_s)[0]:
            return None
        part = os.read(handle, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _answer(handle: int, nevras: list[str]) -> None:
    """Write the missing packages as JSON to ``handle``, if known, and end this process."""
    try:
        signal.alarm(60)  # in case the parent was killed
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # readers of these must not wait for this process
            os.dup2(null, standard)
        missing = _missing(nevras)
        if missing is not None:
            with open(handle, "wb") as stream:
                stream.write(json.dumps(missing).encode())
    finally:
        os._exit(0)


def _missing(nevras: list[str]) -> list[str] | None:
    import rpm

    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)  # RPMVSF_MASK_NOSIGNATURES and _NODIGESTS of rpmts.h
    if not any(True for _ in transaction.dbMatch()):
        return None  # an empty database: it is not that of this system
    names = {name_of(nevra) for nevra in nevras}
    if len(names) > _MANY:
        present = {_nevra(raw) for raw in transaction.dbMatch()}
    else:
        present = {_nevra(raw) for name in names if name
                   for raw in transaction.dbMatch("name", name)}
    return [nevra for nevra in nevras if nevra not in present]


def _nevra(raw: Mapping[str, object]) -> str:
    """Return the NEVRA of a header as DNF writes it, without an epoch of 0."""
    evr = make_evr(raw["epoch"], raw["version"], raw["release"])
    return make_nevra(raw["name"], evr, raw["arch"])
