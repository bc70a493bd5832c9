"""Run a solved transaction in a root: sealed, or as the root's own system."""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Iterator, List, Sequence

import dnf
import dnf.callback
import dnf.exceptions

from ..errors import RolledBack
from ..policy import opened_paths
from ..system import path_sets
from ..system.paths import is_inside, resolve_inside
from ..target import Target
from . import logs, scriptlet_runs, sealed_transaction, solved, surroundings, unpacking
from .dnf_types import DnfBase, DnfDisplay
from .headers import read_header
from .scriptlet_runs import FailedScriptlet, ScriptletReport, States

_SKIP = "--skip-scriptlets"


@dataclass(frozen=True)
class RunOptions:
    """How a transaction runs in ``target``.

    ``files`` are the absolute paths of all packages that change, ``leave_out`` those of files
    that rpm is not to unpack. With ``skip_scriptlets`` no scriptlets of packages that leave run.
    ``states`` returns the states of the paths in which scriptlets are watched.
    """

    target: Target
    sealed: bool
    files: Collection[str]
    leave_out: Sequence[str]
    skip_scriptlets: bool
    states: States


def run(base: DnfBase, options: RunOptions, displays: Sequence[DnfDisplay]) -> ScriptletReport:
    """Run the solved transaction of ``base``; return what scriptlets did.

    Raises RolledBack if it fails; the caller then rolls back.
    """
    failures, report = _Failures(), ScriptletReport()
    root, live, conf = options.target.root, options.target.live, base.conf
    try:
        with contextlib.nullcontext() if live else opened_paths.reverted(
                root, cache=conf.cachedir, logs=conf.logdir), \
                unpacking.not_unpacked(base, options.leave_out), \
                _without_empty_folder(root), logs.not_rotated():
            _run(base, options, [*displays, failures], report)
    except dnf.exceptions.Error as exc:
        raise _rolled_back([str(exc), *failures.messages], report.failed) from exc
    if failures.messages or any(map(_prevents, report.failed)):
        raise _rolled_back(failures.messages, report.failed)
    if not live:
        opened_paths.refuse_left(root)
    return report


class _Failures(dnf.callback.TransactionProgress):
    """Collects what rpm reports as errors while a transaction runs."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: List[str] = []

    def error(self, message: str) -> None:
        self.messages.append(message)

    def progress(self, *_args: object) -> None:
        pass


def _prevents(failed: FailedScriptlet) -> bool:
    """Return whether a scriptlet that failed makes the whole change fail.

    rpm goes on if one of a package that leaves fails, except for %preun. It goes on after %post
    as well, but the plugin may not work then.
    """
    return failed.fatal or not failed.scriptlet.of_leaving


def _rolled_back(messages: Sequence[str], failed: Sequence[FailedScriptlet]) -> RolledBack:
    preventing = [failure for failure in failed if _prevents(failure)]
    hint = ""
    if any(failure.scriptlet.of_leaving for failure in preventing):
        hint = (f"To change the packages without running their %preun and %postun scriptlets,"
                f" add {_SKIP}. What these scriptlets do is then not done.")
    return RolledBack("\n".join(dict.fromkeys(
        [*(failure.text for failure in preventing), *messages])), hint=hint)


def _run(base: DnfBase, options: RunOptions, displays: Sequence[DnfDisplay],
         report: ScriptletReport) -> None:
    if not options.sealed:
        _run_unsealed(base, options, displays, report)
        return
    root = options.target.root
    rpms = [package.localPkg() for package in solved.arriving(base)]
    nodes = any(file.is_device for path in rpms for file in read_header(Path(path)).files)
    with surroundings.coverable(root, _used(root, options.files, rpms)) as covered:
        view = sealed_transaction.view_of(
            str(root), [*rpms, base.conf.cachedir], covered=covered, nodes=nodes)
        sealed_transaction.run_transaction(
            base, view, displays, report, states=options.states,
            skip_scriptlets=options.skip_scriptlets)


def _run_unsealed(base: DnfBase, options: RunOptions, displays: Sequence[DnfDisplay],
                  report: ScriptletReport) -> None:
    with contextlib.ExitStack() as stack:
        if not options.target.live:
            root = options.target.root
            rpms = [package.localPkg() for package in solved.arriving(base)]
            covered = stack.enter_context(
                surroundings.coverable(root, _used(root, options.files, rpms)))
            stack.enter_context(surroundings.mounted(root, covered))
        stack.enter_context(scriptlet_runs.reported(report, options.states))
        if options.skip_scriptlets:
            scriptlet_runs.skip_of_leaving(base)
        dnf.Base.do_transaction(base, displays)


def _used(root: Path, files: Collection[str], rpms: Collection[str]) -> Collection[str]:
    """Return the absolute paths in the root of packages' ``files``, and of ``rpms`` in it."""
    top = os.path.realpath(root)
    return {*files, *(path[len(top):] for path in map(os.path.realpath, rpms)
                      if is_inside(path, top))}


@contextlib.contextmanager
def _without_empty_folder(root: Path) -> Iterator[None]:
    """Remove DNF's folder for the states of modules if a transaction made it and it is empty."""
    existed = os.path.lexists(root / path_sets.DNF_MODULES)
    yield
    if not existed:
        with contextlib.suppress(OSError):  # it is missing or not empty
            resolve_inside(root, path_sets.DNF_MODULES).rmdir()
