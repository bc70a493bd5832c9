"""The frame of every change of a root: journal around it, undone when it fails."""
from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence, Set

from .. import __version__, journal
from ..changes import Change
from ..errors import NodePluginError, RecordError, Refused, RolledBack
from ..files import locked
from ..packages.policy import live_refusal
from ..packages.session import PackageChange, Session
from ..paths import relative_inside
from ..registry import MANIFESTS, REGISTRY
from ..run import Runner
from ..vdsm import HOOKS_FOLDER
from ..target import Target

TOOL = f"ovirt-node-plugin {__version__}"
# Folders that scriptlets and settings write to; what is new in the bare ones can go again.
_TREES = ("etc", HOOKS_FOLDER)
_BARE = ("var",)
# The files that depmod(8) writes, over the kmod versions of EL8 to EL10.
_INDEX_NAMES = tuple(f"modules.{name}" for name in (
    "alias", "alias.bin", "builtin.alias.bin", "builtin.bin", "dep", "dep.bin", "devname",
    "softdep", "symbols", "symbols.bin", "weakdep"))


def refuse_unwritable(target: Target, *, live_allowed: bool) -> None:
    """Raise Refused if the root may not or cannot be written to."""
    if target.live and target.is_node and not live_allowed:
        raise live_refusal(target)
    if os.statvfs(target.root).f_flag & os.ST_RDONLY or not os.access(target.root, os.W_OK):
        raise Refused(f"the root {target.root} is mounted read-only",
                      hint=f"Mount it for writing, for example: mount -o remount,rw {target.root}")


def refuse_full(target: Target, packages: Sequence[PackageChange]) -> None:
    """Raise RolledBack, with nothing begun, if the packages do not fit on the root's disk."""
    needed = sum(change.size_bytes for change in packages if change.action != "remove")
    state = os.statvfs(target.root)
    free = state.f_bavail * state.f_frsize
    if needed > free:
        raise RolledBack(
            f"the packages need {_mib(needed)} on the disk of {target.root}, which has"
            f" {_mib(free)} free. Nothing was changed.",
            hint="Make room or enlarge the filesystem, then try again.")


@contextlib.contextmanager
def guarded(target: Target, *, writes: bool, run: Runner) -> Iterator[Optional[str]]:
    """Hold the root's lock where that is needed, and undo what a killed process left.

    Yields a line that says what was undone, or None. ``writes`` says that the
    command changes the root; another one takes the lock only to undo, and where
    the caller may not, says that a change waits.
    """
    if not writes and not journal.pending(target.root):
        yield None
    elif not writes and os.geteuid() != 0:
        yield (f"A change of plugins in {target.root} was interrupted; the next command of"
               " the superuser undoes it.")
    else:
        with locked(target.root):
            notice = recover(target.root, run=run)
            if writes:
                yield notice
        if not writes:
            yield notice


def recover(root: Path, *, run: Runner) -> Optional[str]:
    """Undo the change that a killed process left half done; say which, None if there is none.

    To be called with the root's lock held.
    """
    if not journal.pending(root):
        journal.finish(root)
        return None
    intent = journal.intent(root)
    journal.undo(root, run=run)
    return (f"An interrupted {intent.operation} of {', '.join(intent.plugins)} was undone;"
            f" {root} is as it was before it.")


def scope(target: Target, packages: Sequence[PackageChange], *, records: Iterable[str],
          kernels: Iterable[str], changes: Iterable[Change] = ()) -> journal.Scope:
    """Return what a change of ``packages`` may touch in the root.

    ``records`` are the plugin names whose records may be written, ``kernels``
    the kernel versions whose module index may be made again, ``changes`` those
    that may be put back.
    """
    paths: Set[str] = {path for change in packages for path in change.files}
    paths.update(change.path for change in changes)
    for name in records:
        paths.update((f"{REGISTRY}/{name}", f"{MANIFESTS}/{name}.xml"))
    for kernel in kernels:
        paths.update(f"lib/modules/{kernel}/{name}" for name in _INDEX_NAMES)
    return journal.Scope(tuple(sorted(paths)), _TREES, _BARE, (target.rpmdb,))


@contextlib.contextmanager
def journaled(session: Session, intent: journal.Intent, what: journal.Scope, *,
              run: Runner) -> Iterator[journal.Journal]:
    """Run a change with its journal; whatever fails in it is undone.

    Raises RolledBack for a failure that was undone, and RecordError for one that
    could not be: then the journal stays for the next command.
    """
    root = session.target.root
    try:
        opened = journal.begin(root, intent, what, run=run)
    except (OSError, NodePluginError) as exc:
        raise RolledBack(f"the journal of the change cannot be written: {exc}."
                         " Nothing was changed.",
                         hint="Make room on the root's disk, then try again.") from exc
    try:
        yield opened
    except BaseException as exc:
        session.close()
        _undo(root, exc, run)
        if not isinstance(exc, Exception):
            raise
        raise RolledBack(
            f"{intent.operation} of {', '.join(intent.plugins)} failed and was rolled back:"
            f" {_reason(exc)}", hint=f"The root {root} is as it was before.") from exc
    journal.finish(root)


def package_paths(root: Path, packages: Iterable[PackageChange]) -> Set[str]:
    """Return the paths of all files of ``packages``, relative to ``root``, links resolved."""
    return {relative_inside(root, path) for change in packages for path in change.files}


def _undo(root: Path, cause: BaseException, run: Runner) -> None:
    try:
        journal.undo(root, run=run)
    except (OSError, NodePluginError) as exc:
        raise RecordError(
            f"the change failed ({_reason(cause)}) and could not be undone: {exc}",
            hint="Mend what the message names, then run dnf node-plugin verify: it undoes"
                 " the rest. Change nothing else in that root before.") from exc


def _reason(exc: BaseException) -> str:
    if isinstance(exc, NodePluginError):
        return exc.message
    return str(exc) or type(exc).__name__


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1048576:.1f} MiB"


def kernels_of(packages: Iterable[PackageChange]) -> List[str]:
    """Return the kernel versions to which ``packages`` bring or take modules, sorted."""
    found: Set[str] = set()
    for change in packages:
        for path in change.files:
            parts = path.split("/")
            if "modules" in parts[1:4] and ".ko" in parts[-1]:
                found.add(parts[parts.index("modules") + 1])
    return sorted(found)
