"""The frame of every change of a root: journal around it, undone when it fails."""
from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Collection, Iterable, Iterator, List, Optional, Sequence, Set

from ... import __version__
from ...errors import Locked, NodePluginError, RecordError, Refused, RolledBack
from ...packages.session import PackageChange, Session
from ...policy.refusals import live_refusal
from ...registry.store import inventory_path
from ...settings.engine import live
from ...system import path_sets
from ...system.entries import locked
from ...system.paths import is_inside_any, real_places, resolve_inside
from ...system.run import Runner
from ...system.trees import Relative
from ...system.words import size
from ...target import Target, is_running_system
from ...undo import journal
from ...undo.changes import Change
from ..model.results import Space

TOOL = f"ovirt-node-plugin {__version__}"
# The files that depmod(8) writes, over the kmod versions of EL8 to EL10.
_INDEX_NAMES = tuple(f"modules.{name}" for name in (
    "alias", "alias.bin", "builtin.alias.bin", "builtin.bin", "dep", "dep.bin", "devname",
    "softdep", "symbols", "symbols.bin", "weakdep"))


def refuse_unwritable(target: Target, *, live_allowed: bool) -> None:
    """Raise Refused if the root may not or cannot be written to, RecordError without a journal."""
    if target.live and target.is_node and not live_allowed:
        raise live_refusal(target)
    if os.statvfs(target.root).f_flag & os.ST_RDONLY or not os.access(target.root, os.W_OK):
        raise Refused(f"the root {target.root} is mounted read-only",
                      hint=f"Mount it for writing, for example: mount -o remount,rw {target.root}")
    journal.check_folder(target.root)


def refuse_full(target: Target, space: Space) -> None:
    """Raise RolledBack, with nothing begun, if the packages do not fit on the root's disk."""
    if space.needed_bytes > space.free_bytes:
        raise RolledBack(
            f"the packages need {size(space.needed_bytes)} on the disk of {target.root}, which"
            f" has {size(space.free_bytes)} free,"
            f" {size(space.needed_bytes - space.free_bytes)} too little. Nothing was changed.",
            hint="Make room or enlarge the filesystem, then try again.")


@contextlib.contextmanager
def guarded(target: Target, *, writes: bool, run: Runner) -> Iterator[Optional[str]]:
    """Hold the root's lock where that is needed, and undo what a killed process left.

    Yields a line that says what was undone, or None. ``writes`` says that the
    command changes the root; another one takes the lock only to undo, and where it
    cannot, says that a change waits or goes on.
    """
    root = target.root
    if writes:
        with locked(root):
            yield recover(root, run)
    elif not journal.left_over(root):
        yield None
    elif os.geteuid() != 0:
        yield (f"A change of plugins in {root} was interrupted, or goes on; if it was, the next"
               " command of the superuser undoes it.") if journal.pending(root) else None
    else:
        yield _recover_now(root, run)


def _recover_now(root: Path, run: Runner) -> Optional[str]:
    try:
        with locked(root):
            return recover(root, run)
    except Locked:
        return f"A change of plugins in {root} goes on; what follows may not be true for long."


def recover(root: Path, run: Runner) -> Optional[str]:
    """Undo the change that a killed process left half done; say which, None if there is none.

    To be called with the root's lock held.
    """
    if not journal.pending(root):
        journal.finish(root)
        return None
    intent = journal.intent(root)
    wait_for_scriptlets(root)
    notes = _put_back(root, run)
    return "\n".join([f"An interrupted {intent.operation} of {', '.join(intent.plugins)} was"
                      f" undone; {root} is as it was before it.", *notes])


def wait_for_scriptlets(root: Path, *, timeout_s: float = 10) -> None:
    """Wait until no process runs that is chrooted into ``root``.

    A scriptlet outlives the dnf that was killed, and goes on changing the root.

    Raises Refused, naming them, if one is still there after ``timeout_s``.
    """
    if is_running_system(root):
        return
    until = time.monotonic() + timeout_s
    while True:
        found = _chrooted(root)
        if not found:
            return
        if time.monotonic() >= until:
            raise Refused(
                f"an interrupted change of {root} is to be undone, but processes still run in"
                f" that root: {', '.join(found)}", hint="End them, then try again.")
        time.sleep(0.1)


def _chrooted(root: Path) -> List[str]:
    found = []
    top = os.stat(root)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if (os.path.samestat(os.stat(folder / "root"), top)
                        and "Z" not in (folder / "stat").read_text().rpartition(")")[2].split()[0]):
                    name = (folder / "comm").read_text(errors="replace").strip()
                    found.append(f"{folder.name} ({name})")
    return found


def scope(target: Target, packages: Sequence[PackageChange], *, records: Iterable[str],
          kernels: Iterable[str], changes: Iterable[Change] = (),
          folders: Iterable[str] = (), paths: Iterable[str] = (),
          whole: Iterable[str] = ()) -> journal.Scope:
    """Return what a change of ``packages`` may touch in the root.

    ``records`` are the plugin names whose records may be written, ``kernels``
    the kernel versions whose module index may be made again, ``changes`` those
    that may be put back, ``folders`` those that settings write to, ``paths`` files that
    they replace or take away, ``whole`` folders that a setting's program replaces.
    """
    single: Set[str] = {*paths, *(path for change in packages for path in change.files)}
    single.update(change.path for change in changes)
    for name in records:
        single.update((f"{path_sets.REGISTRY}/{name}", f"{path_sets.MANIFESTS}/{name}.xml",
                       inventory_path(name)))
    for kernel in kernels:
        single.update(f"lib/modules/{kernel}/{name}" for name in _INDEX_NAMES)
    places = {resolve_inside(target.root, folder).relative_to(target.root).as_posix()
              for folder in folders}
    trees = real_places(target.root, path_sets.TREES)
    more = sorted(place for place in places if not is_inside_any(place, trees))
    return journal.Scope(
        paths=tuple(sorted(single)), trees=(*path_sets.TREES, *more),
        bare=() if target.live else path_sets.BARE_TREES, near=path_sets.NEAR_FOLDERS,
        whole=(target.rpmdb, path_sets.REGISTRY, path_sets.MANIFESTS, *path_sets.DNF_HISTORY,
               *sorted(set(whole))),
        live=target.live, spared=path_sets.CHANGED_LIVE if target.live else ())


@contextlib.contextmanager
def journaled(session: Session, intent: journal.Intent, what: journal.Scope, *,
              run: Runner) -> Iterator[journal.Journal]:
    """Run a change with its journal; whatever fails in it is undone.

    Raises RolledBack for a failure that was undone, and RecordError for one that
    could not be: then the journal stays for the next command.
    """
    with session.exclusive():
        yield from _journaled(session.target.root, session, intent, what, run)


def _journaled(root: Path, session: Session, intent: journal.Intent, what: journal.Scope,
               run: Runner) -> Iterator[journal.Journal]:
    try:
        opened = journal.begin(root, intent, what)
    except NodePluginError:
        raise
    except OSError as exc:
        raise RolledBack(f"the journal of the change cannot be written: {_reason(exc)}."
                         " Nothing was changed.",
                         hint="Make room on the root's disk, then try again.") from exc
    try:
        yield opened
    except BaseException as exc:
        try:
            session.close()
        finally:
            notes = _undo(root, exc, run)
        if not isinstance(exc, Exception):
            raise
        raise RolledBack(
            f"{intent.operation} of {', '.join(intent.plugins)} failed and was rolled back:"
            f" {_reason(exc)}",
            hint="\n".join([f"The root {root} is as it was before.", *notes])) from exc
    journal.finish(root)


def run_packages(session: Session, displays: Sequence[object], *,
                 leave_out: Collection[str] = ()) -> None:
    """Run the session's transaction, and take away the empty folder that DNF makes for it.

    ``leave_out`` are absolute paths of files that rpm is not to unpack.
    """
    folder = session.target.root / path_sets.DNF_MODULES
    was_there = os.path.lexists(folder)
    session.run(displays, leave_out=leave_out)
    if not was_there:
        with contextlib.suppress(OSError):  # not there, or something is in it
            resolve_inside(session.target.root, path_sets.DNF_MODULES).rmdir()


def package_paths(root: Path, packages: Iterable[PackageChange]) -> Set[str]:
    """Return the paths of all files of ``packages``, relative to ``root``, links resolved."""
    relative = Relative(root)
    return {relative(path) for change in packages for path in change.files}


def _put_back(root: Path, run: Runner) -> Sequence[str]:
    """Undo what the journal holds, files and running system; return lines on what is not."""
    notes: List[str] = []
    back = live.backwards(root, run)
    journal.undo(root, first=lambda: notes.extend(back.before()),
                 last=lambda: notes.extend(back.after()))
    return notes


def _undo(root: Path, cause: BaseException, run: Runner) -> Sequence[str]:
    try:
        return _put_back(root, run)
    except (OSError, NodePluginError) as exc:
        raise RecordError(
            f"the change failed ({_reason(cause)}) and could not be undone: {exc}",
            hint="Mend what the message names, then run dnf node-plugin verify: it undoes"
                 " the rest. Change nothing else in that root before.") from exc


def _reason(exc: BaseException) -> str:
    if isinstance(exc, NodePluginError):
        return exc.message
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror + (f": {exc.filename}" if exc.filename else "")
    if isinstance(exc, KeyboardInterrupt):
        return "interrupted"
    return str(exc) or type(exc).__name__


def kernels_of(packages: Iterable[PackageChange]) -> List[str]:
    """Return the kernel versions to which ``packages`` bring or take modules, sorted."""
    found: Set[str] = set()
    for change in packages:
        for path in change.files:
            parts = path.split("/")
            if "modules" in parts[1:4] and ".ko" in parts[-1]:
                found.add(parts[parts.index("modules") + 1])
    return sorted(found)
