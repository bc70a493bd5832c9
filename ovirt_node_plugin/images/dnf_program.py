"""``dnf node-plugin`` run as a program in an image's root.

So a merge goes by the same code, configuration and hooks as the command does, in a
process whose memory and locks end with it. Every plugin of DNF but ours is off: others act
on this machine, whatever the root is. DNF takes a root for its own: it reads its
configuration there, and follows its links. So it gets this machine's configuration, and no
root in which something leads out.
"""
from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Sequence, Tuple, Type, TypeVar

from ..errors import CommandError, NodePluginError, Status
from ..policy.opened_paths import refuse_ways_out
from ..system import json_answer
from ..system.path_sets import DNF_CACHE
from ..system.paths import resolve_inside
from ..system.run import Runner, StrPath
from . import dnf_missing
from .image import Image
from .mounts import mounted, overlaid

# The configuration is this machine's: one in the image could name programs of its own.
_CONFIG = "/etc/dnf/dnf.conf"
T = TypeVar("T")


@dataclass(frozen=True)
class Dnf:
    """How to run it: ``options`` are passed on to dnf as they are, before the command.

    ``run`` starts programs that are listened to, ``attached`` those on the terminal.
    """

    options: Tuple[str, ...]
    run: Runner
    attached: Callable[[Sequence[StrPath]], int]

    def asked(self, root: Path, subcommand: str, names: Sequence[str], *more: str,
              answer: Type[T]) -> T:
        """Run a subcommand with ``--json`` in ``root``; return its answer, of the type ``answer``.

        Raises DnfFailed for an error, with the same message, hint and exit status,
        CommandError if dnf-3 is missing or ended by a signal, and NodePluginError if dnf-3
        does not print such an answer.
        """
        argv = self._argv(root, subcommand, names, "--json", *more)
        try:
            text = self.run(argv, ok=range(256))
        except CommandError as exc:
            if exc.returncode is not None:  # a signal ended it
                raise
            raise dnf_missing.no_program() from exc
        try:
            data = json.loads(text)
        except ValueError:
            raise self._unanswered(argv, subcommand) from None
        try:
            result = json_answer.read(answer, data)
        except ValueError as exc:
            raise NodePluginError(
                f"the answer of dnf node-plugin {subcommand} cannot be read: {exc}",
                hint="Install the same version of ovirt-node-plugin and"
                     f" {dnf_missing.PACKAGE}.") from exc
        if isinstance(result, json_answer.ErrorAnswer):
            raise DnfFailed(result, root)
        return result

    def _unanswered(self, argv: Sequence[StrPath], subcommand: str) -> NodePluginError:
        """Return why dnf printed no JSON, by a second run that is expected to fail again."""
        said = ""
        try:
            self.run(argv, ok=())
        except CommandError as exc:
            said = exc.output
        if dnf_missing.is_no_command(said):
            return dnf_missing.no_command(said)
        return NodePluginError(
            f"dnf node-plugin {subcommand} printed no JSON" + (f": {said}" if said else ""),
            hint="Check dnf's configuration on this machine and in the image.")

    def shown(self, root: Path, subcommand: str, names: Sequence[str], *more: str) -> None:
        """Run a subcommand on the terminal; raises Reported for a status other than 0."""
        status = self.attached(self._argv(root, subcommand, names, *more))
        if status:
            raise Reported(status)

    def _argv(self, root: Path, subcommand: str, names: Sequence[str],
              *more: str) -> List[StrPath]:
        # DNF 4 by its own name: on Fedora 41 and later dnf is DNF 5, which loads none of its
        # plugins. A plugin that is enabled by the name of its file is off all the
        # same where its configuration says enabled=0.
        return ["dnf-3",
                f"--config={_CONFIG if os.path.exists(_CONFIG) else os.devnull}",
                f"--installroot={root}", f"--setopt=logdir=/{DNF_CACHE}", "--disableplugin=*",
                "--enableplugin=node_plugin", *self.options,
                "node-plugin", *more, subcommand, "--", *names]


def _of_image(text: str, root: Path) -> str:
    """Return a message with the paths as in the image: ``root`` is where it is opened."""
    return text.replace(f"{root}/", "/").replace(f" in {root} ", " in the image ")


class DnfFailed(NodePluginError):
    """An error of ``dnf node-plugin`` in ``root``; ``answer`` is what it printed."""

    def __init__(self, answer: json_answer.ErrorAnswer, root: Path) -> None:
        super().__init__(_of_image(answer.message, root), hint=_of_image(answer.hint, root))
        self.status = Status(answer.status) if answer.status in set(Status) else Status.DNF
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

    All that DNF writes for itself is below the installroot, dnf.conf(5).

    Raises Refused where something that DNF or rpm open by its path in the root is a device,
    or a link that leads elsewhere when it is followed from outside the root, as they do.
    """
    refuse_ways_out(root, "the image")
    cache = resolve_inside(root, DNF_CACHE)
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
