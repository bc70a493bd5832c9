"""Undoing settings and scriptlet effects of one plugin while others stay.

The order of an operation: ``plan_revert`` (reads only), ``do_revert``, then the
packages, then ``plan_effects`` and ``do_revert`` of that, then ``finish_revert``.
"""
from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import FrozenSet, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from ...errors import Drifted
from ...system.entries import Entry, read_entry
from ...system.paths import resolve_inside
from ...undo.changes import Applied, Change, put_back
from ...undo.live_log import LEFT, WAS
from ..kit.model import Context, Leaning, Overlapping, Wanted, Woven
from .apply import refresh
from .checking import text_of
from .kinds import DERIVED, KINDS, is_derived, is_shared
from .ledger import Ledger
from .path_history import Holder, PathStep
from .remake import Remake, planned_remake, remake
from .shared_files import unweave


@dataclass(frozen=True)
class Revert:
    """How to undo the part of one plugin or several.

    ``restore`` are the changes to put back; ``notes`` lines for people; ``keep`` the paths
    left as somebody changed them since. ``remake``, ``again`` and ``folders`` are for
    ``finish_revert``: what is made again, kind and key of what is applied again if it is
    no longer so, and folders to be removed that had something in them when this was
    planned. ``live`` are the settings of which no other plugin needs what they did to the
    running system.
    """

    restore: Tuple[Change, ...]
    notes: Tuple[str, ...] = ()
    keep: Tuple[str, ...] = ()
    remake: Tuple[Remake, ...] = ()
    folders: Tuple[str, ...] = ()
    again: FrozenSet[Tuple[str, str]] = frozenset()
    live: Tuple[Applied, ...] = ()


def plan_revert(gone: Sequence[Applied], ledger: Ledger, root: Path, *,
                keep_modified: bool = False) -> Revert:
    """Return how to undo the settings ``gone``; of the root, only reads.

    ``ledger`` has what stays, of the same plugins and of others, and is brought to what it
    is without them.

    Raises Drifted for paths that are not as they were left, unless
    ``keep_modified``: then they stay as they are and are named in ``keep``.
    """
    live = tuple(_last_of(gone, ledger))
    plain = [applied for applied in gone if not is_derived(applied.kind)]
    derived = [applied for applied in gone if is_derived(applied.kind)]
    steps = _hand_over(plain, ledger)
    again = frozenset(_leaning(plain, ledger))
    remakes, put = _split_derived(derived, ledger, root)
    lifted, drifted = _lift_all(steps, ledger, root)
    if drifted and not keep_modified:
        raise _drifted(root, drifted)
    restore, folders = _decide_folders([*lifted, *put], ledger, root)
    return Revert(restore=restore, notes=_changed_since(drifted), keep=drifted,
                  remake=remakes, folders=folders, again=again, live=live)


def plan_effects(effects: Sequence[Change], ledger: Ledger, root: Path, *,
                 keepers: Sequence[str] = ()) -> Revert:
    """Return how to undo what plugins' scriptlets changed; of the root, only reads.

    Each path that is as they left it is put back, unless another plugin built on
    it; what is as before already needs nothing; the rest is left, with a note.
    ``keepers`` are plugins that keep a package of the same plugins: the scriptlets' work
    is still needed, so the first of them takes all of it over. ``ledger`` has what stays,
    and is brought to what it is without ``effects``. Refuses nothing.
    """
    if keepers:
        ledger.give(Holder(keepers[0]), effects)
        return Revert(())
    steps = tuple(_not_upheld(map(PathStep, effects), ledger))
    lifted, drifted = _lift_all(steps, ledger, root)
    lost = [change for change in lifted if not _can_restore(change)]
    restore, folders = _decide_folders(
        [change for change in lifted if change not in lost], ledger, root)
    notes = (*_changed_since(drifted),
             *(f"/{change.path} is left as it is: what it was before was not kept"
               for change in lost),
             *(f"/{path} is left: it is not empty" for path in folders))
    return Revert(restore=restore, notes=notes,
                  keep=tuple(sorted({*drifted, *(change.path for change in lost)})))


def do_revert(revert: Revert, ctx: Context) -> None:
    """Put back what a plan says; a second time changes nothing."""
    put_back(ctx.root, revert.restore)


def finish_revert(revert: Revert, ledger: Ledger, ctx: Context) -> Tuple[str, ...]:
    """Do what has to wait until the packages are gone; return lines for people.

    ``ledger`` has what stays, and gets what this changes of it.
    """
    remake_all(revert, ledger, ctx)
    for holder, applied in tuple(ledger.settings()):
        if (applied.kind, applied.key) in revert.again and KINDS[applied.kind].verify(
                applied, ctx):
            wanted = Wanted(kind=applied.kind, key=applied.key, value=applied.value,
                            text=text_of(applied), item=None)
            ledger.replace(holder, refresh(applied, wanted, ctx))
    left = put_back(ctx.root, [Change(path, None, None) for path in revert.folders
                               if _is_folder(ctx.root, path)])
    return tuple(f"/{path} is left: it is not empty" for path in left)


def remake_all(revert: Revert, ledger: Ledger, ctx: Context) -> None:
    """Make again what is derived from what is in ``ledger`` now, and note it there."""
    for planned in revert.remake:
        remake(planned, ledger, ctx)


def _leaning(gone: Sequence[Applied], ledger: Ledger) -> Iterator[Tuple[str, str]]:
    """Yield kind and key of what may have to be applied again without ``gone``."""
    for _, applied in ledger.settings():
        kind = KINDS.get(applied.kind)
        if isinstance(kind, Leaning) and any(
                other.kind == applied.kind and kind.leans(applied, other) for other in gone):
            yield applied.kind, applied.key


def _last_of(gone: Sequence[Applied], ledger: Ledger) -> Iterator[Applied]:
    """Yield those of ``gone`` that no plugin has any more; another one gets the state before.

    That is the running system's, which is one for all, whatever files each plugin has.
    """
    for applied in gone:
        heirs = ledger.having(applied.kind, applied.key)
        if not heirs:
            yield applied
            continue
        was = applied.outcome.get(WAS)
        if was is not None and was != applied.outcome.get(LEFT):
            holder, heir = heirs[0]
            ledger.replace(holder, dataclasses.replace(
                heir, outcome={**heir.outcome, WAS: was}))


def _hand_over(gone: Sequence[Applied], ledger: Ledger) -> List[PathStep]:
    """Give other plugins what they want alike; return the changes that remain."""
    steps: List[PathStep] = []
    for applied in gone:
        heirs = ledger.having(applied.kind, applied.key) if is_shared(applied.kind) else []
        if not heirs:
            steps.extend(_not_upheld(_steps(applied), ledger))
        elif applied.changes:
            holder, heir = heirs[0]
            ledger.replace(holder, dataclasses.replace(
                heir, before=applied.before, changes=(*applied.changes, *heir.changes),
                outcome={**heir.outcome, **{name: value for name, value in applied.outcome.items()
                                            if name not in (WAS, LEFT)}}))
    return steps


def _not_upheld(steps: Iterable[PathStep], ledger: Ledger) -> Iterator[PathStep]:
    """Yield changes that no other setting upholds; one that does answers for the change."""
    for step in steps:
        holder = next((holder for holder, applied in ledger.settings()
                       if _upholds(applied, step.change)), None)
        if holder is None:
            yield step
        else:
            ledger.give(holder, [step.change])


def _upholds(applied: Applied, change: Change) -> bool:
    kind = KINDS.get(applied.kind)
    return isinstance(kind, Overlapping) and kind.upholds(applied, change)


def _steps(applied: Applied) -> Iterator[PathStep]:
    kind = KINDS.get(applied.kind)
    for change in applied.changes:
        yield PathStep(change, taker=kind.taker(applied, change.path)
                       if isinstance(kind, Woven) else None)


def _lift_all(steps: Sequence[PathStep], ledger: Ledger, root: Path,
              ) -> Tuple[List[Change], Tuple[str, ...]]:
    """Take ``steps`` out of their paths; return what to restore, and the paths that drifted."""
    restore: List[Change] = []
    drifted: List[str] = []
    for path in sorted({step.change.path for step in steps}):
        mine = [step for step in steps if step.change.path == path]
        now = read_entry(root, path, content=any(step.taker for step in mine))
        lifted = unweave([*ledger.steps(path), *mine], now)
        ledger.rewrite(lifted.rewritten)
        restore.extend(lifted.restore)
        for change in lifted.drifted:
            if change.before is None and _is_dir(now) and _is_dir(change.after):
                restore.append(change)  # a folder that goes may have got another mode
            else:
                drifted.append(path)
    return restore, tuple(sorted(set(drifted)))


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
        again = planned_remake(kind, key, mine, ledger, root)
        if not DERIVED[kind].merged and not ledger.having(kind, key):
            steps = [step for applied in mine for step in _steps(applied)]
            lifted, drifted = _lift_all(steps, ledger, root)
            if not drifted:
                put.extend(lifted)
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
            ledger.give(heir, [change])
        else:
            full.append(change.path)
    return tuple(sorted(chosen, key=lambda one: one.path)), tuple(sorted(full, reverse=True))


def _can_restore(change: Change) -> bool:
    before = change.before
    return before is None or before.kind == "dir" or (
        before.kind != "other" and before.content is not None)


def _is_folder(root: Path, path: str) -> bool:
    return _is_dir(read_entry(root, path, content=False))


def _is_dir(entry: Optional[Entry]) -> bool:
    return entry is not None and entry.kind == "dir"


def _changed_since(paths: Sequence[str]) -> Tuple[str, ...]:
    return tuple(f"/{path} is left as it is: it was changed since" for path in paths)


def _drifted(root: Path, paths: Sequence[str]) -> Drifted:
    listed = "\n".join(f"  /{path}" for path in paths)
    return Drifted(
        f"these files of {root} were changed after the plugin was installed, and putting back"
        f" what was there before would lose that:\n{listed}",
        hint="Put them back as the plugin left them (dnf node-plugin verify says what differs),"
             " or have them left as they are with --keep-modified.", paths=paths)
