"""``dnf node-plugin`` run as a program in an image's root.

So a merge goes by the same code, configuration and hooks as the command does, in a
process whose memory and locks end with it. DNF takes a root for its own: it reads its
configuration there, and follows its links. So it gets this machine's configuration, and no
root in which something leads out.
"""
from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from ..errors import CommandError, NodePluginError, Refused, Status
from ..images.image import Image
from ..images.mounts import mounted, overlaid
from ..run import Runner, StrPath
from ..target import read_target

# The configuration is this machine's: one in the image could name programs of its own.
_CONFIG = "/etc/dnf/dnf.conf"
# What dnf writes for itself has a folder over it that goes again; dnf.conf(5), below the
# installroot all of it.
_CACHE = "var/cache/dnf"
# Folders whose names dnf and rpm follow as paths of this machine, and what they open there.
_FOLLOWED = ("etc", "etc/dnf", "etc/dnf/vars", "etc/dnf/modules.d", "etc/yum.repos.d", "var",
             "var/cache", _CACHE, "var/lib", "var/lib/dnf", "usr", "usr/share")


@dataclass(frozen=True)
class Dnf:
    """How to run it: ``options`` are passed on to dnf as they are, before the command.

    ``run`` starts programs that are listened to, ``attached`` those on the terminal.
    """

    options: Tuple[str, ...]
    run: Runner
    attached: Callable[[Sequence[StrPath]], int]

    def asked(self, root: Path, subcommand: str, names: Sequence[str],
              *more: str) -> Dict[str, Any]:
        """Run a subcommand with ``--json`` in ``root`` and return its answer.

        Raises DnfFailed for an error, with the same message, hint and exit status.
        """
        argv = self._argv(root, subcommand, names, "--json", *more)
        text = self.run(argv, ok=range(256))
        try:
            answer: Dict[str, Any] = json.loads(text)
        except ValueError:
            raise DnfFailed(
                f"dnf node-plugin {subcommand} gave no answer{self._why(argv)}",
                status=Status.DNF, hint="Is dnf's own configuration in order, here and in the"
                " image, and its plugin node-plugin enabled?") from None
        error = answer.get("error")
        if error:
            raise DnfFailed(error["message"], hint=error["hint"], status=error["status"],
                            answer=answer)
        return answer

    def _why(self, argv: Sequence[StrPath]) -> str:
        """Return what dnf says to standard error, by a run that is expected to fail again."""
        try:
            self.run(argv, ok=())
        except CommandError as exc:
            return f": {exc.output}" if exc.output else ""
        return ""

    def shown(self, root: Path, subcommand: str, names: Sequence[str], *more: str) -> None:
        """Run a subcommand on the terminal; raises Reported for a status other than 0."""
        status = self.attached(self._argv(root, subcommand, names, *more))
        if status:
            raise Reported(status)

    def _argv(self, root: Path, subcommand: str, names: Sequence[str],
              *more: str) -> List[StrPath]:
        return ["dnf", f"--config={_CONFIG if os.path.exists(_CONFIG) else os.devnull}",
                f"--installroot={root}", f"--setopt=logdir=/{_CACHE}", *self.options,
                "node-plugin", *more, subcommand, "--", *names]


class DnfFailed(NodePluginError):
    """What ``dnf node-plugin`` failed with; ``answer`` is its whole JSON document."""

    def __init__(self, message: str, *, status: int, hint: str = "",
                 answer: Any = None) -> None:
        super().__init__(message, hint=hint)
        self.status = Status(status) if status in set(Status) else Status.DNF
        self.answer = answer


class Reported(NodePluginError):
    """A program said on the terminal itself what is wrong; ``code`` is its status."""

    def __init__(self, code: int) -> None:
        super().__init__("")
        self.code = code


@contextlib.contextmanager
def trial_root(image: Image, work: Path, *, run: Runner) -> Iterator[Path]:
    """Yield a writable overlay of the root, which DNF needs even to look; it goes at the end.

    ``work`` is a folder for it. Raises Refused for a root that DNF would leave.
    """
    upper, at = work / "trial", work / "tried" / image.name
    for folder in (upper, at):
        folder.mkdir(parents=True)
    with overlaid(image.root, upper, at, options=["nodev"], run=run) as tried, for_dnf(
            tried, work / "cache", run=run):
        yield tried


@contextlib.contextmanager
def for_dnf(root: Path, work: Path, *, run: Runner) -> Iterator[None]:
    """Have DNF's caches and logs in the new folder ``work``, and not in ``root``, meanwhile.

    Raises Refused where something that DNF or rpm open by its path in the root is a link or
    a device: they would follow it to this machine.
    """
    _refuse_ways_out(root)
    made = [path for path in (root / "var/cache", root / _CACHE) if not path.exists()]
    work.mkdir()
    for path in made:
        path.mkdir()
    try:
        with mounted(work, root / _CACHE, options=["bind"], run=run):
            yield
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # somebody put something there
                path.rmdir()


def _refuse_ways_out(root: Path) -> None:
    folders = [*_FOLLOWED, read_target(root).rpmdb]
    for name in folders:
        for part in (*reversed(Path(name).parents), Path(name)):
            _refuse_unless(root, str(part), stat.S_ISDIR)
    for name in ("etc/dnf/vars", "etc/yum.repos.d", "var/lib/dnf", folders[-1]):
        path = root / name
        for entry in sorted(os.listdir(path)) if path.is_dir() else ():
            _refuse_unless(root, f"{name}/{entry}",
                           lambda mode: stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _refuse_unless(root: Path, name: str, allowed: Callable[[int], bool]) -> None:
    try:
        mode = os.lstat(root / name).st_mode
    except FileNotFoundError:
        return
    if not allowed(mode):
        raise Refused(f"/{name} in the image is a link or a device, which dnf would follow to this"
                      " machine", hint="No Node is like that: find out who made the image.")
