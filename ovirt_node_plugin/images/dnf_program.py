"""Run ``dnf node-plugin`` as a program on the root of an image.

A merge thus uses the same code, configuration and hooks as the command, in a process whose
memory and locks end with it. All other DNF plugins are disabled, because some act on this
machine whatever the root is. DNF trusts a root: it reads its configuration there and follows
its links. So it gets this machine's configuration, and roots with links that lead outside are
refused.
"""
from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple, Type, TypeVar

from ..errors import CommandError, NodePluginError, Status
from ..policy.opened_paths import refuse_ways_out
from ..system import json_answer
from ..system.path_sets import DNF_CACHE
from ..system.paths import resolve_inside
from ..system.run import Runner, StrPath
from . import dnf_missing
from .image import Image
from .mounts import mounted
from .writable import Unchanged, writable

# This machine's configuration: one in the image could name programs to run.
_CONFIG = "/etc/dnf/dnf.conf"
_TRIAL = "trial"  # the folder for the changes of a trial root
T = TypeVar("T")


@dataclass(frozen=True)
class Dnf:
    """Runs dnf with ``options``, which are passed on to it before the command."""

    options: Tuple[str, ...]
    run: Runner

    def run_json(self, root: Path, subcommand: str, names: Sequence[str], *more: str,
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
            raise self._no_json_error(argv, subcommand) from None
        try:
            result = json_answer.read(answer, data)
        except ValueError as exc:
            raise NodePluginError(
                f"the answer of dnf-3 to {subcommand} cannot be read: {exc}",
                hint="Install the same version of ovirt-node-plugin and"
                     f" {dnf_missing.PACKAGE}.") from exc
        if isinstance(result, json_answer.ErrorAnswer):
            raise DnfFailed(result)
        return result

    def _no_json_error(self, argv: Sequence[StrPath], subcommand: str) -> NodePluginError:
        """Return the error for a run without JSON, from the messages of a second run."""
        stderr = ""
        try:
            self.run(argv, ok=())
        except CommandError as exc:
            stderr = exc.output
        if dnf_missing.is_no_command(stderr):
            return dnf_missing.no_command(stderr)
        return NodePluginError(
            f"dnf-3 printed no JSON for {subcommand}" + (f": {stderr}" if stderr else ""),
            hint="Check dnf's configuration on this machine and in the image.")

    def _argv(self, root: Path, subcommand: str, names: Sequence[str],
              *more: str) -> List[StrPath]:
        # dnf-3 is DNF 4: on Fedora 41 and later, dnf is DNF 5, which does not load plugins of
        # DNF 4. A plugin that is enabled by the name of its file is still disabled if its
        # configuration has enabled=0.
        return ["dnf-3",
                f"--config={_CONFIG if os.path.exists(_CONFIG) else os.devnull}",
                f"--installroot={root}", f"--setopt=logdir=/{DNF_CACHE}", "--disableplugin=*",
                "--enableplugin=node_plugin", *self.options,
                "node-plugin", *more, subcommand, "--", *names]


class DnfFailed(NodePluginError):
    """An error of ``dnf node-plugin``; ``answer`` is what it printed."""

    def __init__(self, answer: json_answer.ErrorAnswer) -> None:
        super().__init__(answer.message, hint=answer.hint)
        self.status = Status(answer.status) if answer.status in set(Status) else Status.DNF
        self.answer = answer


@contextlib.contextmanager
def trial_root(image: Image, work: Path, *, run: Runner) -> Iterator[Path]:
    """Yield a temporary writable view of the root, which DNF needs even to read.

    ``work`` is a folder for it. Raises Refused for a root with links that lead outside.
    """
    changes, at = work / _TRIAL, work / "tried" / image.name
    for folder in (changes, at):
        folder.mkdir(parents=True)
    with writable(image.root, changes, at, copied=image.needs_copy, options=["nodev"],
                  run=run) as root, for_dnf(root, work / "cache", run=run):
        yield root
    run(["rm", "--recursive", "--force", "--one-file-system", "--", changes])


def unchanged(work: Path) -> Unchanged:
    """Return the paths that are unchanged in the ``trial_root`` with the folder ``work``."""
    return Unchanged(work / _TRIAL)


@contextlib.contextmanager
def for_dnf(root: Path, work: Path, *, run: Runner) -> Iterator[None]:
    """Keep DNF's caches and logs out of ``root``, in the new folder ``work``.

    DNF writes all its files below the installroot: dnf.conf(5).

    Raises Refused if a file that DNF or rpm open in the root is a device, or a link that leads
    outside; they follow links without a chroot.
    """
    refuse_ways_out(root, "the image")
    cache = resolve_inside(root, DNF_CACHE)
    missing = [path for path in (*reversed(cache.parents), cache) if not path.exists()]
    work.mkdir()
    for path in missing:
        path.mkdir()
    try:
        with mounted(work, cache, options=["bind"], run=run):
            yield
    finally:
        for path in reversed(missing):
            with contextlib.suppress(OSError):  # the folder is not empty
                path.rmdir()
