"""The log of a merge: its steps, programs, plan, notes and result, each with the time."""
from __future__ import annotations

import contextlib
import os
import shlex
import stat
import time
from pathlib import Path
from typing import Callable, Container, Iterator, Sequence, TextIO

from ..errors import CommandError, UsageError
from ..system.progress import BYTES, Advance, Progress
from ..system.run import Polled, Runner, StrPath
from ..system.words import printable

_FIRST = "# Log of ovirt-node-plugin"
_MOST_WORDS = 200  # of a command line
WriteLine = Callable[[str], None]


def opened(path: Path) -> TextIO:
    """Return the log ``path``, opened to append to it; a new one gets its first line.

    Raises UsageError for a file that is no log, and for one that cannot be written.
    """
    no_log = UsageError(f"{path} exists already and is no log of ovirt-node-plugin",
                        hint="Give another file with --log.")
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise no_log
    try:
        stream = open(path, "a+", encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise UsageError(f"the log {path} cannot be written: {exc.strerror}",
                         hint="Give another file with --log.") from exc
    stream.seek(0)
    first = stream.read(len(_FIRST))  # other bytes than text are replaced, and are no first line
    if first not in ("", _FIRST):
        stream.close()
        raise no_log
    if not first:
        stream.write(f"{_FIRST}\n")
        stream.flush()
    return stream


def writer(stream: TextIO) -> WriteLine:
    """Return a function that writes lines with the time, ISO 8601 in UTC, to ``stream``."""
    def write(text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        stream.writelines(f"{now} {printable(line)}\n" for line in text.split("\n"))
        stream.flush()
    return write


def logged_runner(start: Runner, write: WriteLine) -> Runner:
    """Return ``start`` so that each program, its status and its time are written."""
    def run_and_write(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                      polled: Polled = None) -> str:
        begun, ended = time.monotonic(), "done"
        try:
            return start(argv, ok=ok, stdin=stdin, polled=polled)
        except CommandError as exc:
            ended = exc.message
            raise
        finally:
            write(f"program: {_command(argv)}: {ended} ({time.monotonic() - begun:.1f} s)")
    return run_and_write


def _command(argv: Sequence[StrPath]) -> str:
    """Return the command line of a program, which may have thousands of paths."""
    words = [os.fspath(word) for word in argv]
    rest = len(words) - _MOST_WORDS
    return shlex.join(words[:_MOST_WORDS]) + (f" and {rest} more" if rest > 0 else "")


class LoggedSteps:
    """Progress that is shown by ``progress``, and whose steps are written with their times."""

    def __init__(self, progress: Progress, write: WriteLine) -> None:
        self._progress, self._write = progress, write

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        """See ``Progress``."""
        begun, ended = time.monotonic(), "not done"
        self._write(f"step: {text}")
        try:
            with self._progress.step(name, text, total=total, unit=unit) as advance:
                yield advance
            ended = "done"
        finally:
            self._write(f"step: {text}: {ended} ({time.monotonic() - begun:.1f} s)")
