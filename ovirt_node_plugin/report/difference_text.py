"""The differences that ``ovirt-node-plugin diff`` found, as lines: counts, then details.

Names in images come from strangers: control characters in them are escaped.
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
from ..system.words import size
from .layout import field, harmless
from .path_groups import PathGroup, grouped

_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_MOST_FILES = 40  # lines for each kind of difference


class _Section(NamedTuple):
    """The differences of one sort: their counts, and a line for each."""

    name: str
    title: str
    counts: str
    lines: List[str]


def differences(found: ImageDifferences) -> List[str]:
    """Return the counts, then the differences. Files are grouped by folder if there are many."""
    sections = [one for one in _sections(found) if one.lines]
    lines = [*field("Old", harmless(str(found.old))), *field("New", harmless(str(found.new)))]
    for one in sections:
        lines += field(one.name, one.counts)
    if found.same:
        lines += field("Differences", "none")
    for one in sections:
        lines += ["", f"{one.title}:", *one.lines]
    return [*lines, *(harmless(f"Note: {note}") for note in found.notes)]


def _sections(found: ImageDifferences) -> Iterator[_Section]:
    form, files, around = found.form or (), found.files or (), found.around or ()
    yield _Section("Form", "Form", f"{len(form)} changed", list(map(_form, form)))
    yield _Section("Plugins", "Plugins", _counts([one.kind for one in found.plugins]),
                   list(map(_plugin, found.plugins)))
    yield _Section("Settings", "Settings of plugins",
                   _counts([one.kind for one in found.settings]),
                   list(map(_setting, found.settings)))
    yield _Section("Packages", "Packages", _counts([one.kind for one in found.packages]),
                   list(map(_package, found.packages)))
    yield _Section("Boot", "Kernel arguments of boot entries",
                   _counts([one.kind for one in found.boot]), list(_boot(found.boot)))
    yield _files("Files", "Files of the root", files, start="/")
    yield _files("Around", "Files around the root", around)


def _counts(kinds: Sequence[str]) -> str:
    numbers = collections.Counter(kinds)
    return ", ".join(f"{numbers[kind]} {kind}" for kind in (ADDED, REMOVED, CHANGED)
                     if numbers[kind])


def _line(kind: str, text: str) -> str:
    return f"  {_SIGNS[kind]} {harmless(text)}"


def _form(one: FormDifference) -> str:
    name = one.name.replace("_bytes", "").replace("_", " ")
    if "\n" in f"{one.old}{one.new}":
        return _line(CHANGED, name)
    old, new = _value(one, one.old), _value(one, one.new)
    if old == new:  # sizes, rounded
        old, new = f"{one.old} B", f"{one.new} B"
    return _line(CHANGED, f"{name} {old} -> {new}")


def _value(one: FormDifference, value: FormValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and one.name.endswith("_bytes"):
        return size(value)
    return "none" if value in (None, "") else str(value)


def _plugin(one: PluginDifference) -> str:
    return _line(one.kind, ", ".join([f"{one.name} {_arrow(one.old, one.new)}", *one.details]))


def _setting(one: SettingDifference) -> str:
    words = [f"{one.plugin}:", one.setting, one.key, _arrow(one.old, one.new)]
    return _line(one.kind, " ".join(filter(None, words)))


def _arrow(old: Optional[str], new: Optional[str]) -> str:
    if old is None or new is None or old == new:
        return (old if new is None else new) or ""
    return f"{old} -> {new}"


def _package(one: PackageDifference) -> str:
    old, new = one.old, one.new
    if old is None or new is None:
        text = "".join(side.nevra for side in (old, new) if side is not None)
    elif old.nevra == new.nevra:
        text = f"{new.nevra}, rebuilt"
    elif old.arch == new.arch:
        text = f"{'.'.join(filter(None, (new.name, new.arch)))} {old.evr} -> {new.evr}"
    else:
        text = f"{old.nevra} -> {new.nevra}"
    return _line(one.kind, text + (f" ({', '.join(one.plugins)})" if one.plugins else ""))


def _boot(found: Sequence[BootDifference]) -> Iterator[str]:
    """Yield each change, followed by the boot entries that have it."""
    entries: Dict[Tuple[str, str], Dict[str, List[str]]] = {}
    for one in found:
        words = [*(f"+{word}" for word in one.added), *(f"-{word}" for word in one.removed)]
        if one.kind != CHANGED:
            words = [*one.added, *one.removed]
        change = (one.kind, " ".join(words) or "the same arguments, in another order")
        entries.setdefault(change, {}).setdefault(one.place, []).append(one.title or "no title")
    for (kind, text), places in entries.items():
        yield _line(kind, text)
        for place, titles in places.items():
            yield f"      {harmless(place)}: {harmless(', '.join(titles))}"


def _changes(files: Sequence[Difference]) -> str:
    """Return, in parentheses, how many files differ in each property, the most frequent first."""
    words = collections.Counter(
        word for one in files for word in {_word(text) for text in one.details})
    counts = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))
    return f" ({', '.join(f'{word} {number}' for word, number in counts)})" if counts else ""


def _word(detail: str) -> str:
    """Return the property that a detail is about. A different size counts as content."""
    word, _, rest = detail.partition(" ")
    if word == "xattr":
        return harmless(rest.partition(" ")[0])
    return "content" if word == "size" else word


def _files(name: str, title: str, files: Sequence[Difference], *, start: str = "") -> _Section:
    """Return a section of files. ``start`` is put before their paths."""
    groups = [(kind, grouped([one for one in files if one.kind == kind], _MOST_FILES))
              for kind in _SIGNS]
    if any(group.below for _, found in groups for group in found):
        title += ", some grouped by folder (--json lists each)"
    return _Section(name, title, _counts([one.kind for one in files]) + _changes(files),
                    [_line(kind, _group(group, start)) for kind, found in groups
                     for group in found])


def _group(group: PathGroup, start: str) -> str:
    path = "/" if group.path == "." else start + group.path
    if group.below:
        what = f"{group.below} {'entry' if group.below == 1 else 'entries'}"
        path = f"{path.rstrip('/')}/" + (f": {what}" if group.entry is None else f" and {what}")
    if group.entry is None or not group.entry.details:
        return path
    return f"{path}: {', '.join(group.entry.details)}"
