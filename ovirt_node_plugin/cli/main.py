"""The program ``ovirt-node-plugin``: parse, call, print."""
from __future__ import annotations

import contextlib
import os
import sys
from typing import Callable, Mapping, Sequence

from ..errors import NodePluginError, Refused, Status
from ..images import workspace
from ..images.dnf_program import Reported
from ..system.namespaces import run_apart
from . import arguments, look, merge
from .program import Frame

_Handler = Callable[[Frame], int]


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv``, without the program's name; return the exit status.

    Commands that mount run in a process with namespaces of its own. This process makes the
    folders that they write to, and deletes them after that process, its mounts and its
    programs have ended.
    """
    frame = Frame(arguments.parse(argv))
    mounting: Mapping[str, _Handler] = {
        "merge": merge.merge, "inspect": look.inspect, "diff": look.diff,
        "manifest": look.manifest, "extract": look.extract, "shell": merge.shell}
    handler = mounting.get(frame.options.command)
    if handler is None:
        return _reported(frame, _clean)
    chosen = handler
    try:
        if os.geteuid() != 0:
            raise Refused("images are mounted to be looked at, which is the superuser's alone",
                          hint="Run it as the superuser.")
        with contextlib.ExitStack() as stack:
            frame.make_places(stack)
            ended = run_apart(lambda: _apart(frame, chosen), failed=frame.failed)
            if ended.interrupted:
                written = frame.destination is not None and frame.destination.appeared
                print("\nInterrupted; " + ("the output is written." if written
                                           else "nothing was written."), file=sys.stderr)
            return ended.status
    except NodePluginError as exc:
        return frame.failed(exc)


def _apart(frame: Frame, handler: _Handler) -> int:
    temporary = frame.folder / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)  # removed with the work folder
    return _reported(frame, handler)


def _reported(frame: Frame, handler: _Handler) -> int:
    """Run a command; report every error as one paragraph and an exit status."""
    try:
        return handler(frame)
    except Reported as exc:  # dnf has printed the error
        return exc.code
    except NodePluginError as exc:
        return frame.failed(exc)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.DONE  # the reader closed the pipe
    except OSError as exc:
        what = f"{exc.strerror}: {exc.filename}" if exc.filename else str(exc)
        return frame.failed(NodePluginError(what))


def _clean(frame: Frame) -> int:
    for path in workspace.clean([frame.place, *frame.options.places]):
        print(f"Removed {path}.")
    return Status.DONE
