"""A command in an image's root: a chroot with the mounts that programs expect."""
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
class Visit:
    """A command to run in an image: ``command`` is empty for a shell."""

    image: Image
    command: Sequence[str]
    work: Path
    run: Runner
    attached: Attached


def look(visit: Visit) -> int:
    """Run the command; what it changes is gone at the end. Returns its exit status."""
    with trial_root(visit.image, visit.work, run=visit.run) as root:
        return _inside(visit, root)


def change(visit: Visit, destination: Destination, *, progress: Progress) -> int:
    """Run the command, and if its status is 0 write the image that it made; return that.

    Raises UsageError for an RPM, which can only be looked at.
    """
    if visit.image.layout.kind == RPM:
        raise UsageError(f"{visit.image.layout.path} is an RPM, which can only be looked at",
                         hint="Leave -o out.")
    places = [visit.work / name for name in ("draft", "boot")]
    for place in places:
        place.mkdir()
    made = draft(visit.image, places[0], run=visit.run, progress=progress)
    boot = iso_boot.read(visit.image, places[1], run=visit.run)
    with made.changing() as root:
        status = _inside(visit, root)
    if status:
        return status
    Writer(image=visit.image, draft=made, work=visit.work, run=visit.run, progress=progress).write(
        destination.target, IsoChanges(), boot)
    destination.place()
    return status


def _inside(visit: Visit, root: Path) -> int:
    command: List[str] = list(visit.command)
    if not command:
        found = next((name for name in _SHELLS if resolve_inside(root, name).is_file()), "")
        if not found:
            raise UsageError("the image has no shell", hint="Name a command that it has.")
        command = [f"/{found}", "-l"]
    temporary = visit.work / "own-tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    try:
        with _mounts(root, visit.run):
            return visit.attached(
                [sys.executable, "-I", chroot.__file__, root, temporary, *command])
    finally:
        _take_terminal()


def _take_terminal() -> None:
    """Be in front of the terminal again, so that Ctrl-C comes here.

    An interactive shell put itself there, and cannot give it back to whoever was before:
    that process is in none of its namespaces. credentials(7), tcsetpgrp(3).
    """
    if sys.stdin.isatty() and os.getpid() == 1:
        with contextlib.suppress(OSError):
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.setpgid(0, 0)
            os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())


@contextlib.contextmanager
def _mounts(root: Path, run: Runner) -> Iterator[None]:
    """Mount what ``inside`` does not: sys and the machine's resolver to read, and a new run."""
    with contextlib.ExitStack() as stack:
        volatile, system = resolve_inside(root, "run"), resolve_inside(root, "sys")
        if volatile.is_dir():
            stack.enter_context(
                mounted("tmpfs", volatile, kind="tmpfs", options=["mode=0755"], run=run))
        if system.is_dir():
            stack.enter_context(bind_mounted(Path("/sys"), system, run=run))
        resolver, own = resolve_inside(root, _RESOLVER), Path("/", _RESOLVER)
        if resolver.is_file() and own.is_file():
            stack.enter_context(bind_mounted(own, resolver, run=run))
        yield
