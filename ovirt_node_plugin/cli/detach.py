"""``--detach``: the command line that a unit of systemd runs instead of this one."""
from __future__ import annotations

import os
import shutil
import sys
from typing import List, Sequence

from ..errors import UsageError

_OPTION = "--detach"
# The unit prints its answer and its progress for ``status``
_ANSWER = ("--json", "--progress")


def command(words: Sequence[str]) -> List[str]:
    """Return the argument list of this run of dnf without --detach; ``words`` are its own.

    Raises UsageError if the option is abbreviated: it could not be left out.
    """
    if _OPTION not in words:
        raise UsageError("--detach is abbreviated", hint="Write it out.")
    program = os.path.abspath(shutil.which(sys.argv[0]) or sys.argv[0])
    return [*([] if os.access(program, os.X_OK) else [sys.executable]), program,
            *(word for word in words if word not in (_OPTION, *_ANSWER)), *_ANSWER]


def lines(unit: str) -> List[str]:
    """Return lines for people about the unit that was started."""
    return [f"The change runs as {unit}.",
            f"Follow it: dnf node-plugin status {unit} --follow"]
