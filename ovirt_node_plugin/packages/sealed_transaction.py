"""DNF's transaction, run sealed: scriptlets of packages can change the root and nothing else.

It runs in a process of its own (``isolation.sealed``). That process reports its progress to
this one, which keeps the terminal, the locks and the registry. Each report is checked, because
a scriptlet may have changed the process that sends it.
"""
from __future__ import annotations

import logging
import os
import sys
from typing import Dict, Iterable, List, Optional, Sequence, Tuple, Union

import dnf
import dnf.callback
import dnf.exceptions
import dnf.lock
import dnf.transaction
import rpm

from ..errors import Refused
from ..isolation import sealed
from ..isolation.view import View
from ..system.json_data import Data
from ..system.path_sets import JOURNAL
from ..system.paths import is_inside
from ..system.words import printable
from . import logs
from .dnf_types import DnfBase, DnfDisplay, DnfPackage


def view_of(root: str, needed: Iterable[str] = (), *, own_devices: bool = True,
            nodes: bool = False) -> View:
    """Return what a transaction in ``root`` sees.

    ``needed`` are the paths of the packages' files and of DNF's cache, which may be outside of
    the root; they can be read only. So can the journal, which undoes what scriptlets do.
    ``own_devices`` and ``nodes`` as in ``View``.
    """
    top = os.path.realpath(root)
    paths = {os.path.abspath(path) for path in (*needed, *filter(None, sys.path))}
    readable = (path for path in paths if os.path.exists(path)
                and not path.startswith(("/usr/", f"{top}/")))
    return View(top, tuple(sorted(readable)), own_devices=own_devices, nodes=nodes,
                shown=((f"{top}/{JOURNAL}", JOURNAL),))


def refuse_state_outside(root: str, state: str) -> None:
    """Raise Refused if DNF's folder of state, "persistdir" of dnf.conf(5), is not in ``root``.

    A transaction writes to it, and so could scriptlets.
    """
    if not is_inside(os.path.realpath(state), os.path.realpath(root)):
        raise Refused(f"dnf keeps its state in {state}, outside of {root}, where scriptlets of"
                      " packages could change it",
                      hint="Leave out the option persistdir, then try again.")


def run_transaction(base: DnfBase, view: View, displays: Sequence[DnfDisplay]) -> None:
    """Run the solved transaction of ``base``, sealed with ``view``.

    Raises dnf.exceptions.Error if the transaction fails or ends early.
    """
    packages = [item.pkg for item in base.transaction or ()]
    base._closeRpmDB()  # the sealed process opens it by itself
    reports = Reports(packages, displays)
    try:
        sealed.run_sealed(lambda tell: _transaction(base, view.root, packages, tell), view,
                   told=reports.take)
    except sealed.Ended as exc:
        raise dnf.exceptions.Error(str(exc)) from exc
    if reports.failure:
        raise dnf.exceptions.Error(reports.failure)
    base._trans_success = True
    base._trans_install_set = bool(base.transaction and base.transaction.install_set)


def _transaction(base: DnfBase, root: str, packages: Sequence[DnfPackage],
                 tell: sealed.Tell) -> None:
    """Run the transaction, in the sealed process."""
    # The parent holds the locks. Here, they would be written with a process id that means
    # another process outside of this namespace.
    for name in ("__enter__", "__exit__"):
        setattr(dnf.lock.ProcessLock, name, lambda *_: None)
    if not is_inside(os.path.realpath(base.conf.logdir), root):
        base.conf.logdir = "/tmp"  # libdnf opens its log again
    # A plugin of rpm 4.20 that isolates scriptlets less, with calls that fail here
    rpm.addMacro("__transaction_unshare", "%{nil}")
    logs.report_messages(lambda level, message: tell(
        {"event": "message", "level": level, "text": message}))
    numbers = {str(package): number for number, package in enumerate(packages)}
    try:
        dnf.Base.do_transaction(base, [_Reporting(tell, numbers)])
    except dnf.exceptions.Error as exc:
        tell({"event": "failed", "text": str(exc)})
    finally:
        base._closeRpmDB()  # otherwise rpm's database would keep its write-ahead log


class _Reporting(dnf.callback.TransactionProgress):
    """A display that reports what it should show."""

    def __init__(self, tell: sealed.Tell, numbers: Dict[str, int]) -> None:
        super().__init__()
        self.output = True
        self._tell = tell
        self._numbers = numbers
        self._last: Tuple[object, ...] = ()

    def progress(self, package: object, action: int, ti_done: Optional[int],
                 ti_total: Optional[int], ts_done: Optional[int],
                 ts_total: Optional[int]) -> None:
        percent = (ti_done or 0) * 100 // ti_total if ti_total else None
        shown = (str(package), action, percent, ts_done)
        if shown != self._last:
            self._last = shown
            self._tell({
                "event": "progress", "item": self._numbers.get(str(package), -1),
                "name": str(package or ""), "action": action,
                "counts": [ti_done, ti_total, ts_done, ts_total]})

    def scriptout(self, msgs: object) -> None:
        if msgs:
            self._tell({"event": "output", "text": str(msgs)})

    def error(self, message: str) -> None:
        self._tell({"event": "error", "text": str(message)})


class Reports:
    """The reports of the sealed process, passed on to displays.

    ``failure`` is the message of DNF's error, empty without one.
    """

    def __init__(self, packages: Sequence[DnfPackage], displays: Sequence[DnfDisplay]) -> None:
        self._packages = packages
        self._displays = displays
        self.failure = ""

    def take(self, report: Data) -> None:
        """Pass on one report. Raises sealed.Ended for one that this module does not send."""
        event = report.get("event")
        text = printable(str(report.get("text")), keep="\n\t")
        if event == "progress":
            package, numbers = self._progress(report)
            for display in self._displays:
                display.progress(package, *numbers)
        elif event == "error":
            for display in self._displays:
                display.error(text)
        elif event == "output":
            for display in self._displays:
                display.scriptout(text)
        elif event == "message":
            logs.show_message(_level(report), text)
        elif event == "failed":
            self.failure = text or "the transaction failed"
        else:
            raise sealed.Ended("the sealed process sent an unknown report")

    def _progress(self, report: Data) -> Tuple[Union[DnfPackage, str], List[Optional[int]]]:
        """Return the package, or a text in its place, and the numbers of a report.

        Displays of DNF calculate with them, and draw a bar of that length.
        """
        action, item, counts = report.get("action"), report.get("item"), report.get("counts")
        is_end = action == dnf.transaction.TRANS_POST
        if (not isinstance(action, int) or not isinstance(item, int)
                or not -1 <= item < len(self._packages) or not isinstance(counts, list)
                or len(counts) != 4 or is_end and counts != [None] * 4
                or not is_end and not all(_is_count(count) for count in counts)):
            raise sealed.Ended("the sealed process sent progress of an unknown form")
        if not is_end:
            counts[0] = min(counts[:2])
        if item >= 0:
            return self._packages[item], [action, *counts]
        return printable(str(report.get("name"))), [action, *counts]


def _level(report: Data) -> int:
    """Return the level of a message, one of the module logging."""
    level = report.get("level")
    if not isinstance(level, int) or not 0 <= level <= logging.CRITICAL:
        raise sealed.Ended("the sealed process sent a message of an unknown level")
    return level


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0
