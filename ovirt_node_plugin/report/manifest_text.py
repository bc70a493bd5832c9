"""Manifests as lines of text. Control characters in names are escaped."""
from __future__ import annotations

import stat
from typing import Iterable, List, Mapping, Sequence, Tuple

from ..operations.manifest import PluginManifest
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
    InventoryPackage,
    Operation,
)
from ..registry.outcomes import to_text
from ..registry.record import Record
from ..system.json_data import object_of
from ..system.words import count, first_lines, printable, size
from ..undo.changes import Applied
from .layout import field, table
from .manifest_data import Shows

_SIGNS = {ADDED: "+", REMOVED: "-"}
_TYPES = {"file": stat.S_IFREG, "link": stat.S_IFLNK, "dir": stat.S_IFDIR}
_SHOWN_MARKS = (CONFIG, LEFT_OUT, NOT_INSTALLED, REPLACED)
_STATE = ("kind", "mode", "owner", "group", "size_bytes", "digest", "link", "capabilities",
          "xattrs", "marks")
_MOST_OTHERS = 30  # other files that an overview names
_WORDS = {"size_bytes": "size", "digest": "content", "xattrs": "attributes"}


def manifests(plugins: Sequence[PluginManifest], shows: Shows) -> List[str]:
    """Return the parts of each plugin that ``shows`` asks for.

    If there are several plugins, a line with the name precedes each.
    """
    lines: List[str] = []
    for plugin in plugins:
        parts = _parts(plugin, shows)
        if len(plugins) > 1 and not shows.overview:
            parts = [f"{plugin.record.name} {plugin.record.version}:", *parts]
        lines += [*([""] if lines else []), *parts]
    return lines


def removal(delta: Mapping[str, object]) -> str:
    """Return one line with the counts of a removal, of which ``delta`` is the data."""
    counts = []
    for noun, names in (("package", ("added", "", "removed")),
                        ("file", ("added", "changed", "removed")),
                        ("setting", ("on", "again", "off")), ("account", ("added", "", "removed"))):
        group = object_of(delta, f"{noun}s")
        added, changed, removed = (len(objects) if isinstance(objects, (list, tuple)) else 0
                                   for objects in map(group.get, names))
        counts.append((noun, added, changed, removed))
    return f"Plugin {delta['plugin']}: {_counted(counts)}."


def _parts(manifest: PluginManifest, shows: Shows) -> List[str]:
    lines: List[str] = []
    if manifest.inventory is not None:
        if shows.overview:
            lines += _overview(manifest.record, manifest.inventory)
        if shows.packages:
            lines += _packages(manifest.inventory)
        if shows.files:
            lines += _files(manifest.inventory)
    if shows.settings:
        lines += _settings(manifest.record)
    if manifest.inventory is not None and shows.delta:
        lines += _delta(manifest.inventory.delta())
    return lines


def _overview(record: Record, inventory: Inventory) -> List[str]:
    lines = [*field("Name", record.name), *field("Version", record.version),
             *field("Installed", f"{record.installed_at} by {record.tool}")]
    for name, values in (
            ("Packages", list(map(_package, inventory.packages))),
            ("Other files", _others(inventory.others)),
            ("Settings", list(map(_setting, record.settings))),
            ("Accounts", list(map(_account, inventory.accounts))),
            ("Operations", list(map(_operation, inventory.operations)))):
        for position, value in enumerate(values):
            lines += field(name if position == 0 else "", printable(value))
    return lines


def _package(package: InventoryPackage) -> str:
    return f"{package.nevra}, {count(len(package.files), 'file')}, {size(package.size_bytes)}"


def _others(files: Sequence[File]) -> List[str]:
    lines = [f"{_SIGNS.get(file.change, '~')} {file.path} ({file.by})" for file in files]
    return first_lines(lines, _MOST_OTHERS, after="; --files shows them")


def _packages(inventory: Inventory) -> List[str]:
    rows = [(package.nevra, count(len(package.files), "file"), size(package.size_bytes),
             "" if package.since else "present before") for package in inventory.packages]
    return table(rows) if rows else ["no packages"]


def _files(inventory: Inventory) -> List[str]:
    """Return files as ``ls -l`` prints them. Lines are not cut: paths are at their ends."""
    rows: List[Tuple[str, ...]] = []
    paths: List[str] = []
    for source, files in (*((package.nevra, package.files) for package in inventory.packages),
                          ("-", inventory.others)):
        for file in files:
            marks = [mark for mark in _SHOWN_MARKS if mark in file.marks]
            marks += [f"{file.change} by {file.by}"] if file.by else []
            rows.append((_mode(file), file.owner or "-", file.group or "-", str(file.size_bytes),
                         source))
            paths.append(printable(file.path) + (f" -> {printable(file.link)}" if file.link else "")
                        + (f"  ({printable(', '.join(marks))})" if marks else ""))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join((mode, owner.ljust(widths[1]), group.ljust(widths[2]),
                       number.rjust(widths[3]), source.ljust(widths[4]), path))
            for (mode, owner, group, number, source), path in zip(rows, paths)] or ["no files"]


def _settings(record: Record) -> List[str]:
    return [printable(_setting(setting)) for setting in record.settings] or ["no settings"]


def _delta(delta: Delta) -> List[str]:
    last = delta.operation
    lines = [_operation(last)]
    lines += _signed("+", "package", last.packages_added)
    lines += _signed("-", "package", last.packages_removed)
    lines += _signed("=", "package", last.packages_shared)
    lines += _signed("-", "package of the system", last.packages_replaced)
    for sign, settings in (("+", last.settings_on), ("~", last.settings_again),
                           ("-", last.settings_off)):
        lines += _signed(sign, "setting", map(_setting, settings))
    lines += _signed("+", "account", map(_account, last.accounts_added))
    lines += _signed("-", "account", map(_account, last.accounts_removed))
    lines += _signed("!", "scriptlet not run", last.scriptlets_skipped)
    files = [(file.path, "+", "") for file in delta.files_added]
    files += [(file.path, "-", "") for file in delta.files_removed]
    files += [(new.path, "~", _difference(old, new)) for old, new in delta.files_changed]
    return lines + [f"{sign} {printable(path)}{more}" for path, sign, more in sorted(files)]


def _signed(sign: str, what: str, names: Iterable[str]) -> List[str]:
    return [f"{sign} {what} {printable(name)}" for name in names]


def _difference(old: File, new: File) -> str:
    words = [_WORDS.get(name, name) for name in _STATE if not _alike(old, new, name)]
    return f" ({', '.join(words)})" if words else ""


def _alike(old: File, new: File, name: str) -> bool:
    if name == "digest":  # only the beginning of the old digest is kept
        return new.digest.startswith(old.digest) and bool(new.digest) == bool(old.digest)
    return bool(getattr(old, name) == getattr(new, name))


def _operation(operation: Operation) -> str:
    versions = " -> ".join(filter(None, (operation.version_from, operation.version_to)))
    return (f"{operation.operation} {versions} at {operation.at} by {operation.tool}:"
            f" {_counts(operation)}")


def _counts(operation: Operation) -> str:
    counts = (("package", len(operation.packages_added), 0, len(operation.packages_removed)),
              ("file", operation.files_added, operation.files_changed, operation.files_removed),
              ("setting", len(operation.settings_on), len(operation.settings_again),
               len(operation.settings_off)),
              ("account", len(operation.accounts_added), 0, len(operation.accounts_removed)))
    return _counted(counts)


def _counted(counts: Iterable[Tuple[str, int, int, int]]) -> str:
    """Return counts, each a noun with the numbers added, changed and removed, as text."""
    words = []
    for what, *numbers in counts:
        signed = [f"{sign}{number}" for sign, number in zip("+~-", numbers) if number]
        if signed:
            words.append(f"{' '.join(signed)} {what if sum(numbers) == 1 else what + 's'}")
    return ", ".join(words) or "no change"


def _setting(setting: Applied) -> str:
    text = f"{setting.kind} {setting.key} {setting.value} (before: {setting.before})"
    return f"{text}, {to_text(setting.outcome)}" if setting.outcome else text


def _account(account: Account) -> str:
    number = "" if account.number is None else f" {account.number}"
    return f"{account.kind} {account.name}{number} ({account.by})"


def _mode(file: File) -> str:
    if not file.kind:
        return "-" * 10
    if file.kind == "other":
        return "?" + stat.filemode(file.mode)[1:]
    return stat.filemode(_TYPES[file.kind] | file.mode)
