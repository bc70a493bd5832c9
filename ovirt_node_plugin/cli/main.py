"""The program ``ovirt-node-plugin``: parse the arguments and run the command."""
from __future__ import annotations

import contextlib
import os
import sys
from typing import Callable, Mapping, Sequence

from ..errors import NodePluginError, Refused, Status
from ..images import workspace
from ..report.progress import print_answer
from ..system.json_answer import invalid_command_line
from ..system.namespaces import run_apart
from ..system.words import printable
from . import arguments, catalog, lint, look, merge, try_plugins
from .program import Invocation

_Handler = Callable[[Invocation], int]


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv``, without the program's name; return the exit status.

    Commands that mount run in a child process with its own namespaces. This process makes the
    folders that the child writes to, and deletes them after the child, its mounts and its
    programs have ended.
    """
    invocation = Invocation(_parsed(argv), argv)
    mounting_commands: Mapping[str, _Handler] = {
        "merge": merge.merge, "inspect": look.inspect, "diff": look.diff,
        "manifest": look.manifest, "verify": look.verify, "extract": look.extract,
        "shell": merge.shell, "try": try_plugins.try_plugins}
    own_commands: Mapping[str, _Handler] = {
        "clean": _clean, "new": _new, "lint": lint.lint, "pack": _pack,
        "catalog": catalog.catalog}
    if invocation.options.command in own_commands:
        return _run_handler(invocation, own_commands[invocation.options.command])
    handler = mounting_commands[invocation.options.command]
    try:
        if os.geteuid() != 0:
            raise Refused("an image can be mounted only by the superuser",
                          hint="Run the command as root.")
        with contextlib.ExitStack() as stack:
            invocation.find_images()
            invocation.open_log(stack)
            invocation.make_folders(stack)
            ended = run_apart(lambda: _run_in_child(invocation, handler), failed=invocation.failed)
            workspace.take_back_some(invocation.destinations)
            if ended.interrupted:
                written = any(destination.placed for destination in invocation.destinations)
                print("\nInterrupted; " + ("the output is written." if written
                                           else "nothing was written."), file=sys.stderr)
            return ended.status
    except NodePluginError as exc:
        return invocation.failed(exc)


def _parsed(argv: Sequence[str]) -> arguments.ProgramOptions:
    """Return the parsed command line; an invalid one ends the program, with --json by an answer."""
    try:
        return arguments.parse(argv)
    except SystemExit as exc:
        if exc.code == Status.USAGE and "--json" in argv:
            print_answer(sys.stdout, invalid_command_line().to_data(), as_line=argv[0] == "merge")
        raise


def _run_in_child(invocation: Invocation, handler: _Handler) -> int:
    temporary = invocation.folder / "tmp"
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)  # removed with the work folder
    return _run_handler(invocation, handler)


def _run_handler(invocation: Invocation, handler: _Handler) -> int:
    """Run a command; report every error as one paragraph and an exit status."""
    try:
        return handler(invocation)
    except NodePluginError as exc:
        return invocation.failed(exc)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.DONE  # the reader closed the pipe
    except OSError as exc:
        path = exc.filename2 or exc.filename  # of a copy, the file that is written
        message = f"{exc.strerror}: {path}" if path else exc.strerror or str(exc)
        return invocation.failed(NodePluginError(message))


def _new(invocation: Invocation) -> int:
    from . import new  # here, because no other command needs the libraries of rpm and DNF

    return new.new(invocation)


def _pack(invocation: Invocation) -> int:
    from . import pack  # as new

    return pack.pack(invocation)


def _clean(invocation: Invocation) -> int:
    for path in workspace.clean([invocation.work_parent, *invocation.options.places]):
        print(printable(f"Removed {path}."))
    return Status.DONE
