"""What follows from the files in a root, made again when one of several plugins goes."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from ..changes import Applied, Change, capture, compact
from ..files import Entry, read_entry, same_entry
from ..paths import resolve_inside
from .kinds import DERIVED
from .ledger import Ledger
from .model import Context, Remnant, Wanted
from .trail import Step, walked


@dataclass(frozen=True)
class Remake:
    """One derived setting of which the values ``gone`` go.

    ``bases`` is each path as it was before the first plugin.
    """

    kind: str
    key: str
    gone: Tuple[str, ...]
    bases: Mapping[str, Optional[Entry]]


def base_of(kind: str, key: str, mine: Sequence[Change], ledger: Ledger,
            root: Path) -> Mapping[str, Optional[Entry]]:
    """Return every path that ``mine`` or its like changed, as it was before the first."""
    paths = {change.path for change in mine}
    paths.update(change.path for _, _, applied in ledger.each()
                 if (applied.kind, applied.key) == (kind, key) for change in applied.changes)
    bases = {}
    for path in sorted(paths):
        own = [Step("", (0, count), change) for count, change in enumerate(mine)
               if change.path == path]
        steps = [*ledger.steps(path), *own]
        walk = walked(steps, read_entry(root, path, content=False)) or _longest(steps)
        bases[path] = walk[0].change.before
    return bases


def remake(one: Remake, ledger: Ledger, ctx: Context) -> None:
    """Make it again for those who still need it; the first of them answers for all of it."""
    kind = DERIVED[one.kind]
    wanted = Wanted(one.kind, one.key, "", "", None)
    watches = kind.watched(wanted, ctx)
    if not any(resolve_inside(ctx.root, watch.folder).is_dir() for watch in watches):
        return
    before = capture(ctx.root, watches)
    kind.remake(Remnant(one.key, one.gone, ledger.values(one.kind, one.key), one.bases), ctx)
    after = capture(ctx.root, watches, content=False)
    # In a file that no plugin changed so far, what a merged one takes out is gone for good
    first = {**one.bases} if kind.merged else {**before, **one.bases}
    changes = tuple(
        Change(path, first.get(path), compact(after.get(path)))
        for path in sorted(first if kind.merged else {*first, *after})
        if not same_entry(first.get(path), after.get(path)))
    heirs: List[Tuple[str, int, Applied]] = [
        found for found in ledger.each()
        if (found[2].kind, found[2].key) == (one.kind, one.key)]
    for owner, number, applied in heirs:
        ledger.replace(owner, number, dataclasses.replace(applied, changes=changes))
        changes = ()


def _longest(steps: List[Step]) -> List[Step]:
    """Return the longest walk to where any of the steps ended."""
    return max((walked(steps, step.change.after) for step in steps), key=len)
