"""What is others' in a root, compared before and after the scriptlets of packages ran."""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Iterator, Optional, Sequence, Set, Tuple

from ...errors import Refused
from ...packages.session import PackageChange, Session
from ...registry.record import Record
from ...settings.engine import kinds
from ...settings.kit.model import Context
from ...settings.placed import leave_out
from ...system import path_sets
from ...system.paths import is_inside_any, real_places
from ...system.regular_files import opened_regular
from ...system.run import Runner
from ...system.trees import Relative, Stat, stat_of
from ...system.words import first_lines
from ...target import is_booted
from ..model.books import Books
from .own_state import OwnState

_MOST_NAMED = 10


@dataclass(frozen=True)
class _OthersFile:
    """A file or folder of ``plugin``, and where it is in the root.

    ``digest`` is ``TYPE:HEX`` of its content, empty if that is not constant.
    """

    plugin: str
    path: str
    place: str
    folder: bool
    digest: str = ""


@dataclass(frozen=True)
class _FileState:
    """The state of a file: ``digest`` is ``TYPE:HEX`` of its content, or a link's target."""

    stat: Stat
    digest: str


class OtherPlugins:
    """What the scriptlets of a change of ``packages`` may not touch.

    That is this tool's own state in the root, and the files and settings of the plugins in
    ``books`` that are not among ``names``. Files in which several packages take part, such
    as /etc/passwd, are nobody's.
    """

    def __init__(self, names: Collection[str], packages: Sequence[PackageChange], books: Books,
                 *, session: Session, run: Runner) -> None:
        self._session, self._books, self._run = session, books, run
        self._root = session.target.root
        self._records = [record for name, record in books.records.items() if name not in names]
        self._files = tuple(_files(self._records, set(names), packages, books, session))

    @property
    def places(self) -> Tuple[str, ...]:
        """The places of the plugins' files, relative to the root."""
        return tuple(file.place for file in self._files if not file.folder)

    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """Compare all of it before and after the block, in which packages change.

        Raises Refused, which names what differs. The journal must have been written before.
        """
        states = {file: state for file in self._files
                  for state in [_state(file, self._root)] if state is not None}
        problems = frozenset(self._setting_problems())
        own = OwnState(self._root)
        yield
        lines = [*own.changes(),
                 *(f"{file.path}, a file of plugin {file.plugin}, {change}"
                   for file, state in states.items()
                   for change in [_difference(file, state, self._root)] if change),
                 *(problem for problem in self._setting_problems() if problem not in problems)]
        if lines:
            raise Refused("\n  ".join(["scriptlets of packages changed what belongs to others:",
                                       *first_lines(lines, _MOST_NAMED)]),
                          hint="Do not install these packages; ask their vendor.")

    def _setting_problems(self) -> Iterator[str]:
        """Yield the differences of settings, without those that are rebuilt afterwards."""
        for record in self._records:
            settings = [applied for applied in self._books.ledger.state(record.name).settings
                        if not kinds.is_derived(applied.kind)]
            files = {path: 0 for nevra in record.nevras if settings
                     for path in self._session.files(nevra)}
            context = Context(
                root=self._root, plugin=record.name, files=files, run=self._run,
                live=is_booted(self._root),
                leavable=leave_out.recorded(settings, files, self._session.files_of))
            for problem in kinds.verify(settings, context):
                yield f"a setting of plugin {record.name}: {problem.text}"


def _files(records: Sequence[Record], changed: Set[str], packages: Sequence[PackageChange],
           books: Books, session: Session) -> Iterator[_OthersFile]:
    """Yield the files of packages, and the folders that rpm or a scriptlet made for them.

    Which plugin's scriptlets made a folder is unknown if several came together. So the folders
    of plugins that came together with one of the ``changed`` plugins are left out.
    """
    relative = Relative(session.target.root)
    changing = {relative(path) for change in packages for path in change.files}
    leaving = {change.nevra for change in packages if not change.arrives}
    # a running system changes these by itself
    skipped = (real_places(session.target.root, (*path_sets.STATE, *path_sets.CHANGED_LIVE))
               if session.target.booted else ())
    owners = {nevra: record.name for record in records for nevra in record.nevras
              if nevra not in leaving}
    files = [_OthersFile(plugin=owners[nevra], path=packed.path, place=relative(packed.path),
                         folder=packed.is_folder, digest="" if packed.config else packed.digest)
             for nevra, header in session.installed_headers(owners).items()
             for packed in header.files if not packed.ghost]
    files += [_OthersFile(record.name, f"/{change.path}", change.path, True)
              for record in records if changed.isdisjoint(record.together)
              for change in books.ledger.state(record.name).effects
              if change.before is None and change.after is not None
              and change.after.kind == "dir"]
    for file in reversed({file.place: file for file in reversed(files)}.values()):
        if file.place not in changing and not is_inside_any(file.place, skipped):
            yield file


def _state(file: _OthersFile, root: Path) -> Optional[_FileState]:
    """Return the present state; None if the file is missing, as one that was left out."""
    where = root / file.place
    state = stat_of(where)
    if state is None:
        return None
    if stat.S_ISLNK(state[0]):
        return _FileState(state, os.readlink(where))
    if not stat.S_ISREG(state[0]):
        return _FileState(state, "")
    return _FileState(state, file.digest or f"sha256:{_digest(where, 'sha256')}")


def _difference(file: _OthersFile, before: _FileState, root: Path) -> str:
    """Return how a file differs from its state before, empty if it is the same.

    Its content is read only if its times differ, as after restorecon(8).
    """
    where = root / file.place
    now = stat_of(where)
    if now is None:
        return "was removed"
    if now == before.stat:
        return ""
    if now[:3] != before.stat[:3]:
        return "was changed (kind, mode or owner)"
    if stat.S_ISLNK(now[0]) and os.readlink(where) != before.digest:
        return "was changed (target)"
    kind, _, digits = before.digest.partition(":")
    if stat.S_ISREG(now[0]) and _digest(where, kind) != digits:
        return "was changed (content)"
    return ""


def _digest(where: Path, kind: str) -> str:
    digest = hashlib.new(kind)
    with opened_regular(where) as stream:
        for data in iter(lambda: stream.read(1 << 20), b""):
            digest.update(data)
    return digest.hexdigest()
