"""What long work tells of itself while it goes on: steps, and how far each one is."""
from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Callable, ContextManager, Iterator, Protocol

Advance = Callable[[int], None]
"""Takes how much of a step is done by now, in the step's unit."""
BYTES, ENTRIES = "bytes", "entries"
READ, WRITTEN = "rchar", "wchar"


class Progress(Protocol):
    """Where steps are told."""

    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> ContextManager[Advance]:
        """Begin a step, and end it with the block.

        ``name`` is a word for programs, ``text`` a line for people. ``total`` gives how
        much there is to do in ``unit``, BYTES or ENTRIES, 0 where nobody knows; it is
        called only where that is shown.
        """


class Silent:
    """Tells nobody."""

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        yield lambda _: None


def transferred(advance: Advance, counter: str) -> Callable[[int], None]:
    """Return a function of a process id that tells ``advance`` what that process moved so far.

    ``counter`` is READ or WRITTEN, of proc(5), ``/proc/PID/io``: what went through read(2)
    or write(2), whether or not a disk had to do with it.
    """
    pattern = re.compile(rf"^{counter}: (\d+)$", re.MULTILINE)

    def poll(pid: int) -> None:
        with contextlib.suppress(OSError):  # it has just ended
            found = pattern.search(Path(f"/proc/{pid}/io").read_text())
            if found:
                advance(int(found.group(1)))
    return poll
