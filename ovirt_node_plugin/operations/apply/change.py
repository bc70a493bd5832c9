"""The frame of every change of a root: the journal, and the undoing of a change that fails."""
from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Iterable, Iterator, Optional, Sequence, Tuple

from ... import __version__
from ...errors import Locked, NodePluginError, RecordError, Refused, RolledBack
from ...packages.contents import folder_places
from ...packages.session import PackageChange, Session
from ...policy.refusals import live_refusal, refuse_deployed
from ...registry import image_copy, store
from ...settings.engine import live
from ...settings.engine.kinds import replaced_paths
from ...settings.modules import module_index, module_trees
from ...system import path_sets
from ...system.entries import locked
from ...system.paths import is_inside_any, real_places, resolve_inside
from ...system.run import Runner
from ...system.words import first_names
from ...target import Target, is_read_only, is_running_system, processes_in
from ...undo import journal, undoing
from ...undo.changes import Change
from ..model.jobs import Key
from .active_scope import active_scope
from .configuration_copies import copy_paths
from .factory import is_followed

_MOST_PATHS = 8  # that a line names
TOOL = f"ovirt-node-plugin {__version__}"


def refusal_here(session: Session) -> Optional[NodePluginError]:
    """Return the error that every change of the root by the superuser would end with, or None.

    What only the superuser can find out counts only if this is the superuser.
    """
    try:
        refuse_unchangeable(session)
    except NodePluginError as exc:
        return exc
    return None


def refuse_unchangeable(session: Session) -> None:
    """Raise Refused if the root may not or cannot be changed, RecordError without a journal."""
    target, live_allowed = session.target, session.policy.config.live
    refuse_deployed(target, live_allowed=live_allowed)
    if target.booted and target.is_node and not live_allowed:
        raise live_refusal(target)
    top, is_root = target.root / "usr" if target.deployed else target.root, os.geteuid() == 0
    if is_read_only(top) or is_root and not os.access(top, os.W_OK):
        raise Refused(f"the root {target.root} is mounted read-only",
                      hint=f"Mount it for writing, for example: mount -o remount,rw {target.root}")
    journal.check_folder(target.root)
    if is_root:
        session.refuse_unsealed()


@contextlib.contextmanager
def guarded(target: Target, *, writes: bool, run: Runner,
            foreign: bool = False) -> Iterator[Optional[str]]:
    """Hold the root's lock if necessary, and undo the change of a process that was killed.

    Yields a line that says what was undone, or None. A command that ``writes`` holds the
    lock until it ends. Another one takes it only to undo; if it cannot, the line says that
    an interrupted change waits or that a change is running. With ``foreign``, a journal that
    this machine did not write is undone as well.
    """
    root = target.root
    if writes:
        with locked(root):
            yield recover(root, run, foreign=foreign)
    elif not journal.left_over(root):
        yield None
    elif os.geteuid() != 0:
        yield (f"A change of plugins in {root} was interrupted, or goes on; if it was, the next"
               " command of the superuser undoes it.") if journal.pending(root) else None
    else:
        try:
            with locked(root):
                notice = recover(root, run, foreign=foreign)
        except Locked:
            notice = f"A change of plugins in {root} goes on; what follows may soon be out of date."
        yield notice


def recover(root: Path, run: Runner, *, foreign: bool = False) -> Optional[str]:
    """Undo an interrupted change; return lines about it, or None if there is none.

    The caller holds the root's lock. Raises RecordError for a journal that this machine did
    not write, unless ``foreign`` allows it.
    """
    if not journal.pending(root):
        journal.finish(root)
        return None
    own = is_running_system(root) or journal.is_own(root)
    if not (own or foreign):
        journal.refuse_foreign(root)
    intent = journal.intent(root)
    wait_for_scriptlets(root)
    notes = _put_back(root, run, trusted=own)
    return "\n".join([f"An interrupted {intent.operation} of {', '.join(intent.plugins)} was"
                      f" undone.", *notes])


def wait_for_scriptlets(root: Path, *, timeout_s: float = 10) -> None:
    """Wait until no process runs in a chroot in ``root``.

    A scriptlet may outlive the dnf process that was killed, and change the root further.

    Raises Refused, which names the processes, if one still runs after ``timeout_s``.
    """
    if is_running_system(root):
        return
    until = time.monotonic() + timeout_s
    while True:
        processes = processes_in(root)
        if not processes:
            return
        if time.monotonic() >= until:
            raise Refused(
                f"an interrupted change of {root} is to be undone, but processes still run in"
                f" that root: {', '.join(processes)}", hint="End them, then try again.")
        time.sleep(0.1)


def scope(target: Target, packages: Sequence[PackageChange], *, plugins: Iterable[str],
          settings: Iterable[Key], changes: Iterable[Change], folders: Iterable[str] = (),
          paths: Iterable[str] = (), others: Iterable[str] = ()) -> journal.Scope:
    """Return the paths that a change of ``packages`` may touch in the root.

    ``plugins`` are those whose records may be written, ``settings`` those that are applied
    or undone, ``changes`` those that may be undone, ``folders`` those to which settings
    write, ``paths`` more files that may be removed, ``others`` the files of other plugins,
    which only a hostile scriptlet changes.
    """
    root, settings = target.root, set(settings)
    replaced_files, replaced_folders = replaced_paths({kind for kind, _ in settings}, root)
    files = [path for package in packages for path in package.files]
    places = {resolve_inside(root, folder).relative_to(root).as_posix() for folder in folders}
    trees = real_places(root, path_sets.TREES)
    headers = [package.header for package in packages]
    package_folders, copies = folder_places(headers, root), copy_paths(headers, root)
    active, modules = active_scope(root), module_trees.tree_scope(
        root, files, whole=any(header is not None and header.about_modules for header in headers))
    made = [] if target.live else [name for name in path_sets.SURROUNDINGS
                                   if not os.path.lexists(root / name)]
    return journal.Scope(
        paths=tuple(sorted({
            *files, *package_folders, *copies, *paths, *made, *replaced_files,
            *(change.path for change in changes),
            *(path for plugin in plugins for path in store.paths_of(plugin)),
            *module_index.index_paths(files, module_trees.trees(root))})),
        trees=(*path_sets.TREES, *active.trees, *modules.trees, *others,
               *([path_sets.FACTORY_ETC] if is_followed(target) else ()),
               *sorted(place for place in places if not is_inside_any(place, trees))),
        bare=(*modules.bare, *(() if target.live else path_sets.BARE_TREES)),
        near=(*path_sets.NEAR_FOLDERS, *active.near),
        whole=(target.rpmdb, *path_sets.REGISTRIES, *path_sets.DNF_HISTORY,
               *sorted(replaced_folders)),
        live=target.live, spared=path_sets.CHANGED_LIVE if target.live else ())


@contextlib.contextmanager
def journaled(session: Session, intent: journal.Intent, what: journal.Scope, *,
              run: Runner) -> Iterator[journal.Journal]:
    """Run a change with its journal, and undo it if it fails for any reason.

    Raises RolledBack for a failure that was undone, and RecordError for one that
    could not be: then the journal stays for the next command.
    """
    root = session.target.root
    with session.exclusive():
        try:
            opened = journal.begin(root, intent, what)
        except OSError as exc:
            raise RolledBack(f"the journal of the change cannot be written: {_reason(exc)}."
                             " Nothing was changed.",
                             hint="Make room on the root's disk, then try again.") from exc
        try:
            if session.target.is_image:
                image_copy.keep(session.target.root)
            yield opened
        except BaseException as exc:
            try:
                session.close()
            finally:
                notes = _undo(opened, root, exc, run)
            if not isinstance(exc, Exception):
                raise
            raise RolledBack(
                f"{intent.operation} of {', '.join(intent.plugins)} failed and was rolled back:"
                f" {_reason(exc)}",
                hint="\n".join([*notes, *_hint(exc)])) from exc
        finally:
            opened.close()
        journal.finish(root)


def _put_back(root: Path, run: Runner, *, trusted: bool = True) -> Tuple[str, ...]:
    """Undo the journal's change of files and of the running system; return lines about it."""
    back = live.undo_of(root, run)
    undone = undoing.undo(root, first=back.before, last=back.after, trusted=trusted)
    if not undone.changed:
        return (f"The root {root} is as it was before.", *undone.lines)
    return (f"The root {root} is as it was before, except for files of which no copy is made (see"
            f" LIMITS in dnf-node-plugin(8)): {first_names(undone.changed, _MOST_PATHS)}. Restore"
            " them from a backup, or unpack the root again.", *undone.lines)


def _undo(opened: journal.Journal, root: Path, cause: BaseException,
          run: Runner) -> Tuple[str, ...]:
    try:
        opened.repair()
        return _put_back(root, run)
    except (OSError, NodePluginError) as exc:
        raise RecordError(
            f"the change failed ({_reason(cause)}) and could not be undone: {_reason(exc)}",
            hint=(isinstance(exc, NodePluginError) and exc.hint)
            or "Repair what the message names, then run dnf node-plugin verify: it undoes"
               " the rest. Change nothing else in that root before.") from exc


def _hint(exc: BaseException) -> Tuple[str, ...]:
    """Return the hint of a transaction that failed, if it has one."""
    return (exc.hint,) if isinstance(exc, RolledBack) and exc.hint else ()


def _reason(exc: BaseException) -> str:
    if isinstance(exc, NodePluginError):
        return exc.message
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror + (f": {exc.filename}" if exc.filename else "")
    if isinstance(exc, KeyboardInterrupt):
        return "interrupted"
    return str(exc) or type(exc).__name__
