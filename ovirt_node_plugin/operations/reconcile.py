"""Make the records in /etc agree with the image, whose /usr may have been replaced since."""
from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import (
    Callable,
    Collection,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Set,
    Tuple,
)

from ..errors import NodePluginError, RecordError, Refused
from ..packages.session import Session
from ..registry import image_copy, store
from ..registry.places import ETC, IMAGE, Place, counting, has_image_copy
from ..system.entries import Entry, read_entry, write_entry
from ..system.path_sets import FACTORY
from ..system.paths import is_inside, resolve_inside
from ..undo.changes import Change, alike
from .model.results import LEFT, REMOVED, RESTORED, REWRITTEN, RecordCorrection

# The modules of a policy store are built into the policy: to remove only files corrupts it.
_POLICY_STORES = "etc/selinux"
_HINT = "Move it away, then run the command again."


@dataclass(frozen=True)
class _PlannedCorrection:
    """A correction, and the function that makes it."""

    correction: RecordCorrection
    make: Callable[[], None]


def reconcile(session: Session, *, only_plan: bool = False) -> Tuple[RecordCorrection, ...]:
    """Make the registry in /etc what the image says; return what was corrected, in order.

    With the image's own copy of the registry, the files in /etc become the same. Without one,
    records are removed none of whose packages is in the rpm database: they came with the /etc
    of another image. With a record, files in /etc go that its plugin made and nobody changed
    since. A host that no images replace has nothing to correct. The caller holds the root's
    lock. Each step is complete by itself, so that a run that was killed is completed by the
    next one. With ``only_plan``, nothing is written.

    Raises Refused if /etc is read-only, and RecordError for a file that cannot be replaced.
    """
    root = session.target.root
    steps = list(_steps(session)) if session.target.is_image else []
    if steps and not only_plan:
        _refuse_read_only(root)
        for step in steps:
            step.make()
    return tuple(step.correction for step in steps)


def _steps(session: Session) -> Iterator[_PlannedCorrection]:
    root = session.target.root
    if has_image_copy(root):
        present = set(store.names(root))
        differences = image_copy.differences(root)
        gone = {name for name, paths in differences.items()
                if name not in present and ETC.record(name) in paths}
        claimed = _claimed(root, present) if gone else frozenset()
        for name, paths in differences.items():
            if name in gone:
                yield from _remains(name, claimed, session)
            for path in paths:
                yield _of_file(root, name, path)
        return
    registry = store.read_registry(root)
    outlived = image_copy.outlived(root, registry.records, session.installed())
    claimed = _claimed(root, {*registry.records, *registry.damaged}.difference(
        outlived)) if outlived else frozenset()
    for name in outlived:
        yield from _remains(name, claimed, session)
        yield _planned(name, REMOVED, ETC.record(name), "it has the record of a plugin of another"
                       " image: none of its packages is installed", store.forget, root, name)


def _planned(plugin: str, action: str, path: str, reason: str, function: Callable[..., None],
             *arguments: object) -> _PlannedCorrection:
    """Return a correction of ``path``, relative to the root, by a call of ``function``."""
    return _PlannedCorrection(RecordCorrection(plugin, action, f"/{path}", reason),
                              lambda: function(*arguments))


def _of_file(root: Path, name: str, path: str) -> _PlannedCorrection:
    where = resolve_inside(root, path, follow_last=False)
    folder = where.parent
    if os.path.lexists(folder) and not folder.is_dir():
        raise RecordError(f"/{os.path.dirname(path)} is not a folder", hint=_HINT)
    if where.is_dir() and not where.is_symlink():
        raise RecordError(f"/{path} is a folder", hint=_HINT)
    copy = dict(zip(ETC.files(name), IMAGE.files(name)))[path]
    if not os.path.lexists(root / copy):
        action, reason = REMOVED, f"the image has no /{copy}"
    elif os.path.lexists(root / path):
        action, reason = REWRITTEN, f"it differed from /{copy}"
    else:
        action, reason = RESTORED, f"the image has /{copy}"
    return _planned(name, action, path, reason, image_copy.correct, root, name, path)


def _claimed(root: Path, plugins: Iterable[str]) -> FrozenSet[str]:
    """Return the paths that installed plugins changed."""
    place = counting(root)
    return frozenset(change.path for name in plugins for change in _changes(root, name, place))


def _remains(name: str, claimed: Collection[str],
             session: Session) -> Iterator[_PlannedCorrection]:
    """Yield how to remove what a plugin that is gone left in /etc.

    Only entries go that the plugin made, that are as it left them, and that neither a package
    nor another plugin has; the paths of these are ``claimed``. Others that are as it left them
    are named.
    """
    root = session.target.root
    gone: Set[str] = set()
    folders: List[str] = []
    for path, change, now in _unclaimed(name, claimed, session):
        if resolve_inside(root, path, follow_last=False) != root / path:
            yield _left(name, path, "plugin made it, and a link in its path leads there now")
        elif not alike(now, change.after):
            if change.before is None:
                yield _left(name, path, "plugin made it, and it was changed since")
        elif change.before is not None or is_inside(path, _POLICY_STORES):
            yield _left(name, path, "plugin changed it, and its former state may be that of"
                                    " another image")
        elif now.kind == "dir":
            folders.append(path)
        else:
            gone.add(path)
            yield _planned(name, REMOVED, path, "the plugin, which the image lacks, made it",
                           write_entry, root, path, None)
    for path in reversed(folders):  # the innermost first
        if gone.issuperset(f"{path}/{entry}" for entry in os.listdir(root / path)):
            gone.add(path)
            yield _planned(name, REMOVED, path, "the plugin made this folder",
                           write_entry, root, path, None)


def _unclaimed(name: str, claimed: Collection[str],
               session: Session) -> Iterator[Tuple[str, Change, Entry]]:
    """Yield each entry in /etc as it is now that a plugin made or changed, and nobody else has."""
    root = session.target.root
    for path, change in sorted(_whole_changes(root, name).items()):
        if is_inside(path, "etc") and change.after is not None and path not in claimed and (
                not session.owners(f"/{path}")):
            now = read_entry(root, path, content=False)
            if now is not None:
                yield path, change, now


def _left(name: str, path: str, reason: str) -> _PlannedCorrection:
    return _planned(name, LEFT, path, f"the {reason}", lambda: None)


def _changes(root: Path, name: str, place: Place) -> Tuple[Change, ...]:
    """Return the changes in the undo data of a plugin in ``place``, none if it cannot be read.

    Those of its packages' files are known from the pristine copy of /etc.
    """
    with contextlib.suppress(NodePluginError):
        state = store.read_undo_data(root, name, place=place).state
        changed = {change.path for change in state.changes}
        packed = (replace(change, path=change.path[len(FACTORY) + 1:]) for change in state.factory)
        return (*state.changes, *(change for change in packed if change.path not in changed))
    return ()


def _whole_changes(root: Path, name: str) -> Dict[str, Change]:
    """Return one change of each path by a plugin that is gone: from before it to its last state."""
    whole: Dict[str, Change] = {}
    for change in _changes(root, name, ETC):
        first = whole.setdefault(change.path, change)
        whole[change.path] = Change(change.path, first.before, change.after)
    return whole


def _refuse_read_only(root: Path) -> None:
    folder = root / "etc"
    if os.statvfs(folder).f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
        raise Refused(f"/etc in {root} differs from the image and is mounted read-only",
                      hint="Mount it for writing, then run the command again.")
