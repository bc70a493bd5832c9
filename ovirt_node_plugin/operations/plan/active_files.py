"""What each arriving file that programs read by themselves does, from its place and content."""
from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from ...errors import OutsideRoot
from ...packages.payload import read_files
from ...policy.path_rules import PathPolicy, RuleMatch
from ...system import read_paths
from ...system.globs import below_pattern
from ...system.limits import READ_DROP_INS, TEXT_BYTES
from ...system.path_sets import OF_ALL
from ...system.paths import resolve_inside
from ...system.tmpfiles_lines import TmpfilesLine, tmpfiles_lines
from ...system.trees import folders_above
from ...system.words import first_lines, printable
from ..model.results import COCKPIT, DROP_IN, LIBRARY, PROTECTED, SELINUX, TMPFILES, UNIT, Notable
from .active_content import Listed, contents_at, lines_of
from .active_units import Owner, unit_effect, unit_place, whose
from .arriving import Arrivals, Arriving

_TMPFILES = re.compile(r"(?:etc|usr/lib|usr/local/lib)/tmpfiles\.d/[^/]+\.conf")
_LIBRARY_FOLDERS = re.compile(r"etc/ld\.so\.conf(?:\.d/[^/]+\.conf)?")
_PAGE = re.compile(r"((?:usr/share|usr/local/share|root/\.local/share)/cockpit/([^/]+))/.+")
_OVERRIDE = re.compile(r"etc/cockpit/([^/]+)\.override\.json")
_MODULE = re.compile(r"(?:var/lib|etc)/selinux/.+")
_ENVIRONMENT_FILE = re.compile(r"etc/(?:sysconfig|default)/([^/]+)")
_LIBRARY = re.compile(r"(.+?\.so(?:\.[^.]+)?)(?:\..*)?")
_SYSTEM_LIBRARIES = ("usr/lib64", "usr/lib")
# Where a new folder or file of a plugin is not seen by anything else
_OWN_TOPS = ("etc", "opt", "run", "tmp", "usr", "var")
_WILD = re.compile(r"[*?\[]")
_UNREAD = "its content is not known yet"
_WIDTH = 200
_PATH_MAX = 4096  # of Linux; a longer path is none
# Lines of one file that a plan shows; a file with more of them is no ordinary one
MOST_LINES = 1000
_UNITS = re.compile("usr/(?:local/)?lib/systemd/(?:system|user)/")
# State that a package has no reason to bring, except kernel modules, which are judged apart
_STATE = [(below_pattern(path), path) for sources in read_paths.DENIED_STATE.values()
          for path in read_paths.paths_of(sources)
          if not path.endswith(("lib/modules", "lib/firmware", "depmod.d"))]
_DENIED: Mapping[str, str] = {path: reason for reason, path in read_paths.denied()}


class ActiveFiles:
    """The active files of the packages that arrive.

    ``files`` are the RPM files on this machine by NEVRA, ``sources`` the files that settings
    copy to tmpfiles.d(5), ``owner`` returns the package of an installed file.
    """

    def __init__(self, arrivals: Arrivals, active: PathPolicy, files: Mapping[str, Path],
                 sources: Sequence[str], owner: Owner) -> None:
        self._root, self._links, self._active = arrivals.root, arrivals.links, active
        self._owner, self._sources, self._files = owner, frozenset(sources), files
        self._matches: Dict[str, Optional[RuleMatch]] = {}
        self._entries = {place: entry for entry in arrivals.entries for place in entry.places}
        self._own_folders = self._folders_of_plugins()
        self._units = {place.rpartition("/")[2] for place, entry in self._entries.items()
                       if "/systemd/system/" in place and entry.file and entry.file.is_regular}
        self._by_folder = self._libraries()
        self._contents = self._read()

    def read_as(self, place: str) -> Optional[RuleMatch]:
        """Return by which path of the list a file at ``place`` is read, None if by none."""
        if place not in self._matches:
            self._matches[place] = self._active.deciding(place, folder=False)
        return self._matches[place]

    def notables(self, entry: Arriving, place: str, rule: str, detail: str) -> Iterator[Notable]:
        """Yield what the file ``entry`` does at ``place``, where it is read by itself.

        ``rule`` is the path of the list by which it is, ``detail`` what is to be said of the
        place. A file that is read through a link counts as one at the place of the link.
        """
        place = self._name(place)
        page = _PAGE.fullmatch(place)
        for kind, text in self._effects(entry, place, rule):
            words = "; ".join(filter(None, (detail, shortened(text))))
            yield Notable(entry.change.nevra, kind,
                          f"/{page.group(1)}" if page else entry.path, words)

    def of_text(self, package: str, path: str, text: str) -> Iterator[Notable]:
        """Yield what a file ``text`` that a setting puts at ``path`` does, if it is read here.

        These are files of tmpfiles.d(5), and those of ld.so.conf.d that add folders.
        """
        if _LIBRARY_FOLDERS.fullmatch(path.lstrip("/")):
            for line in self._library_folders(text):
                yield Notable(package, LIBRARY, path, shortened(line))
        else:
            for line in self._lines_about_others(text):
                yield Notable(package, TMPFILES, path, shortened(line))

    def elsewhere(self, entry: Arriving) -> Iterator[Notable]:
        """Yield what the file ``entry`` does that no path of the list names.

        These are unit files in place of others, options of their services, libraries beside the
        system's, modules of SELinux, what settings copy, and files in places that another
        program has as its own.
        """
        for place in entry.places[-1:]:
            rule = next((path for pattern, path in _STATE if pattern.match(place)), "")
            yield from self._hidden_library(entry, place)
            yield from self._environment(entry, place)
            if rule or _UNITS.match(place) or entry.path in self._sources:
                yield from (notable for notable in self.notables(entry, place, rule, "")
                            if notable.kind != DROP_IN)

    def _effects(self, entry: Arriving, place: str, rule: str) -> Iterator[Tuple[str, str]]:
        link = entry.file.link if entry.file else ""
        unit = unit_effect(place, link, self._units, self._root, self._owner)
        page, override = _PAGE.fullmatch(place), _OVERRIDE.fullmatch(place)
        if unit is not None:
            yield UNIT, unit
        elif _MODULE.fullmatch(place):
            yield SELINUX, "in the SELinux policy without a setting"
        elif page or override:
            name = page.group(2) if page else override.group(1) if override else ""
            there = page and os.path.lexists(self._root / page.group(1))
            yield COCKPIT, (f"changes the page {name}" if override or there else f"page {name}")
        elif _TMPFILES.fullmatch(place) or entry.path in self._sources:
            yield from self._tmpfiles(entry, rule)
        elif _LIBRARY_FOLDERS.fullmatch(place):
            content = self._content(entry)
            for text in [_UNREAD] if content is None else self._library_folders(content):
                yield LIBRARY, text
        else:
            yield from self._by_content(entry, place, rule)

    def _by_content(self, entry: Arriving, place: str, rule: str) -> Iterator[Tuple[str, str]]:
        """Yield the kind and a text for each thing that the file does."""
        reason = _DENIED.get(rule, "")
        for listed in contents_at(place):
            found = self._found(entry, listed)
            if found or listed.always:
                kind = PROTECTED if reason and listed.kind == DROP_IN else listed.kind
                for text in found or [""]:
                    yield kind, ": ".join(filter(None, (listed.text, text)))
                return
        yield (PROTECTED, reason) if reason else (DROP_IN, "")

    def _found(self, entry: Arriving, listed: Listed) -> List[str]:
        if listed.reader is None:
            return []
        content = self._content(entry)
        if content is not None:
            return _first(listed.reader(content))
        return [] if listed.kind == DROP_IN else [_UNREAD]

    def _tmpfiles(self, entry: Arriving, rule: str) -> Iterator[Tuple[str, str]]:
        content = self._content(entry)
        if content is None:
            yield TMPFILES, _UNREAD
            return
        lines = self._lines_about_others(content)
        for text in lines:
            yield TMPFILES, text
        if not lines and rule:
            yield DROP_IN, ""

    def _lines_about_others(self, content: str) -> List[str]:
        """Return the lines that change what is not the plugins', those of existing paths first."""
        lines = dict.fromkeys(line for line in tmpfiles_lines(content)
                              if len(line.path) < _PATH_MAX)
        links = {**self._links, **{_plain_path(line.path): line.argument for line in lines
                                   if line.type[0] == "L" and line.argument}}
        known = {}
        for line in lines:
            place = self._place(_plain_path(line.path), links)
            if self._concerns_others(line, links):
                known[_line_text(line, place)] = place
        return _first(sorted(known, key=lambda text: not self._is_there(known[text])))

    def _concerns_others(self, line: TmpfilesLine, links: Mapping[str, str]) -> bool:
        """Return whether a line changes what is not the plugin's, or makes what is active."""
        parts = _WILD.split(line.path, maxsplit=1) if line.is_pattern else [line.path]
        whole, path = len(parts) == 1, self._place(_plain_path(parts[0]), links)
        if line.is_open or line.type[0] in "cb" or path.split("/")[0] not in _OWN_TOPS:
            return True
        if line.gives_rights or line.type[0] == "C" and self._is_of_others(line.argument):
            return True
        below_run = path[4:] if path.startswith("run/") else ""
        if any(self._active.deciding(place, folder=True) for place in (
                path, *(f"{top}/{below_run}" for top in ("etc", "usr/lib") if below_run))):
            return True
        if self._own_folders & {path, *folders_above(path)} or whole and path in self._entries:
            return False
        return not whole or not line.makes or self._is_there(path)

    def _is_of_others(self, path: str) -> bool:
        plain = self._place(path, self._links) if path else ""
        return bool(plain) and not (
            plain in self._entries or self._own_folders & {plain, *folders_above(plain)})

    def _library_folders(self, content: str) -> Iterator[str]:
        folders = dict.fromkeys(re.split(r"[:,\s]+", " ".join(lines_of(content))))
        for folder in [folder for folder in folders if len(folder) < _PATH_MAX][:MOST_LINES]:
            plain = self._place(f"{folder}/.", self._links)
            names = sorted(name for name in self._by_folder.get(plain, ())
                           if any(self._is_there(f"{where}/{name}")
                                  for where in _SYSTEM_LIBRARIES))
            hides = f", before the system's {', '.join(names)}" if names else ""
            yield f"every program searches {folder} for libraries{hides}"

    def _hidden_library(self, entry: Arriving, place: str) -> Iterator[Notable]:
        """Yield that ldconfig(8) can take a library for the system's own of the same name."""
        folder, _, name = place.rpartition("/")
        match = _LIBRARY.fullmatch(name)
        wanted = f"{folder}/{match.group(1)}" if match else ""
        if folder in _SYSTEM_LIBRARIES and wanted not in ("", place) and (
                wanted not in self._entries and self._is_there(wanted)):
            yield Notable(entry.change.nevra, LIBRARY, entry.path,
                          f"programs can load it instead of /{wanted}")

    def _environment(self, entry: Arriving, place: str) -> Iterator[Notable]:
        """Yield that a service of others can read a file by its EnvironmentFile."""
        match = _ENVIRONMENT_FILE.fullmatch(place)
        unit = f"{match.group(1)}.service" if match else ""
        there = unit_place(unit, self._root) if unit and unit not in self._units else None
        if there is not None and " of plugin " not in self._owner(there):
            yield Notable(entry.change.nevra, UNIT, entry.path,
                          f"options of {whose(unit, self._root, self._owner)}")

    def _libraries(self) -> Dict[str, Set[str]]:
        """Return the names by which programs ask for the arriving libraries, by folder.

        These are the SONAMEs that the names of the files tell, and those that their packages
        provide, in whichever folder of the package.
        """
        found: Dict[str, Set[str]] = {}
        for place, entry in self._entries.items():
            folder, _, name = place.rpartition("/")
            match = _LIBRARY.fullmatch(name)
            if match:
                header = entry.change.header
                found.setdefault(folder, set()).update(
                    (match.group(1), *(header.libraries if header else ())))
        return found

    def _place(self, path: str, links: Mapping[str, str]) -> str:
        """Return where a path leads, relative to the root; its last part is not followed."""
        try:
            where = resolve_inside(self._root, posixpath.normpath(path), links=links,
                                   follow_last=False)
        except (OutsideRoot, ValueError, OSError):
            return path.strip("/")
        return where.relative_to(self._root).as_posix()

    def _name(self, place: str) -> str:
        """Return the path by which programs open the file at ``place``, links not followed."""
        match = self.read_as(place)
        if match is None or match.place == match.rule.path and not match.above:
            return place
        below = place.split("/")[match.place.count("/") + 1:]
        return "/".join([match.rule.path, *below])

    def _is_there(self, path: str) -> bool:
        try:
            return os.path.lexists(resolve_inside(self._root, path.strip("/"), follow_last=False))
        except (OutsideRoot, OSError, ValueError):
            return False

    def _folders_of_plugins(self) -> Set[str]:
        return {place for place, entry in self._entries.items()
                if entry.file is not None and entry.file.is_folder and place not in OF_ALL
                and self._is_of_plugins(place)}

    def _is_of_plugins(self, place: str) -> bool:
        owner = self._owner(place) if self._is_there(place) else ""
        return not owner or " of plugin " in owner

    def _content(self, entry: Arriving) -> Optional[str]:
        target = self._target(entry)
        return self._contents.get((target.change.nevra, target.path)) if target else None

    def _target(self, entry: Arriving) -> Optional[Arriving]:
        """Return the file itself to which arriving links lead, None if it does not arrive."""
        if entry.file is None or entry.file.is_regular:
            return entry
        try:
            path = resolve_inside(self._root, entry.path, links=self._links)
        except OutsideRoot:
            return None
        return self._entries.get(path.relative_to(self._root).as_posix())

    def _read(self) -> Dict[Tuple[str, str], str]:
        wanted: Dict[str, List[str]] = {}
        for place, entry in self._entries.items():
            if self._is_read(place, entry):
                target = self._target(entry)
                if target is not None and target.file is not None and target.file.is_regular:
                    wanted.setdefault(target.change.nevra, []).append(target.path)
        return {(nevra, path): content.decode(errors="replace")
                for nevra, paths in wanted.items() if nevra in self._files
                for path, content in read_files(self._files[nevra], paths[:READ_DROP_INS],
                                                max_bytes=TEXT_BYTES)}

    def _is_read(self, place: str, entry: Arriving) -> bool:
        if entry.file is None or entry.file.is_folder or entry.file.ghost:
            return False
        place = self._name(place)
        return entry.path in self._sources or any(
            pattern.fullmatch(place) for pattern in (_TMPFILES, _LIBRARY_FOLDERS)) or any(
                listed.reader for listed in contents_at(place))


def _plain_path(path: str) -> str:
    plain = posixpath.normpath("/" + path.lstrip("/")).strip("/")
    return f"run{plain[7:]}" if f"{plain}/".startswith("var/run/") else plain


def _first(lines: Sequence[str]) -> List[str]:
    return first_lines(lines, MOST_LINES, after=" lines")


def _line_text(line: TmpfilesLine, place: str) -> str:
    mode = f" mode {line.mode}" if line.gives_rights else ""
    elsewhere = "" if place == _plain_path(line.path) else f" (that is /{place})"
    argument = f": {line.argument}" if line.argument else ""
    return f"{line.type} {line.path}{elsewhere}{mode}{argument}"


def shortened(text: str) -> str:
    """Return a text of a stranger in one line that fits into a plan."""
    shown = printable(text[:_WIDTH + 1])
    return shown if len(shown) <= _WIDTH else shown[:_WIDTH] + "…"
