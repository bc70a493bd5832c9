"""How long-running work reports its steps and how far each one is."""
from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Callable, ContextManager, Iterator, Protocol

Advance = Callable[[int], None]
"""A function that takes the amount of a step that is done, in the step's unit."""
BYTES, ENTRIES, PACKAGES, PLUGINS = "bytes", "entries", "packages", "plugins"
READ, WRITTEN = "rchar", "wchar"


class Progress(Protocol):
    """A receiver of steps."""

    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> ContextManager[Advance]:
        """Begin a step, which ends with the ``with`` block.

        ``name`` is an id for programs, ``text`` the line to show. ``total`` returns the
        amount of work in ``unit``, one of the constants above, or 0 if it is unknown; it is
        called only where the total is shown. Steps may be inside of others.
        """


class Silent:
    """A receiver that ignores all steps."""

    @contextlib.contextmanager
    def step(self, name: str, text: str, *, total: Callable[[], int] = lambda: 0,
             unit: str = BYTES) -> Iterator[Advance]:
        yield lambda _: None


def transferred(advance: Advance, counter: str) -> Callable[[int], None]:
    """Return a function of a process id that passes that process's byte count to ``advance``.

    ``counter`` is READ or WRITTEN, a line of ``/proc/PID/io`` in proc(5): the bytes that
    went through read(2) or write(2), from a disk or not.
    """
    pattern = re.compile(rf"^{counter}: (\d+)$", re.MULTILINE)

    def poll(pid: int) -> None:
        with contextlib.suppress(OSError):  # it has just ended
            match = pattern.search(Path(f"/proc/{pid}/io").read_text())
            if match:
                advance(int(match.group(1)))
    return poll
