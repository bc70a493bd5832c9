"""DNF's transaction, run sealed: scriptlets of packages can change the root and nothing else.

It runs in a process of its own (``isolation.sealed``). That process reports its progress to
this one, which keeps the terminal, the locks and the registry. Each report is checked, because
a scriptlet may have changed the process that sends it.
"""
from __future__ import annotations

import logging
import os
import sys
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

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
from . import logs, scriptlet_runs
from .displays import output_text
from .dnf_types import DnfBase, DnfDisplay, DnfPackage
from .scriptlet_runs import FailedScriptlet, Scriptlet, ScriptletListener, States

_MOST_CHANGED, _MOST_OUTPUT = 1000, 10_000  # paths and characters in a report


def view_of(root: str, needed: Iterable[str] = (), *, covered: Sequence[str] = (),
            nodes: bool = False) -> View:
    """Return what a transaction in ``root`` sees.

    ``needed`` are the paths of the packages' files and of DNF's cache, which may be outside of
    the root; they can be read only. So can the journal, which undoes what scriptlets do.
    ``covered`` are those of SURROUNDINGS that are the process's own; ``nodes`` as in ``View``.
    """
    top = os.path.realpath(root)
    paths = {os.path.abspath(path) for path in (*needed, *filter(None, sys.path))}
    readable = (path for path in paths if os.path.exists(path)
                and not path.startswith(("/usr/", f"{top}/")))
    return View(top, tuple(sorted(readable)), own_devices="dev" in covered, nodes=nodes,
                volatile=tuple(name for name in covered if name not in ("dev", "proc")),
                shown=((f"{top}/{JOURNAL}", JOURNAL),))


def refuse_state_outside(root: str, state: str) -> None:
    """Raise Refused if DNF's folder of state, "persistdir" of dnf.conf(5), is not in ``root``.

    A transaction writes to it, and so could scriptlets.
    """
    if not is_inside(os.path.realpath(state), os.path.realpath(root)):
        raise Refused(f"dnf keeps its state in {state}, outside of {root}, where scriptlets of"
                      " packages could change it",
                      hint="Leave out the option persistdir, then try again.")


def run_transaction(base: DnfBase, view: View, displays: Sequence[DnfDisplay],
                    listener: ScriptletListener, *, states: States,
                    skip_scriptlets: bool = False) -> None:
    """Run the solved transaction of ``base``, sealed with ``view``.

    ``listener`` receives the scriptlets that ran; ``states`` and ``skip_scriptlets`` are as in
    ``running.RunOptions``. Raises dnf.exceptions.Error if the transaction fails or ends early.
    """
    packages = [item.pkg for item in base.transaction or ()]
    base._closeRpmDB()  # the sealed process opens it by itself
    reports = Reports(packages, displays, listener)

    def work(tell: sealed.Tell) -> None:
        with scriptlet_runs.reported(_ScriptletTeller(tell), states):
            _transaction(base, view.root, packages, tell, skip_scriptlets=skip_scriptlets)

    try:
        sealed.run_sealed(work, view, told=reports.take)
    except sealed.Ended as exc:
        raise dnf.exceptions.Error(str(exc)) from exc
    if reports.failure:
        raise dnf.exceptions.Error(reports.failure)
    base._trans_success = True
    base._trans_install_set = bool(base.transaction and base.transaction.install_set)


def _transaction(base: DnfBase, root: str, packages: Sequence[DnfPackage],
                 tell: sealed.Tell, *, skip_scriptlets: bool) -> None:
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
    if skip_scriptlets:
        scriptlet_runs.skip_of_leaving(base)
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

    def scriptout(self, msgs: Union[bytes, str, None]) -> None:
        if msgs:
            self._tell({"event": "output", "text": output_text(msgs)})

    def error(self, message: str) -> None:
        self._tell({"event": "error", "text": str(message)})


class _ScriptletTeller:
    """Reports what happens to scriptlets."""

    def __init__(self, tell: sealed.Tell) -> None:
        self._tell = tell

    def scriptlet_ran(self, scriptlet: Scriptlet, changed: Sequence[str]) -> None:
        self._tell({"event": "scriptlet", "section": scriptlet.section,
                    "package": scriptlet.package, "changed": list(changed[:_MOST_CHANGED])})

    def scriptlet_failed(self, failed: FailedScriptlet) -> None:
        self._tell({"event": "scriptlet-failed", "section": failed.scriptlet.section,
                    "package": failed.scriptlet.package, "fatal": failed.fatal,
                    "text": failed.output[-_MOST_OUTPUT:]})


class Reports:
    """The reports of the sealed process, passed on to displays.

    ``failure`` is the message of DNF's error, empty without one.
    """

    def __init__(self, packages: Sequence[DnfPackage], displays: Sequence[DnfDisplay],
                 listener: ScriptletListener) -> None:
        self._packages = packages
        self._displays = displays
        self._listener = listener
        self._takers: Mapping[str, Callable[[Data, str], None]] = {
            "progress": self._take_progress, "error": self._take_error,
            "output": self._take_output, "failed": self._take_failure,
            "message": lambda report, text: logs.show_message(_level(report), text),
            "scriptlet": lambda report, _: listener.scriptlet_ran(
                _scriptlet(report), _texts(report, "changed")),
            "scriptlet-failed": self._take_failed_scriptlet}
        self.failure = ""

    def take(self, report: Data) -> None:
        """Pass on one report. Raises sealed.Ended for one that this module does not send."""
        take = self._takers.get(str(report.get("event")))
        if take is None:
            raise sealed.Ended("the sealed process sent an unknown report")
        take(report, printable(str(report.get("text")), keep="\n\t"))

    def _take_progress(self, report: Data, _text: str) -> None:
        package, numbers = self._progress(report)
        for display in self._displays:
            display.progress(package, *numbers)

    def _take_error(self, _report: Data, text: str) -> None:
        for display in self._displays:
            display.error(text)

    def _take_output(self, _report: Data, text: str) -> None:
        for display in self._displays:
            display.scriptout(text)

    def _take_failure(self, _report: Data, text: str) -> None:
        self.failure = text or "the transaction failed"

    def _take_failed_scriptlet(self, report: Data, text: str) -> None:
        self._listener.scriptlet_failed(FailedScriptlet(
            _scriptlet(report), text, fatal=bool(report.get("fatal"))))

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


def _scriptlet(report: Data) -> Scriptlet:
    """Return the scriptlet of a report."""
    section, package = (printable(str(report.get(name))) for name in ("section", "package"))
    return Scriptlet(section, package)


def _texts(report: Data, name: str) -> List[str]:
    texts = report.get(name)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise sealed.Ended("the sealed process sent a scriptlet's report of an unknown form")
    return texts


def _level(report: Data) -> int:
    """Return the level of a message, one of the module logging."""
    level = report.get("level")
    if not isinstance(level, int) or not 0 <= level <= logging.CRITICAL:
        raise sealed.Ended("the sealed process sent a message of an unknown level")
    return level


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0
