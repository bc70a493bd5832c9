"""Node's pristine copy of /etc, which follows what plugins change in /etc.

At an upgrade, imgbased takes for the administrator's own what differs between /etc and
/usr/share/factory/etc in the old layer, and for a disabled unit what is missing in /etc
(imgbased/plugins/osupdater.py: remediate_etc, migrate_etc, fix_systemd_services).
"""
from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import (
    Collection,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
)

from ...packages.session import Session
from ...registry import places
from ...settings.engine.ledger import Ledger
from ...system.entries import (
    LABEL,
    Entry,
    Xattrs,
    read_entry,
    read_text,
    read_xattrs,
    same_entry,
    write_atomic,
    write_entry,
)
from ...system.path_sets import FACTORY, FACTORY_ETC, MANIFESTS, REGISTRY
from ...system.paths import is_inside_any, resolve_inside
from ...system.regular_files import opened_regular
from ...system.trees import Listing, Relative, folders_above
from ...target import Target
from ...undo.changes import Change, alike, compact

# Of a larger file that was as in /etc, the content is taken from /etc again.
_KEPT_BYTES = 64 * 1024


def is_followed(target: Target) -> bool:
    """Return whether the root is a Node with a pristine copy of /etc."""
    return (target.is_node and places.has_factory(target.root)
            and resolve_inside(target.root, "etc") == target.root / "etc")


def claimed_paths(plugins: Mapping[str, Iterable[str]], session: Session,
                  ledger: Ledger) -> Dict[str, Set[str]]:
    """Return the paths in /etc that each plugin owns or has changed, without the registry.

    ``plugins`` are the NEVRAs of each plugin; packages that are missing own nothing. Paths are
    relative to the root.
    """
    relative = Relative(session.target.root)
    claims: Dict[str, Set[str]] = {}
    for plugin, nevras in plugins.items():
        paths = {relative(file.path) for header in session.installed_headers(nevras).values()
                 for file in header.files}
        paths.update(change.path for change in ledger.state(plugin).changes)
        claims[plugin] = {path for path in paths if path.startswith("etc/")
                          and not is_inside_any(path, (REGISTRY, MANIFESTS))}
    return claims


class Factory:
    """The pristine copy of /etc in the root of ``target``, and where it differs from /etc now.

    It has to be made before anything in the root changes.
    """

    def __init__(self, target: Target) -> None:
        self._root = target.root
        self._is_there = is_followed(target)
        self._installed = target.booted or _is_installed(target.root)
        self._differing = _differing(target.root) if self._is_there else frozenset()

    def follow(self, claims: Mapping[str, Iterable[str]], ledger: Ledger) -> None:
        """Give the paths that plugins changed the state that they have in /etc.

        ``claims`` are those of each plugin after the change, from ``claimed_paths``. What no
        plugin claims any more gets its state from before plugins again. In an installed system,
        a path that differed from /etc stays as it is: otherwise the administrator's change would
        be taken for the image's. Each change is recorded for one plugin in the ``ledger``.

        The times of files are not copied: imgbased takes files of equal size and time for equal.
        """
        if not self._is_there:
            return
        held = {change.path[len(FACTORY) + 1:]: (plugin, change)
                for plugin, state in ledger.states.items() for change in state.factory}
        owners = self._owners(claims, {path: plugin for path, (plugin, _) in held.items()})
        kept: Dict[str, List[Change]] = {plugin: [] for plugin in (*ledger.states, *claims)}
        wanted: Dict[str, Optional[Entry]] = {}
        for path in sorted({*owners, *held}):
            old = held[path][1] if path in held else None
            if path not in owners:
                if old is not None:
                    wanted.update(self._before(path, old))
            elif self._installed and path in self._differing:
                kept[owners[path]] += [old] if old is not None else []
            else:
                now = _state(self._root, f"{FACTORY}/{path}")
                new = self._labelled(_state(self._root, path), now)
                if not same_entry(now, new):
                    wanted[path] = new
                before = old.before if old is not None else self._kept(path, now)
                if not alike(before, new):
                    kept[owners[path]].append(Change(f"{FACTORY}/{path}", before, compact(new)))
        self._write(wanted)
        for plugin, changes in kept.items():
            ledger.set_factory(plugin, changes)

    def _owners(self, claims: Mapping[str, Iterable[str]],
                holders: Mapping[str, str]) -> Dict[str, str]:
        """Return the plugin that has each claimed path of /etc, and each folder it needs.

        It is the one that had it, if that still claims it.
        """
        owners: Dict[str, str] = {}
        for plugin in sorted(claims):
            for path in self._with_folders(claims[plugin], holders):
                if path not in owners or holders.get(path) == plugin:
                    owners[path] = plugin
        return owners

    def _with_folders(self, paths: Iterable[str], holders: Collection[str]) -> Set[str]:
        """Return ``paths``, and the folders above them that the pristine copy lacks, or lacked."""
        own = set(paths)
        folders = {folder for path in own if os.path.lexists(self._root / path)
                   for folder in folders_above(path)}
        return own | {folder for folder in folders if folder in holders
                      or not os.path.lexists(self._root / FACTORY / folder)}

    def _kept(self, path: str, now: Optional[Entry]) -> Optional[Entry]:
        """Return the state before plugins as the undo data keeps it."""
        place = f"{FACTORY}/{path}"
        if now is not None and now.kind == "file" and (
                path in self._differing or os.lstat(self._root / place).st_size <= _KEPT_BYTES):
            return read_entry(self._root, place)
        return now

    def _before(self, path: str, change: Change) -> Iterator[Tuple[str, Optional[Entry]]]:
        """Yield the path with its state before plugins, unless somebody else changed it since."""
        if not alike(read_entry(self._root, f"{FACTORY}/{path}", content=False), change.after):
            return
        before = change.before
        if not _is_copied(before) or alike(_state(self._root, path), before):
            yield path, before

    def _labelled(self, entry: Optional[Entry], now: Optional[Entry]) -> Optional[Entry]:
        """Return ``entry`` with the SELinux label of the place: that in /etc is another."""
        if entry is None:
            return None
        place = now.xattrs if now is not None else read_xattrs(self._root / FACTORY_ETC)
        label: Xattrs = tuple(pair for pair in place if pair[0] == LABEL)
        rest = tuple(pair for pair in entry.xattrs if pair[0] != LABEL)
        return replace(entry, xattrs=tuple(sorted((*rest, *label))))

    def _write(self, wanted: Mapping[str, Optional[Entry]]) -> None:
        """Write the entries, by their paths in /etc: first what goes, the deepest first.

        The content of a file is copied from /etc if the entry has none.
        """
        for path in sorted(wanted, key=lambda name: -name.count("/")):
            now = _kind(self._root / FACTORY / path)
            entry = wanted[path]
            if entry is None or (now and (now == "dir") != (entry.kind == "dir")):
                self._write_one(path, None)
        for path, entry in sorted(wanted.items()):
            if entry is not None and entry.kind != "other":
                self._write_one(path, entry)

    def _write_one(self, path: str, entry: Optional[Entry]) -> None:
        """Write one entry, unless a folder above it is a link, or it is a folder with others."""
        place = f"{FACTORY}/{path}"
        where = self._root / place
        if (resolve_inside(self._root, place, follow_last=False) != where
                or not where.parent.is_dir()):
            return
        if _kind(where) == "dir" and (entry is None or entry.kind != "dir") and os.listdir(where):
            return
        if entry is None or not _is_copied(entry):
            write_entry(self._root, place, entry)
            return
        with opened_regular(resolve_inside(self._root, path, follow_last=False)) as source:
            write_atomic(where, source, mode=entry.mode, owner=(entry.uid, entry.gid),
                         xattrs=entry.xattrs)


def _differing(root: Path) -> FrozenSet[str]:
    """Return the paths, below ``etc``, that differ between /etc and the pristine copy.

    A folder that only /etc has does not count: without it the copy could not have the files in it.
    """
    listing = Listing(root)
    here = listing.below("etc")
    there = {path[len(FACTORY) + 1:] for path in listing.below(FACTORY_ETC)}
    only_here = {path for path in here - there if _kind(root / path) != "dir"}
    return frozenset({*only_here, *(there - here),
                      *(path for path in here & there if not _same(root, path))})


def _same(root: Path, path: str) -> bool:
    one, other = os.lstat(root / path), os.lstat(root / FACTORY / path)
    if (one.st_mode, one.st_uid, one.st_gid) != (other.st_mode, other.st_uid, other.st_gid):
        return False
    if stat.S_ISDIR(one.st_mode):
        return True
    if one.st_size != other.st_size:
        return False
    return one.st_mtime_ns == other.st_mtime_ns or alike(
        read_entry(root, path, content=False),
        read_entry(root, f"{FACTORY}/{path}", content=False))


def _state(root: Path, path: str) -> Optional[Entry]:
    """Return the entry at ``path``, without the content of a file, which may be large."""
    entry = read_entry(root, path, content=False)
    return read_entry(root, path) if entry is not None and entry.kind == "link" else entry


def _is_copied(entry: Optional[Entry]) -> bool:
    """Return whether ``entry`` is a file whose content is in /etc."""
    return entry is not None and entry.kind == "file" and entry.content is None


def _kind(where: Path) -> str:
    """Return ``dir`` for a folder, ``file`` for anything else, empty if there is nothing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return "dir" if stat.S_ISDIR(os.lstat(where).st_mode) else "file"
    return ""


def _is_installed(root: Path) -> bool:
    """Return whether the root has a machine ID, as after an installation; machine-id(5)."""
    text = read_text(root, "etc/machine-id")
    return text is not None and text.strip() not in (b"", b"uninitialized")
