"""Which packages are installed, asked in a process of its own; imports next to nothing."""
from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping

from ..system.nevra import make_evr, make_nevra, name_of

# To look one package up takes as long as to read three of a whole database in turn.
_MANY = 200


def missing_packages(nevras: list[str], *, timeout_s: float) -> set[str] | None:
    """Return those of ``nevras`` that are not in the running system's rpm database.

    None if that cannot be told within the time. A database that is damaged, locked or
    not readable can make librpm crash, wait or print: another process does that.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(theirs, nevras)
    os.close(theirs)
    try:
        answer = _read_all(ours, time.monotonic() + timeout_s)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        # it may be stuck in the kernel; then it is init's when this process ends
        os.waitpid(child, 0 if answer is not None else os.WNOHANG)
    try:
        return set(json.loads(answer or b""))
    except ValueError:
        return None


def _read_all(handle: int, deadline: float) -> bytes | None:
    """Return all that is written to a pipe until its end; None if that is too late."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([handle], [], [], left)[0]:
            return None
        part = os.read(handle, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _answer(handle: int, nevras: list[str]) -> None:
    """Write the answer as JSON to ``handle``, or nothing, and end this process."""
    try:
        signal.alarm(60)  # should nobody be left to end it
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # whoever reads those must not wait for this process
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
        return None  # nobody lives without packages: it is not this system's database
    names = {name_of(nevra) for nevra in nevras}
    if len(names) > _MANY:
        present = {_nevra(raw) for raw in transaction.dbMatch()}
    else:
        present = {_nevra(raw) for name in names if name
                   for raw in transaction.dbMatch("name", name)}
    return [nevra for nevra in nevras if nevra not in present]


def _nevra(raw: Mapping[str, object]) -> str:
    """Return a header's NEVRA as DNF writes it: without an epoch of 0."""
    evr = make_evr(raw["epoch"], raw["version"], raw["release"])
    return make_nevra(raw["name"], evr, raw["arch"])
