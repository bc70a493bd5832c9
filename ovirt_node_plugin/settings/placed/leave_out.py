"""Files of a plugin's own packages to leave out, such as documentation.

rpm does not unpack them (packages/unpacking.py) and records that, so that it neither reports
them as missing nor fails when the package is removed. Files that were unpacked before are
removed here. They are not restored separately: they are removed with their packages.
"""
from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ...errors import Refused
from ...plugin.settings import LeaveOut, Setting
from ...system.differences import UNEXPECTED
from ...system.paths import relative_inside, resolve_inside
from ...system.words import count, size
from ...undo.changes import Applied, Change, Outcome, Watch
from ..kit.model import Context, KeepReason, Leavable, PartRemover, SettingProblem, Wanted

NAME = "leave-out"
NOBODY = "-"
"""Among names of packages: for files that existed before and belong to no package."""


@dataclass(frozen=True)
class LeaveOuts:
    """The kind ``leave-out``: key is the glob, value ``yes``.

    The outcome has the numbers of ``files`` and ``bytes`` that were left out, and in
    ``kept`` the names of packages that keep a matching file.
    """

    name: str = NAME
    shared: bool = False
    follows_content: bool = True

    def wanted(self, item: Setting, ctx: Context) -> Sequence[Wanted]:
        if not isinstance(item, LeaveOut):
            return ()
        left_out = matching(item.files, ctx.leavable.sizes)
        kept = ctx.leavable.kept
        notes = [f"of {item.files}, {count(len(paths), 'file')}, such as {paths[0]}, will be"
                 f" there: {reason}"
                 for reason, paths in _by_reason(matching(item.files, kept), kept).items()]
        if ctx.leavable.known and not left_out and not notes:
            notes.append(f"{item.files} matches no file of the plugin's own packages")
        size_bytes = sum(ctx.leavable.sizes[path] for path in left_out)
        summary = (f"{count(len(left_out), 'file')}, {size(size_bytes)}"
                if ctx.leavable.known else "files")
        return (Wanted(kind=self.name, key=item.files, value="yes",
                       text=f"leave out {summary}: {item.files}", item=item, notes=tuple(notes)),)

    def check(self, wanted: Wanted, ctx: Context, *, installed: bool) -> None:
        """Check nothing: files that others need are not left out."""

    def clash(self, wanted: Wanted, other: Applied) -> bool:
        return False

    def state(self, wanted: Wanted, ctx: Context) -> str:
        left_out = matching(wanted.key, ctx.leavable.sizes)
        return "present" if any(_is_there(path, ctx) for path in left_out) else "absent"

    def watched(self, wanted: Wanted, ctx: Context) -> Sequence[Watch]:
        return ()

    def apply(self, wanted: Wanted, ctx: Context) -> None:
        for path in matching(wanted.key, ctx.leavable.sizes):
            if _is_there(path, ctx):
                _refuse_moved(wanted, path, ctx)
                resolve_inside(ctx.root, path, follow_last=False).unlink()

    def outcome(self, wanted: Wanted, changes: Sequence[Change], ctx: Context) -> Outcome:
        out = matching(wanted.key, ctx.leavable.sizes)
        kept = ctx.leavable.kept
        numbers = {"files": str(len(out)),
                   "bytes": str(sum(ctx.leavable.sizes[path] for path in out))}
        owners = sorted({kept[path].package for path in matching(wanted.key, kept)})
        return {**numbers, "kept": ",".join(owners)} if owners else numbers

    def part_remover(self, applied: Applied, path: str) -> Optional[PartRemover]:
        return None

    def verify(self, applied: Applied, ctx: Context) -> Sequence[SettingProblem]:
        present = [path for path in matching(applied.key, ctx.leavable.sizes)
                 if _is_there(path, ctx)]
        if not present:
            return ()
        return (SettingProblem(f"{count(len(present), 'file')} to be left out by {applied.key}:"
                               f" there again, such as {present[0]}", present[0], (UNEXPECTED,)),)


KIND = LeaveOuts()


def matching(glob: str, paths: Iterable[str]) -> List[str]:
    """Return those of ``paths`` that ``glob`` matches, sorted.

    ``*`` and ``?`` match characters within a component, ``**`` matches any components.
    """
    segments = _segments(glob)
    return sorted(path for path in paths if _fits(path.split("/")[1:], segments))


def kept_packages(applied: Applied) -> Tuple[str, ...]:
    """Return the names of packages in the outcome that keep a matching file."""
    return tuple(name for name in (applied.outcome.get("kept") or "").split(",") if name)


def is_left_out(path: str, settings: Iterable[Applied]) -> bool:
    """Return whether the settings of a plugin leave out the file ``path``."""
    return any(matching(applied.key, [path]) for applied in settings if applied.kind == NAME)


def recorded(settings: Iterable[Applied], files: Iterable[str],
             files_of: Callable[[str], Iterable[str]]) -> Leavable:
    """Return which of ``files``, those of an installed plugin's packages, it may have left out.

    ``files_of`` returns the files of the installed packages of a name.
    """
    own = [applied for applied in settings if applied.kind == NAME]
    keepers = {name for applied in own for name in kept_packages(applied)}
    if not own or NOBODY in keepers:
        return Leavable()
    kept = {path for name in keepers for path in files_of(name)}
    return Leavable({path: 0 for path in files if path not in kept})


def _segments(glob: str) -> List[List[str]]:
    """Return the components of a glob, split at each ``**``."""
    segments: List[List[str]] = [[]]
    for part in glob.split("/")[1:]:
        if part == "**":
            segments.append([])
        else:
            segments[-1].append(part)
    return segments


def _fits(parts: Sequence[str], segments: Sequence[Sequence[str]]) -> bool:
    """Return whether a path's components match: first segment at the start, last at the end.

    Each segment between is matched at its first place, which is sufficient and, unlike a
    regular expression, takes bounded time for any glob.
    """
    first, last = segments[0], segments[-1]
    if len(segments) == 1:
        return len(parts) == len(first) and _begins(parts, first)
    end = len(parts) - len(last)
    position = len(first)
    if end < position or not _begins(parts, first) or not _begins(parts[end:], last):
        return False
    for segment in segments[1:-1]:
        while not _begins(parts[position:end], segment):
            if position >= end:
                return False
            position += 1
        position += len(segment)
    return True


def _begins(parts: Sequence[str], segment: Sequence[str]) -> bool:
    """Return whether ``segment`` matches the first of ``parts``."""
    return len(parts) >= len(segment) and all(
        part == glob or fnmatch.fnmatchcase(part, glob) for part, glob in zip(parts, segment))


def _by_reason(paths: Sequence[str], kept: Mapping[str, KeepReason]) -> Dict[str, List[str]]:
    by_reason: Dict[str, List[str]] = {}
    for path in paths:
        by_reason.setdefault(kept[path].reason, []).append(path)
    return by_reason


def _is_there(path: str, ctx: Context) -> bool:
    """Return whether ``path`` is a file or a link; folders are never left out."""
    try:
        mode = os.lstat(resolve_inside(ctx.root, path, follow_last=False)).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _refuse_moved(wanted: Wanted, path: str, ctx: Context) -> None:
    """Refuse a file whose resolved path changed since the plan, as by a new link."""
    place = relative_inside(ctx.root, path)
    if ctx.leavable.places.get(path) != place:
        raise Refused(
            f"plugin {ctx.plugin} wants to {wanted.text}, but by a link that its packages made"
            f" {path} is /{place}, which may be somebody else's file",
            hint="Its vendor has to correct the packages, or the glob.")
