"""Manifests as lines for a terminal. Control characters in names are escaped."""
from __future__ import annotations

import stat
from typing import Iterable, List, Sequence, Tuple

from ..operations.manifest import PluginManifest, Shows
from ..registry.inventory import (
    ADDED,
    CONFIG,
    LEFT_OUT,
    NOT_INSTALLED,
    REMOVED,
    REPLACED,
    Account,
    Delta,
    File,
    Inventory,
    Operation,
)
from ..registry.outcomes import to_text
from ..registry.record import Record
from ..system.words import count, first_lines, size
from ..undo.changes import Applied
from .layout import field, harmless, table

_SIGNS = {ADDED: "+", REMOVED: "-"}
_TYPES = {"file": stat.S_IFREG, "link": stat.S_IFLNK, "dir": stat.S_IFDIR}
_TOLD = (CONFIG, LEFT_OUT, NOT_INSTALLED, REPLACED)
_STATE = ("kind", "mode", "owner", "group", "size_bytes", "digest", "link", "capabilities",
          "xattrs", "marks")
_MOST_OTHERS = 30  # that an overview names
_WORDS = {"size_bytes": "size", "digest": "content", "xattrs": "attributes"}


def manifests(found: Sequence[PluginManifest], shows: Shows) -> List[str]:
    """Return the parts of each plugin that ``shows`` asks for.

    If there are several plugins, a line with the name precedes each.
    """
    lines: List[str] = []
    for one in found:
        parts = _parts(one, shows)
        if len(found) > 1 and not shows.overview:
            parts = [f"{one.record.name} {one.record.version}:", *parts]
        lines += [*([""] if lines else []), *parts]
    return lines


def removed(delta: Delta) -> str:
    """Return one line that counts what a removal took away."""
    return f"Plugin {delta.name}: {_counts(delta.operation)}."


def _parts(one: PluginManifest, shows: Shows) -> List[str]:
    lines: List[str] = []
    if one.inventory is not None:
        if shows.overview:
            lines += _overview(one.record, one.inventory)
        if shows.packages:
            lines += _packages(one.inventory)
        if shows.files:
            lines += _files(one.inventory)
    if shows.settings:
        lines += _settings(one.record)
    if one.inventory is not None and shows.delta:
        lines += _delta(one.inventory.delta())
    return lines


def _overview(record: Record, inventory: Inventory) -> List[str]:
    lines = [*field("Name", record.name), *field("Version", record.version),
             *field("Installed", f"{record.installed_at} by {record.tool}")]
    for name, values in (
            ("Packages", [f"{one.nevra}, {count(len(one.files), 'file')}, {size(one.size_bytes)}"
                          for one in inventory.packages]),
            ("Other files", _others(inventory.others)),
            ("Settings", [_setting(one) for one in record.settings]),
            ("Accounts", [_account(one) for one in inventory.accounts]),
            ("Operations", [_operation(one) for one in inventory.operations])):
        for position, value in enumerate(values):
            lines += field(name if position == 0 else "", harmless(value))
    return lines


def _others(files: Sequence[File]) -> List[str]:
    lines = [f"{_SIGNS.get(one.change, '~')} {one.path} ({one.by})" for one in files]
    return first_lines(lines, _MOST_OTHERS, after="; --files shows them")


def _packages(inventory: Inventory) -> List[str]:
    rows = [(one.nevra, count(len(one.files), "file"), size(one.size_bytes),
             "" if one.since else "present before") for one in inventory.packages]
    return table(rows) if rows else ["no packages"]


def _files(inventory: Inventory) -> List[str]:
    """Return files as ``ls -l`` prints them. Lines are not cut: paths stand at their ends."""
    rows: List[Tuple[str, ...]] = []
    last: List[str] = []
    for source, files in (*((one.nevra, one.files) for one in inventory.packages),
                          ("-", inventory.others)):
        for one in files:
            marks = [mark for mark in _TOLD if mark in one.marks]
            marks += [f"{one.change} by {one.by}"] if one.by else []
            rows.append((_mode(one), one.owner or "-", one.group or "-", str(one.size_bytes),
                         source))
            last.append(harmless(one.path) + (f" -> {harmless(one.link)}" if one.link else "")
                        + (f"  ({harmless(', '.join(marks))})" if marks else ""))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join((mode, owner.ljust(widths[1]), group.ljust(widths[2]),
                       number.rjust(widths[3]), source.ljust(widths[4]), path))
            for (mode, owner, group, number, source), path in zip(rows, last)] or ["no files"]


def _settings(record: Record) -> List[str]:
    return [harmless(_setting(one)) for one in record.settings] or ["no settings"]


def _delta(delta: Delta) -> List[str]:
    last = delta.operation
    lines = [_operation(last)]
    lines += _signed("+", "package", last.packages_added)
    lines += _signed("-", "package", last.packages_removed)
    lines += _signed("=", "package", last.packages_shared)
    for sign, settings in (("+", last.settings_on), ("~", last.settings_again),
                           ("-", last.settings_off)):
        lines += _signed(sign, "setting", map(_setting, settings))
    lines += _signed("+", "account", map(_account, last.accounts_added))
    lines += _signed("-", "account", map(_account, last.accounts_removed))
    files = [(one.path, "+", "") for one in delta.files_added]
    files += [(one.path, "-", "") for one in delta.files_removed]
    files += [(new.path, "~", _difference(old, new)) for old, new in delta.files_changed]
    return lines + [f"{sign} {harmless(path)}{more}" for path, sign, more in sorted(files)]


def _signed(sign: str, what: str, names: Iterable[str]) -> List[str]:
    return [f"{sign} {what} {harmless(name)}" for name in names]


def _difference(old: File, new: File) -> str:
    words = [_WORDS.get(name, name) for name in _STATE if not _alike(old, new, name)]
    return f" ({', '.join(words)})" if words else ""


def _alike(old: File, new: File, name: str) -> bool:
    if name == "digest":  # of the old one only its beginning is kept
        return new.digest.startswith(old.digest) and bool(new.digest) == bool(old.digest)
    return bool(getattr(old, name) == getattr(new, name))


def _operation(one: Operation) -> str:
    versions = " -> ".join(filter(None, (one.version_from, one.version_to)))
    return f"{one.operation} {versions} at {one.at} by {one.tool}: {_counts(one)}"


def _counts(one: Operation) -> str:
    counts = (("package", len(one.packages_added), 0, len(one.packages_removed)),
              ("file", one.files_added, one.files_changed, one.files_removed),
              ("setting", len(one.settings_on), len(one.settings_again), len(one.settings_off)),
              ("account", len(one.accounts_added), 0, len(one.accounts_removed)))
    words = []
    for what, *numbers in counts:
        some = [f"{sign}{number}" for sign, number in zip("+~-", numbers) if number]
        if some:
            words.append(f"{' '.join(some)} {what if sum(numbers) == 1 else what + 's'}")
    return ", ".join(words) or "no change"


def _setting(one: Applied) -> str:
    text = f"{one.kind} {one.key} {one.value} (before: {one.before})"
    return f"{text}, {to_text(one.outcome)}" if one.outcome else text


def _account(one: Account) -> str:
    number = "" if one.number is None else f" {one.number}"
    return f"{one.kind} {one.name}{number} ({one.by})"


def _mode(one: File) -> str:
    if not one.kind:
        return "-" * 10
    if one.kind == "other":
        return "?" + stat.filemode(one.mode)[1:]
    return stat.filemode(_TYPES[one.kind] | one.mode)
