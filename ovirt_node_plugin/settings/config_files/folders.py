"""The list of drop-in folders: built-in ones, and those that a site adds or closes."""
from __future__ import annotations

import configparser
import functools
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Pattern, Tuple

from ...errors import UsageError
from ...system.limits import CONFIG_LISTS, TEXT_BYTES
from ...system.regular_files import read_regular

BUILT_IN = Path(__file__).with_name("config-folders.conf")
SITE = Path("/etc/ovirt-node-plugin/config-folders.d")
"""The folder of a site's lists on the machine that runs."""

_ALL = "*"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATH = re.compile(r"/(?:etc|opt)(?:/[A-Za-z0-9_+@:-][A-Za-z0-9._+@:-]*)+")
_FILE = re.compile(r"\{name\}(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)?")
_KEYS = frozenset(("title", "path", "file", "names", "refused", "mode", "needs", "read-by",
                   "read-line", "check", "accept", "unit", "live", "warns", "source", "closed",
                   "secret", "plain"))
_REQUIRED = ("title", "path", "names", "needs", "source")


@dataclass(frozen=True)
class ConfigFolder:
    """One drop-in folder; the list in ``config-folders.conf`` describes each value.

    ``paths``, ``needs`` and ``read_by`` are absolute. ``origin`` is the list that defines or
    closes it.
    """

    id: str
    title: str
    paths: Tuple[str, ...]
    file: str
    names: Pattern[str]
    refused: Tuple[str, ...]
    mode: int
    secret: bool
    needs: Tuple[str, ...]
    read_by: Tuple[str, ...]
    read_line: str
    check: Tuple[str, ...]
    accept: str
    plain: bool
    unit: str
    live: Tuple[str, ...]
    warns: str
    source: str
    closed: bool
    origin: Path

    def reads(self, path: str, text: str) -> bool:
        """Return whether the main configuration ``text`` names the folder ``path``."""
        line = re.compile(self.read_line.replace("{path}", re.escape(path)))
        return any(line.match(each) for each in text.splitlines())


def read_folders(site: Path) -> Dict[str, ConfigFolder]:
    """Return the folders by id: the built-in ones, as the lists in ``site`` change them.

    Raises UsageError, which names the list, for one that cannot be read.
    """
    known = {folder.id: folder for folder in built_in()}
    lists = sorted(site.glob("*.conf")) if site.is_dir() else []
    if len(lists) > CONFIG_LISTS:
        raise UsageError(f"{site} has {len(lists)} lists, more than {CONFIG_LISTS}",
                         hint="Join some of them.")
    for path in lists:
        for name, values in _sections(path):
            if name == _ALL or name in known:
                closed = _closed(name, values, path)
                for each in (known if name == _ALL else (name,)):
                    known[each] = replace(known[each], closed=closed, origin=path)
            else:
                known[name] = _folder(name, values, path)
    return known


@functools.lru_cache(maxsize=1)
def built_in() -> Tuple[ConfigFolder, ...]:
    """Return the built-in folders."""
    return tuple(_folder(name, values, BUILT_IN) for name, values in _sections(BUILT_IN))


def _sections(path: Path) -> Iterator[Tuple[str, Mapping[str, str]]]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",),
                                       comment_prefixes=("#",), default_section="\n")
    try:
        parser.read_string(read_regular(path, max_bytes=TEXT_BYTES).decode("utf-8"), str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise _bad(path, " ".join(str(exc).split())) from exc
    for name in parser.sections():
        unknown = sorted(set(parser[name]) - _KEYS)
        if unknown:
            raise _bad(path, f"[{name}] has an unknown option {unknown[0]}")
        yield name, parser[name]


def _closed(name: str, values: Mapping[str, str], path: Path) -> bool:
    """Return whether a section closes a folder that is known; it can do nothing else."""
    if set(values) != {"closed"}:
        raise _bad(path, f"[{name}] is a folder of the list already: only closed = yes or no"
                         " may be there")
    return _flag(name, "closed", values, path)


def _folder(name: str, values: Mapping[str, str], origin: Path) -> ConfigFolder:
    missing = [key for key in _REQUIRED if not values.get(key)]
    if missing or not _ID.fullmatch(name):
        raise _bad(origin, f"[{name}] has no {missing[0]}" if missing
                   else f"{name!r} is not an id of a folder")
    paths = tuple(values["path"].split())
    file, mode = values.get("file", "{name}"), values.get("mode", "0644")
    for path in paths:
        if not _PATH.fullmatch(path):
            raise _bad(origin, f"[{name}] path {path!r} is not a path below /etc or /opt")
    if not _FILE.fullmatch(file):
        raise _bad(origin, f"[{name}] file {file!r} is not {{name}} or {{name}}/FILE")
    if not re.fullmatch("0?[0-7]{3}", mode):
        raise _bad(origin, f"[{name}] mode {mode!r} is not a mode, such as 0644")
    read_line, accept = values.get("read-line", ""), values.get("accept", "")
    _pattern(name, read_line.replace("{path}", ""), origin)
    _pattern(name, accept, origin)
    try:
        check, live = (tuple(shlex.split(values.get(key, ""))) for key in ("check", "live"))
    except ValueError as exc:
        raise _bad(origin, f"[{name}] has a command with {exc}") from exc
    return ConfigFolder(
        id=name, title=values["title"], paths=paths, file=file,
        names=_pattern(name, values["names"], origin), mode=int(mode, 8),
        secret=_flag(name, "secret", values, origin),
        refused=tuple(values.get("refused", "").split()), needs=tuple(values["needs"].split()),
        read_by=tuple(values.get("read-by", "").split()), read_line=read_line, check=check,
        accept=accept, plain=_flag(name, "plain", values, origin), unit=values.get("unit", ""),
        live=live, warns=values.get("warns", ""), source=values["source"],
        closed=_flag(name, "closed", values, origin), origin=origin)


def _pattern(name: str, text: str, origin: Path) -> Pattern[str]:
    try:
        return re.compile(text)
    except re.error as exc:
        raise _bad(origin, f"[{name}] {text!r} is not a regular expression: {exc}") from exc


def _flag(name: str, key: str, values: Mapping[str, str], origin: Path) -> bool:
    text = values.get(key, "no")
    if text not in ("yes", "no"):
        raise _bad(origin, f"[{name}] {key} = {text!r}, expected yes or no")
    return text == "yes"


def _bad(path: Path, problem: str) -> UsageError:
    return UsageError(f"{path} is not a list of drop-in folders: {problem}",
                      hint="node-plugin.xml(5), Configuration folders, describes it.")


def names(folders: Mapping[str, ConfigFolder]) -> List[str]:
    """Return the ids of the folders that are not closed, sorted."""
    return sorted(name for name, folder in folders.items() if not folder.closed)
