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
from ..paths import resolve_inside, way_out
from ..run import Runner, StrPath
from ..target import read_target

# The configuration is this machine's: one in the image could name programs of its own.
_CONFIG = "/etc/dnf/dnf.conf"
# What dnf writes for itself has a folder over it that goes again; dnf.conf(5), below the
# installroot all of it.
_CACHE = "var/cache/dnf"
# Folders that dnf and rpm open by their paths on this machine, and files of which they open
# there: dnf.conf(5), "reposdir", "varsdir", "persistdir" and others.
_FOLDERS = ("etc", "etc/dnf", "etc/yum", "var", "var/cache", _CACHE, "var/lib", "usr", "usr/share")
_WITH_FILES = ("etc/dnf/modules.d", "etc/dnf/modules.defaults.d", "etc/dnf/protected.d",
               "etc/dnf/vars", "etc/distro.repos.d", "etc/yum.repos.d", "etc/yum/repos.d",
               "etc/yum/vars", "var/lib/dnf")


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

    Raises Refused where something that DNF or rpm open by its path in the root is a device,
    or a link that leads elsewhere when it is followed from outside the root, as they do.
    """
    _refuse_ways_out(root)
    cache = resolve_inside(root, _CACHE)
    made = [path for path in (*reversed(cache.parents), cache) if not path.exists()]
    work.mkdir()
    for path in made:
        path.mkdir()
    try:
        with mounted(work, cache, options=["bind"], run=run):
            yield
    finally:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # somebody put something there
                path.rmdir()


def _refuse_ways_out(root: Path) -> None:
    with_files = (*_WITH_FILES, read_target(root).rpmdb)
    for name in (*_FOLDERS, *with_files):
        _refuse_unless(root, name, stat.S_ISDIR, "folder")
    for name in with_files:
        folder = resolve_inside(root, name)
        for entry in sorted(os.listdir(folder)) if folder.is_dir() else ():
            _refuse_unless(root, f"{name}/{entry}",
                           lambda mode: stat.S_ISREG(mode) or stat.S_ISDIR(mode), "file")


def _refuse_unless(root: Path, name: str, allowed: Callable[[int], bool], what: str) -> None:
    """Raise Refused if ``name`` leads out of ``root``, or is there and no ``what``."""
    elsewhere = way_out(root, name)
    if elsewhere:
        raise Refused(
            f"/{name} in the image leads, by a symbolic link, to {elsewhere} of this machine when"
            " it is followed from outside the image, as dnf and rpm follow it",
            hint="Make it a relative link that stays in the image, then try again.")
    try:
        mode = os.lstat(resolve_inside(root, name)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        if what == "folder" and os.path.islink(root / name) and name not in ("var/cache", _CACHE):
            raise Refused(f"/{name} in the image is a symbolic link to a folder that is not"
                          " there", hint="Make that folder in the image, then try again.") from None
        return
    if not allowed(mode):
        raise Refused(f"/{name} in the image is no {what}; dnf or rpm would open it",
                      hint="Find out who made the image.")
