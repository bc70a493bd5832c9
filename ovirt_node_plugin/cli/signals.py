"""Signals that end a program, as errors, so that it cleans up as after any other error."""
from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Callable, Iterator, Optional, Sequence

from ..errors import NodePluginError

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextlib.contextmanager
def signals_raised() -> Iterator[None]:
    """Raise NodePluginError for the first signal that ends a program; ignore those that follow.

    Signals that are ignored stay ignored, as nohup(1) expects.
    """
    with _raising(lambda number: NodePluginError(
            f"the command was ended by {number.name}")):
        yield


@contextlib.contextmanager
def signals_exit() -> Iterator[None]:
    """Raise SystemExit, with the status of a shell, for the first signal; ignore the others.

    Unlike an error of this project, code that collects the errors of a plugin does not keep it.
    """
    with _raising(lambda number: SystemExit(128 + number)):
        yield


@contextlib.contextmanager
def _raising(error: Callable[[signal.Signals], BaseException]) -> Iterator[None]:
    """Raise what ``error`` returns for the first signal; ignore those that follow."""
    def end(number: int, _: Optional[FrameType]) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise error(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in _handled()
              if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore signals in the ``with`` block, also in the programs that it starts."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _handled()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handled() -> Sequence[signal.Signals]:
    """Return the signals; Python sets handlers in the main thread only."""
    return _ENDING if threading.current_thread() is threading.main_thread() else ()
