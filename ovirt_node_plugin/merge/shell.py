"""Run a command in an image's root: a chroot with the mounts that programs expect."""
from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

from ..errors import UsageError
from ..images.dnf_program import trial_root
from ..images.draft import draft
from ..images.image import RPM, Image
from ..images.iso import IsoChanges
from ..images.mounts import bind_mounted, mounted
from ..images.workspace import Destination
from ..system import chroot
from ..system.paths import resolve_inside
from ..system.progress import Progress
from ..system.run import Runner, StrPath
from . import iso_boot
from .writing import Writer

_SHELLS = ("bin/bash", "usr/bin/bash", "bin/sh", "usr/bin/sh")
_RESOLVER = "etc/resolv.conf"

Attached = Callable[[Sequence[StrPath]], int]


@dataclass(frozen=True)
class ShellRun:
    """A command to run in the root of an open image; ``command`` is empty for a shell.

    ``work`` is a folder for temporary files. ``attached`` starts a program on the terminal
    and returns its exit status.
    """

    image: Image
    command: Sequence[str]
    work: Path
    run: Runner
    attached: Attached


def run_and_discard(shell: ShellRun) -> int:
    """Run the command, discard what it changed, and return its exit status."""
    with trial_root(shell.image, shell.work, run=shell.run) as root:
        return _run_in(root, shell)


def run_and_write(shell: ShellRun, destination: Destination, *, progress: Progress) -> int:
    """Run the command, write the changed image if its status is 0, and return the status.

    Raises UsageError for an RPM, which cannot be written.
    """
    if shell.image.layout.kind == RPM:
        raise UsageError(f"{shell.image.layout.path} is an RPM, which can only be read",
                         hint="Leave -o out.")
    draft_folder, boot_folder = shell.work / "draft", shell.work / "boot"
    for folder in (draft_folder, boot_folder):
        folder.mkdir()
    changed = draft(shell.image, draft_folder, run=shell.run, progress=progress)
    boot = iso_boot.read(shell.image, boot_folder, run=shell.run)
    with changed.changing() as root:
        status = _run_in(root, shell)
    if status:
        return status
    writer = Writer(image=shell.image, draft=changed, work=shell.work, run=shell.run,
                    progress=progress)
    writer.write(destination.target, IsoChanges(), boot)
    destination.place()
    return status


def _run_in(root: Path, shell: ShellRun) -> int:
    command: List[str] = list(shell.command)
    if not command:
        program = next((name for name in _SHELLS if resolve_inside(root, name).is_file()), "")
        if not program:
            raise UsageError("the image has no shell", hint="Name a command that it has.")
        command = [f"/{program}", "-l"]
    temporary = shell.work / "own-tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    try:
        with _mounts(root, shell.run):
            return shell.attached(
                [sys.executable, "-I", chroot.__file__, root, temporary, *command])
    finally:
        _take_terminal()


def _take_terminal() -> None:
    """Make this process the terminal's foreground group again, so that Ctrl-C reaches it.

    An interactive shell takes the foreground, and cannot return it to this process, which is
    outside of its namespaces. credentials(7), tcsetpgrp(3).
    """
    if sys.stdin.isatty() and os.getpid() == 1:
        with contextlib.suppress(OSError):
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.setpgid(0, 0)
            os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


@contextlib.contextmanager
def _mounts(root: Path, run: Runner) -> Iterator[None]:
    """Mount a new /run, and this machine's /sys and resolv.conf read-only.

    ``chroot`` makes the other mounts.
    """
    with contextlib.ExitStack() as stack:
        run_folder, sys_folder = resolve_inside(root, "run"), resolve_inside(root, "sys")
        if run_folder.is_dir():
            stack.enter_context(
                mounted("tmpfs", run_folder, kind="tmpfs", options=["mode=0755"], run=run))
        if sys_folder.is_dir():
            stack.enter_context(bind_mounted(Path("/sys"), sys_folder, run=run))
        resolver, host_resolver = resolve_inside(root, _RESOLVER), Path("/", _RESOLVER)
        if resolver.is_file() and host_resolver.is_file():
            stack.enter_context(bind_mounted(host_resolver, resolver, run=run))
        yield
