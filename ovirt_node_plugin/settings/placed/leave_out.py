"""Files of a plugin's own packages that are not to be in the root, such as documentation.

rpm itself is told not to unpack them (packages/unpacking.py), so that it knows of it: it
neither misses them later nor stumbles over them when the package goes. What is there all
the same, since the package or an older version of it was unpacked before, is taken away
here. Nothing of it is put back one by one: the files go with their packages.
"""
from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import LeaveOut, Setting
from ...system.paths import relative_inside, resolve_inside
from ...system.words import count, size
from ...undo.changes import Applied, Change, Watch
from ..kit.model import Context, KeepReason, Taker, Wanted

NAME = "leave-out"


@dataclass(frozen=True)
class LeaveOuts:
    """The kind ``leave-out``: key the glob, value ``yes``.

    The outcome has ``files`` and ``bytes`` that were left out, and as ``kept`` the names
    of packages whose files stay though the glob matches them, as others have them too.
    """

    name: str = NAME
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, LeaveOut):
            return ()
        out = matching(item.files, ctx.leavable.sizes)
        kept = ctx.leavable.kept
        notes = [f"of {item.files}, {count(len(paths), 'file')}, such as {paths[0]}, will be"
                 f" there: {reason}"
                 for reason, paths in _by_reason(matching(item.files, kept), kept).items()]
        if ctx.leavable.known and not out and not notes:
            notes.append(f"{item.files} matches no file of the plugin's own packages")
        size_bytes = sum(ctx.leavable.sizes[path] for path in out)
        what = f"{count(len(out), 'file')}, {size(size_bytes)}" if ctx.leavable.known else "files"
        return (Wanted(kind=self.name, key=item.files, value="yes",
                       text=f"leave out {what}: {item.files}", item=item, notes=tuple(notes)),)

    def check(self, wanted: Wanted, ctx: Context, *, mine: bool) -> None:
        """Nothing can be wrong: what others need too is not left out."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        out = matching(wanted.key, ctx.leavable.sizes)
        return "present" if any(_is_there(path, ctx) for path in out) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        for path in matching(wanted.key, ctx.leavable.sizes):
            if _is_there(path, ctx):
                _refuse_moved(wanted, path, ctx)
                resolve_inside(ctx.root, path, follow_last=False).unlink()

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> str:
        out = matching(wanted.key, ctx.leavable.sizes)
        kept = ctx.leavable.kept
        words = [f"files={len(out)}",
                 f"bytes={sum(ctx.leavable.sizes[path] for path in out)}"]
        owners = sorted({kept[path].package for path in matching(wanted.key, kept)})
        return " ".join([*words, f"kept={','.join(owners)}"] if owners else words)

    def taker(self, applied: Applied, path: str) -> Optional[Taker]:
        return None

    def verify(self, applied: Applied, ctx: Context) -> Sequence[str]:
        there = [path for path in matching(applied.key, ctx.leavable.sizes)
                 if _is_there(path, ctx)]
        if not there:
            return ()
        return (f"{count(len(there), 'file')} to be left out by {applied.key}: there again, such as"
                f" {there[0]}",)


KIND = LeaveOuts()


def matching(glob: str, paths: Iterable[str]) -> List[str]:
    """Return those of ``paths`` that ``glob`` matches, sorted.

    ``*`` and ``?`` stand for characters within a component, ``**`` for any components.
    """
    segments = _segments(glob)
    return sorted(path for path in paths if _fits(path.split("/")[1:], segments))


def kept_packages(applied: Applied) -> Tuple[str, ...]:
    """Return the names of the packages whose files stayed when ``applied`` was."""
    words = dict(word.partition("=")[::2] for word in applied.outcome.split())
    return tuple(name for name in words.get("kept", "").split(",") if name)


def _segments(glob: str) -> List[List[str]]:
    """Return a glob's components between its ``**``."""
    found: List[List[str]] = [[]]
    for part in glob.split("/")[1:]:
        if part == "**":
            found.append([])
        else:
            found[-1].append(part)
    return found


def _fits(parts: Sequence[str], segments: Sequence[Sequence[str]]) -> bool:
    """Say if a path's components match: the first segment at the start, the last at the end.

    Each of those between is taken where it fits first, which loses nothing and, unlike
    one regular expression for all, takes no endless time for any glob of a stranger.
    """
    first, last = segments[0], segments[-1]
    if len(segments) == 1:
        return len(parts) == len(first) and _alike(parts, first)
    end = len(parts) - len(last)
    position = len(first)
    if end < position or not _alike(parts, first) or not _alike(parts[end:], last):
        return False
    for segment in segments[1:-1]:
        while not _alike(parts[position:end], segment):
            if position >= end:
                return False
            position += 1
        position += len(segment)
    return True


def _alike(parts: Sequence[str], segment: Sequence[str]) -> bool:
    """Say if ``parts`` begin with what ``segment`` matches."""
    return len(parts) >= len(segment) and all(
        part == one or fnmatch.fnmatchcase(part, one) for part, one in zip(parts, segment))


def _by_reason(paths: Sequence[str], kept: Mapping[str, KeepReason]) -> Dict[str, List[str]]:
    found: Dict[str, List[str]] = {}
    for path in paths:
        found.setdefault(kept[path].reason, []).append(path)
    return found


def _is_there(path: str, ctx: Context) -> bool:
    """Say if ``path`` is a file or a link: a folder is nobody's to leave out."""
    try:
        mode = os.lstat(resolve_inside(ctx.root, path, follow_last=False)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _refuse_moved(wanted: Wanted, path: str, ctx: Context) -> None:
    """Refuse a file that is not where it was judged: a scriptlet made a link, say."""
    place = relative_inside(ctx.root, path)
    if ctx.leavable.places.get(path) != place:
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but by a link that its packages made"
            f" {path} is /{place}, which may be somebody else's file",
            hint="Its vendor has to correct the packages, or the glob.")
