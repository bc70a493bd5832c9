"""Run a command in an image's root, sealed, with the mounts that programs expect."""
from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

from ..errors import UsageError
from ..images.dnf_program import trial_root
from ..images.draft import draft
from ..images.image import Image
from ..images.iso.iso import IsoChanges
from ..images.workspace import Destination
from ..isolation import program
from ..system.paths import resolve_inside
from ..system.progress import Progress
from ..system.run import Runner, StrPath
from .iso import iso_boot
from .root import leftovers, reproducible, site_release
from .writing import Writer, require_writable

_SHELLS = ("bin/bash", "usr/bin/bash", "bin/sh", "usr/bin/sh")

Attached = Callable[[Sequence[StrPath]], int]


@dataclass(frozen=True)
class ShellRun:
    """A command to run in the root of an open image; ``command`` is empty for a shell.

    ``work`` is a folder for temporary files. ``attached`` starts a program on the terminal
    and returns its exit status. With ``network`` the command has this machine's network and
    /etc/resolv.conf. ``site_tag`` and ``sign_key`` are those of the new RPM.
    """

    image: Image
    command: Sequence[str]
    work: Path
    run: Runner
    attached: Attached
    network: bool = False
    site_tag: str = ""
    sign_key: str = ""


def run_and_discard(shell: ShellRun) -> int:
    """Run the command, discard what it changed, and return its exit status."""
    with trial_root(shell.image, shell.work, run=shell.run) as root:
        return _run_in(root, shell)


def run_and_write(shell: ShellRun, destination: Destination, *,
                  progress: Progress) -> Tuple[int, Tuple[str, ...]]:
    """Run the command, write the changed image if its status is 0; return the status and notes.

    Raises Refused for an image that cannot be written.
    """
    package = site_release.new_rpm(shell.image, shell.site_tag, shell.sign_key)
    require_writable(shell.image, package, shell.work, run=shell.run)
    draft_folder, boot_folder = shell.work / "draft", shell.work / "boot"
    for folder in (draft_folder, boot_folder):
        folder.mkdir()
    changed = draft(shell.image, draft_folder, run=shell.run, progress=progress)
    boot = iso_boot.read(shell.image, boot_folder, run=shell.run)
    start = reproducible.Start.now()
    with changed.changing() as root:
        status = _run_in(root, shell)
        if package is not None:
            site_release.write_version(root, package.release)
        leftovers.remove(root, shell.image.root)
        reproducible.replace_times(root, shell.image.root, start, work=shell.work)
    if status:
        return status, ()
    writer = Writer(image=shell.image, draft=changed, work=shell.work, run=shell.run,
                    progress=progress, package=package)
    written = writer.write(destination.target, IsoChanges(), boot)
    destination.place()
    return status, written.notes


def _run_in(root: Path, shell: ShellRun) -> int:
    command: List[str] = list(shell.command)
    if not command:
        path = next((name for name in _SHELLS if resolve_inside(root, name).is_file()), "")
        if not path:
            raise UsageError("the image has no shell", hint="Name a command that it has.")
        command = [f"/{path}", "-l"]
    temporary = shell.work / "own-tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    try:
        return shell.attached(program.argv(root, command, temporary=temporary,
                                           network=shell.network, volatile=True))
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
