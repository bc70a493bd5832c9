"""Undoing settings and scriptlet effects of one plugin while others stay.

The order of an operation: ``plan_revert`` (reads only), ``do_revert``, then the
packages, then ``plan_effects`` and ``do_revert`` of that, then ``finish_revert``.
"""
from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ...errors import Drifted
from ...system.entries import Entry, read_entry
from ...system.paths import resolve_inside
from ...undo import live_log
from ...undo.changes import EFFECTS, Applied, Change, put_back
from ..kit.model import Context, Leaning, Overlapping, Taker, Wanted, Woven
from .apply import refresh
from .checking import text_of
from .kinds import DERIVED, KINDS, is_derived, is_shared
from .ledger import Ledger, Others
from .path_history import PathStep
from .remake import Remake, planned_remake, remake
from .shared_files import merged, unweave


@dataclass(frozen=True)
class Revert:
    """How to undo one plugin's part.

    ``restore`` are the changes to put back; ``handed`` the complete new settings
    of each other plugin that answers for some of it from now on; ``notes`` lines
    for people; ``keep`` the paths left as somebody changed them since. ``remake``,
    ``again`` and ``folders`` are for ``finish_revert``: what is made again, kind and
    key of what is applied again if it is no longer so, and folders to be removed that
    had something in them when this was planned. ``live`` are the settings of which no
    other plugin needs what they did to the running system.
    """

    restore: Tuple[Change, ...]
    handed: Mapping[str, Tuple[Applied, ...]]
    notes: Tuple[str, ...] = ()
    keep: Tuple[str, ...] = ()
    remake: Tuple[Remake, ...] = ()
    folders: Tuple[str, ...] = ()
    again: FrozenSet[Tuple[str, str]] = frozenset()
    live: Tuple[Applied, ...] = ()


@dataclass(frozen=True)
class Finished:
    """What ``finish_revert`` did: new settings of other plugins, and lines for people."""

    handed: Mapping[str, Tuple[Applied, ...]]
    notes: Tuple[str, ...]


def plan_revert(mine: Sequence[Applied], others: Others, root: Path, *,
                keep_modified: bool = False) -> Revert:
    """Return how to undo the settings ``mine``; only reads.

    ``others`` are the settings, and effects, that stay: of other plugins, and of this
    one too, under its name, where only some of its settings go.

    Raises Drifted for paths that are not as they were left, unless
    ``keep_modified``: then they stay as they are and are named in ``keep``.
    """
    ledger = Ledger(others)
    live = tuple(_last_of(mine, ledger))
    plain = [applied for applied in mine if not is_derived(applied.kind)]
    derived = [applied for applied in mine if is_derived(applied.kind)]
    loose = _hand_over(plain, ledger)
    again = frozenset(_leaning(plain, ledger))
    remakes, put = _split_derived(derived, ledger, root)
    lifted = _lift_all(loose, ledger, root)
    if lifted.drifted and not keep_modified:
        raise _drifted(root, lifted.drifted)
    restore, folders = _decide_folders([*lifted.restore, *put], ledger, root)
    notes = [f"/{path} is left as it is: it was changed since" for path in lifted.drifted]
    return Revert(restore=restore, handed=ledger.handed(), notes=tuple(notes), keep=lifted.drifted,
                  remake=remakes, folders=folders, again=again, live=live)


def plan_effects(mine: Sequence[Change], others: Others, root: Path, *,
                 keepers: Sequence[str] = ()) -> Revert:
    """Return how to undo what a plugin's scriptlets changed; only reads, refuses nothing.

    Each path that is as they left it is put back, unless another plugin built on
    it; what is as before already needs nothing; the rest is left, with a note.
    ``keepers`` are plugins that keep a package of this one: its scriptlets' work is
    still needed, so the first of them takes all of it over.
    """
    ledger = Ledger(others)
    if keepers and mine:
        _give_effects(mine, keepers[0], ledger)
        return Revert((), ledger.handed())
    effects = [Applied(kind=EFFECTS, key="", value="", before="", changes=tuple(mine))]
    lifted = _lift_all(_hand_over(effects, ledger), ledger, root)
    lost = [change for change in lifted.restore if not _can_restore(change)]
    restore, folders = _decide_folders(
        [change for change in lifted.restore if change not in lost], ledger, root)
    notes = [f"/{path} is left as it is: it was changed since" for path in lifted.drifted]
    notes += [f"/{change.path} is left as it is: what it was before was not kept"
              for change in lost]
    notes += [f"/{path} is left: it is not empty" for path in folders]
    return Revert(restore, ledger.handed(), tuple(notes),
                  tuple(sorted({*lifted.drifted, *(change.path for change in lost)})))


def do_revert(revert: Revert, ctx: Context) -> None:
    """Put back what a plan says; a second time changes nothing."""
    put_back(ctx.root, revert.restore)


def finish_revert(revert: Revert, others: Others, ctx: Context) -> Finished:
    """Do what has to wait until the packages are gone.

    ``others`` are the settings of the plugins that stay, with those of ``handed``.
    """
    ledger = Ledger(others)
    for one in revert.remake:
        remake(one, ledger, ctx)
    _apply_again(revert.again, ledger, ctx)
    left = put_back(ctx.root, [Change(path, None, None) for path in revert.folders
                               if _is_folder(ctx.root, path)])
    return Finished(ledger.handed(), tuple(f"/{path} is left: it is not empty" for path in left))


@dataclass(frozen=True)
class _LiftedPaths:
    restore: Tuple[Change, ...]
    drifted: Tuple[str, ...]


_Loose = Tuple[Applied, Change]


def _leaning(mine: Sequence[Applied], ledger: Ledger) -> Iterator[Tuple[str, str]]:
    """Yield kind and key of what may have to be applied again when ``mine`` are gone."""
    for gone in mine:
        kind = KINDS.get(gone.kind)
        for _, _, applied in ledger.each():
            if isinstance(kind, Leaning) and applied.kind == gone.kind \
                    and kind.leans(applied, gone):
                yield applied.kind, applied.key


def _apply_again(again: FrozenSet[Tuple[str, str]], ledger: Ledger, ctx: Context) -> None:
    for owner, number, one in tuple(ledger.each()):
        if (one.kind, one.key) in again and KINDS[one.kind].verify(one, ctx):
            wanted = Wanted(kind=one.kind, key=one.key, value=one.value, text=text_of(one),
                            item=None)
            ledger.replace(owner, number, refresh(one, wanted, ctx))


def _last_of(mine: Sequence[Applied], ledger: Ledger) -> Iterator[Applied]:
    """Yield those of ``mine`` that no other plugin has too; another one gets the state before.

    That is the running system's, which is one for all, whatever files each plugin has.
    """
    for applied in mine:
        heir = ledger.find(applied.kind, applied.key)
        if heir is None:
            yield applied
            continue
        states = live_log.states(applied.outcome)
        was = states.get(live_log.WAS)
        if was is not None and was != states.get(live_log.LEFT):
            its = ledger.at(*heir)
            ledger.replace(*heir, dataclasses.replace(
                its, outcome=merged(its.outcome, live_log.words(was=was))))


def _hand_over(mine: Sequence[Applied], ledger: Ledger) -> List[_Loose]:
    """Give other plugins what they want alike; return the changes that remain."""
    loose: List[_Loose] = []
    for applied in mine:
        heir = None
        if is_shared(applied.kind):
            heir = ledger.find(applied.kind, applied.key)
        if heir is not None and applied.changes:
            its = ledger.at(*heir)
            ledger.replace(*heir, dataclasses.replace(
                its, before=applied.before,
                outcome=merged(its.outcome, live_log.without(applied.outcome))))
        for change in applied.changes:
            holder = heir or next(((owner, number) for owner, number, other in ledger.each()
                                   if _upholds(other, change)), None)
            if holder is not None:
                ledger.give(*holder, change)
            else:
                loose.append((applied, change))
    return loose


def _upholds(applied: Applied, change: Change) -> bool:
    kind = KINDS.get(applied.kind)
    return isinstance(kind, Overlapping) and kind.upholds(applied, change)


def _lift_all(loose: Sequence[_Loose], ledger: Ledger, root: Path) -> _LiftedPaths:
    restore: List[Change] = []
    drifted: List[str] = []
    for path in sorted({change.path for _, change in loose}):
        mine = {(0, count): one for count, one in enumerate(loose) if one[1].path == path}
        takers = {place: _taker(applied, path) for place, (applied, _) in mine.items()}
        now = read_entry(root, path, content=any(takers.values()))
        steps = [PathStep("", place, change) for place, (_, change) in mine.items()]
        lifted = unweave([*ledger.steps(path), *steps], now, takers)
        for new in lifted.rewritten:
            ledger.rewrite(new)
        restore.extend(lifted.restore)
        for change in lifted.drifted:
            if change.before is None and _is_dir(now) and _is_dir(change.after):
                restore.append(change)  # a folder that goes may have got another mode
            else:
                drifted.append(path)
    return _LiftedPaths(tuple(restore), tuple(sorted(set(drifted))))


def _taker(applied: Applied, path: str) -> Optional[Taker]:
    kind = KINDS.get(applied.kind)
    return kind.taker(applied, path) if isinstance(kind, Woven) else None


def _split_derived(derived: Sequence[Applied], ledger: Ledger, root: Path,
                   ) -> Tuple[Tuple[Remake, ...], List[Change]]:
    """Return what has to be made again, and what can simply be put back.

    The latter only where nobody else needs it and nothing changed it since. It is
    put back before the packages go, for rpm removes only folders that are empty.
    """
    remakes: List[Remake] = []
    put: List[Change] = []
    order = list(DERIVED)  # what is made of others comes after them
    for kind, key in sorted({(applied.kind, applied.key) for applied in derived},
                            key=lambda pair: (order.index(pair[0]), pair[1])):
        mine = [applied for applied in derived if (applied.kind, applied.key) == (kind, key)]
        loose = [(applied, change) for applied in mine for change in applied.changes]
        again = planned_remake(kind, key, mine, ledger, root)
        if not DERIVED[kind].merged and not ledger.values(kind, key):
            lifted = _lift_all(loose, ledger, root)
            if not lifted.drifted:
                put.extend(lifted.restore)
                continue
        remakes.append(again)
    return tuple(remakes), put


def _decide_folders(restore: Sequence[Change], ledger: Ledger, root: Path,
                    ) -> Tuple[Tuple[Change, ...], Tuple[str, ...]]:
    """Return what is put back, and the folders that cannot go yet.

    A folder in which another plugin's setting changed something becomes that one's,
    even if it is empty now: undoing that may need it.
    """
    chosen: List[Change] = []
    full: List[str] = []
    gone: Set[str] = {change.path for change in restore if change.before is None}
    for change in sorted(restore, key=lambda one: one.path.count("/"), reverse=True):
        if change.before is not None or not _is_folder(root, change.path):
            chosen.append(change)
            continue
        heir = ledger.below(change.path)
        inside = {f"{change.path}/{name}"
                  for name in os.listdir(resolve_inside(root, change.path))}
        if heir is None and inside <= gone:
            chosen.append(change)
            continue
        gone.discard(change.path)
        if heir is not None:
            ledger.give(*heir, change)
        else:
            full.append(change.path)
    return tuple(sorted(chosen, key=lambda one: one.path)), tuple(sorted(full, reverse=True))


def _give_effects(mine: Sequence[Change], keeper: str, ledger: Ledger) -> None:
    for owner, number, applied in ledger.each():
        if owner == keeper and applied.kind == EFFECTS:
            ledger.replace(owner, number, dataclasses.replace(
                applied, changes=(*mine, *applied.changes)))
            return
    ledger.add(keeper, Applied(kind=EFFECTS, key="", value="", before="", changes=tuple(mine)))


def _can_restore(change: Change) -> bool:
    before = change.before
    return before is None or before.kind == "dir" or (
        before.kind != "other" and before.content is not None)


def _is_folder(root: Path, path: str) -> bool:
    return _is_dir(read_entry(root, path, content=False))


def _is_dir(entry: Optional[Entry]) -> bool:
    return entry is not None and entry.kind == "dir"


def _drifted(root: Path, paths: Sequence[str]) -> Drifted:
    listed = "\n".join(f"  /{path}" for path in paths)
    return Drifted(
        f"these files of {root} were changed after the plugin was installed, and putting back"
        f" what was there before would lose that:\n{listed}",
        hint="Put them back as the plugin left them (dnf node-plugin verify says what differs),"
             " or have them left as they are with --keep-modified.", paths=paths)
