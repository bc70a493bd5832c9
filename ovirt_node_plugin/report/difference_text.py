"""The differences between two images as lines of text: the counts, then the details.

Names in images are untrusted: control characters in them are escaped.
"""
from __future__ import annotations

import collections
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..compare.boot import BootDifference
from ..compare.images import (
    FormDifference,
    FormValue,
    ImageDifferences,
    PluginDifference,
    SettingDifference,
)
from ..compare.packages import PackageDifference
from ..compare.trees import ADDED, CHANGED, REMOVED, Difference
from ..system.words import printable, size
from .layout import field
from .path_groups import PathGroup, group_paths

_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_MOST_FILES = 40  # lines for each kind of difference


class _Section(NamedTuple):
    """The differences of one category, such as packages: counts, and a line for each."""

    name: str
    title: str
    counts: str
    lines: List[str]


def differences(result: ImageDifferences) -> List[str]:
    """Return the counts, then the differences. Files are grouped by folder if there are many."""
    sections = [section for section in _sections(result) if section.lines]
    lines = [*field("Old", printable(str(result.old))), *field("New", printable(str(result.new)))]
    for section in sections:
        lines += field(section.name, section.counts)
    if result.same:
        lines += field("Differences", "none")
    for section in sections:
        lines += ["", f"{section.title}:", *section.lines]
    return [*lines, *(printable(f"Note: {note}") for note in result.notes)]


def _sections(result: ImageDifferences) -> Iterator[_Section]:
    form, files, around = result.form or (), result.files or (), result.around or ()
    yield _Section("Form", "Form", f"{len(form)} changed", list(map(_form, form)))
    yield _Section("Plugins", "Plugins", _counts([plugin.kind for plugin in result.plugins]),
                   list(map(_plugin, result.plugins)))
    yield _Section("Settings", "Settings of plugins",
                   _counts([setting.kind for setting in result.settings]),
                   list(map(_setting, result.settings)))
    yield _Section("Packages", "Packages",
                   _counts([package.kind for package in result.packages]),
                   list(map(_package, result.packages)))
    yield _Section("Boot", "Boot entries",
                   _counts([entry.kind for entry in result.boot]), list(_boot(result.boot)))
    yield _files("Files", "Files of the root", files, start="/")
    yield _files("Around", "Files around the root", around)


def _counts(kinds: Sequence[str]) -> str:
    numbers = collections.Counter(kinds)
    return ", ".join(f"{numbers[kind]} {kind}" for kind in (ADDED, REMOVED, CHANGED)
                     if numbers[kind])


def _line(kind: str, text: str) -> str:
    return f"  {_SIGNS[kind]} {printable(text)}"


def _form(difference: FormDifference) -> str:
    name = difference.name.replace("_bytes", "").replace("_", " ")
    if "\n" in f"{difference.old}{difference.new}":
        return _line(CHANGED, name)
    old, new = _value(difference, difference.old), _value(difference, difference.new)
    if old == new:  # sizes, rounded
        old, new = f"{difference.old} B", f"{difference.new} B"
    return _line(CHANGED, f"{name} {old} -> {new}")


def _value(difference: FormDifference, value: FormValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and difference.name.endswith("_bytes"):
        return size(value)
    return "none" if value in (None, "") else str(value)


def _plugin(plugin: PluginDifference) -> str:
    versions = _arrow(plugin.old, plugin.new)
    return _line(plugin.kind, ", ".join([f"{plugin.name} {versions}", *plugin.details]))


def _setting(setting: SettingDifference) -> str:
    words = [f"{setting.plugin}:", setting.setting, setting.key, _arrow(setting.old, setting.new)]
    return _line(setting.kind, " ".join(filter(None, words)))


def _arrow(old: Optional[str], new: Optional[str]) -> str:
    if old is None or new is None or old == new:
        return (old if new is None else new) or ""
    return f"{old} -> {new}"


def _package(package: PackageDifference) -> str:
    old, new = package.old, package.new
    if old is None or new is None:
        text = "".join(side.nevra for side in (old, new) if side is not None)
    elif old.nevra == new.nevra:
        text = f"{new.nevra}, rebuilt"
    elif old.arch == new.arch:
        text = f"{'.'.join(filter(None, (new.name, new.arch)))} {old.evr} -> {new.evr}"
    else:
        text = f"{old.nevra} -> {new.nevra}"
    plugins = f" ({', '.join(package.plugins)})" if package.plugins else ""
    return _line(package.kind, text + plugins)


def _boot(differences: Sequence[BootDifference]) -> Iterator[str]:
    """Yield each change, followed by the boot entries that have it."""
    entries: Dict[Tuple[str, str], Dict[str, List[str]]] = {}
    for difference in differences:
        added, removed = difference.added, difference.removed
        words = [*(f"+{word}" for word in added), *(f"-{word}" for word in removed)]
        if difference.kind != CHANGED:
            words = [*added, *removed]
        change = (difference.kind, ", ".join([*filter(None, [" ".join(words)]),
                                              *difference.details])
                  or "the same arguments, in another order")
        titles = entries.setdefault(change, {}).setdefault(difference.place, [])
        titles.append(difference.title or "no title")
    for (kind, text), places in entries.items():
        yield _line(kind, text)
        for place, titles in places.items():
            yield f"      {printable(place)}: {printable(', '.join(titles))}"


def _changes(files: Sequence[Difference]) -> str:
    """Return, in parentheses, how many files differ in each property, the most frequent first."""
    words = collections.Counter(
        word for file in files for word in {_word(text) for text in file.details})
    counts = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
    return f" ({', '.join(f'{word} {number}' for word, number in counts)})" if counts else ""


def _word(detail: str) -> str:
    """Return the property that a detail is about. A different size counts as content."""
    word, _, rest = detail.partition(" ")
    if word == "xattr":
        return printable(rest.partition(" ")[0])
    return "content" if word == "size" else word


def _files(name: str, title: str, files: Sequence[Difference], *, start: str = "") -> _Section:
    """Return a section of files. ``start`` is put before their paths."""
    groups = [(kind, group_paths([file for file in files if file.kind == kind], _MOST_FILES))
              for kind in _SIGNS]
    if any(group.below for _, path_groups in groups for group in path_groups):
        title += ", some grouped by folder (--json lists each)"
    return _Section(name, title, _counts([file.kind for file in files]) + _changes(files),
                    [_line(kind, _group(group, start)) for kind, path_groups in groups
                     for group in path_groups])


def _group(group: PathGroup, start: str) -> str:
    path = "/" if group.path == "." else start + group.path
    if group.below:
        what = f"{group.below} {'entry' if group.below == 1 else 'entries'}"
        path = f"{path.rstrip('/')}/" + (f": {what}" if group.entry is None else f" and {what}")
    if group.entry is None or not group.entry.details:
        return path
    return f"{path}: {', '.join(group.entry.details)}"
