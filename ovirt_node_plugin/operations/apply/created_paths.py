"""Create what the tmpfiles.d(5) files of plugins describe, in a root that is not running.

At the next boot, systemd would create it. But the root may be made into an image, in which a
path that the plugin keeps has to exist, and what is created then is in no inventory.
"""
from __future__ import annotations

import contextlib
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...errors import CommandError, OutsideRoot
from ...packages.session import PackageChange
from ...plugin.bundle_files import is_bundle_file
from ...settings.kit.model import Context
from ...settings.placed import tmpfiles
from ...system.entries import Entry, read_entry
from ...system.path_sets import KEPT_BELOW, LEFT_ALONE
from ...system.paths import is_inside_any, real_places, relative_inside, resolve_inside
from ...system.trees import walk
from ...system.words import first_names
from ...undo.changes import Change, compact
from ..model.jobs import Job

_FOLDERS = ("etc/tmpfiles.d", "usr/lib/tmpfiles.d")
_PROGRAM = "usr/bin/systemd-tmpfiles"
_MOST_PATHS = 8  # that a line names


@dataclass(frozen=True)
class CreatedPaths:
    """The paths that were created, by plugin, and lines for people."""

    by_plugin: Mapping[str, Tuple[Change, ...]]
    notes: Tuple[str, ...]

    @property
    def changes(self) -> Tuple[Change, ...]:
        """The paths of all plugins."""
        return tuple(change for changes in self.by_plugin.values() for change in changes)

    @property
    def entries(self) -> Mapping[str, Optional[Entry]]:
        """The state of each path."""
        return {change.path: change.after for change in self.changes}

    def before(self, effects: Mapping[str, Sequence[Change]]) -> Dict[str, Tuple[Change, ...]]:
        """Return the paths of each plugin and, after them, its scriptlet ``effects``."""
        return {name: (*self.by_plugin.get(name, ()), *changes)
                for name, changes in effects.items()}


def create(jobs: Sequence[Job], packages: Sequence[PackageChange]) -> CreatedPaths:
    """Create the missing paths that the tmpfiles.d files of plugins describe.

    These are files of arriving packages, and the sources of settings. What exists is not
    changed. A root without systemd-tmpfiles(8) creates nothing at boot either.
    """
    ctx, by_plugin = jobs[0].context, {}
    notes: List[str] = []
    if not ctx.live and resolve_inside(ctx.root, _PROGRAM).is_file():
        for job in jobs:
            by_plugin[job.name], problem = _create(b"\n".join(_texts(job, packages)), ctx)
            if problem and job.context.secret_files:
                problem = "what systemd-tmpfiles printed is not shown, as the plugin has a secret"
            made = first_names([f"/{change.path}" for change in by_plugin[job.name]], _MOST_PATHS)
            notes += [f"tmpfiles of plugin {job.name} created {made}."] * bool(made)
            notes += [f"tmpfiles of plugin {job.name} were not all created: {problem}"] * bool(
                problem)
    return CreatedPaths(by_plugin, tuple(notes))


def _create(text: bytes, ctx: Context) -> Tuple[Tuple[Change, ...], str]:
    """Create the missing paths that ``text`` describes; return them, and what went wrong."""
    root, problem = ctx.root, ""
    missing = dict(_missing(root, text.decode(errors="replace")))
    if missing:
        try:
            # -: the content is on standard input
            ctx.in_root("systemd-tmpfiles", "--create", *(
                f"--prefix={path}" for path in sorted(set(missing.values()))), "-", stdin=text)
        except CommandError as exc:
            problem = exc.output or exc.message
    return tuple(Change(path, None, compact(read_entry(
        root, path, content=os.path.islink(root / path))))
        for top in sorted(missing) for path in _tree(root, top)), problem


def _texts(job: Job, packages: Sequence[PackageChange]) -> Iterator[bytes]:
    """Yield the contents of the plugin's tmpfiles.d files, without those that are masked."""
    root = job.context.root
    sources = [item.value for item in job.upgrade.order if item.kind == tmpfiles.KIND]
    files = [path for package in packages
             if package.arrives and package.nevra in job.packages for path in package.files
             if path.endswith(".conf") and posixpath.dirname(path).lstrip("/") in _FOLDERS]
    yield from (job.context.bundle_files[source] for source in sources
                if source in job.context.bundle_files)
    for path in (*(source for source in sources if not is_bundle_file(source)), *files):
        masking = f"{_FOLDERS[0]}/{posixpath.basename(path)}"
        is_masked = path.lstrip("/").startswith(f"{_FOLDERS[1]}/") and os.path.lexists(
            resolve_inside(root, masking, follow_last=False))
        entry = None if is_masked else read_entry(root, path)
        if entry is not None and entry.kind == "file" and entry.content is not None:
            yield entry.content


def _missing(root: Path, text: str) -> Iterator[Tuple[str, str]]:
    """Yield the highest missing folder, or path, of each path that ``text`` describes.

    It is yielded relative to the root with links resolved, and as ``text`` has it. Only paths
    that the journal covers are: no logs, caches, and nothing in memory.
    """
    kept, left_alone = real_places(root, KEPT_BELOW), real_places(root, LEFT_ALONE)
    for path in tmpfiles.paths(text):
        parts = path.strip("/").split("/")
        with contextlib.suppress(OutsideRoot):
            names = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
            name = next((name for name in names if not _exists(root, name)), None)
            place = relative_inside(root, name) if name else ""
            if name and is_inside_any(place, kept) and not is_inside_any(place, left_alone):
                yield place, f"/{name}"


def _exists(root: Path, name: str) -> bool:
    return os.path.lexists(root / relative_inside(root, name))


def _tree(root: Path, top: str) -> Iterator[str]:
    """Yield ``top`` and everything below it, relative to ``root``, if it exists."""
    if os.path.lexists(root / top):
        yield top
        if (root / top).is_dir() and not (root / top).is_symlink():
            yield from (Path(entry.path).relative_to(root).as_posix()
                        for entry in walk(root / top))
