"""Parse the text of a boot configuration, and change kernel arguments in it.

Its syntax is detected from the first words of its lines: GRUB 2 has ``menuentry``, isolinux(1)
``label``, systemd-boot ``options`` and GRUB Legacy ``title``. Everything that is not changed is
kept as it is.
"""
from __future__ import annotations

import collections
import re
from types import ModuleType
from typing import Callable, Iterator, List, Optional, Tuple

from ....errors import BadImage
from ....system.limits import BOOT_ARGUMENTS_CHARACTERS, BOOT_ENTRIES
from . import grub, grub_legacy, isolinux, loader_entry
from .model import (
    ArgumentWord,
    BootEntry,
    CannotEdit,
    Edit,
    EntryText,
    first_words,
    label_pattern,
    line_number,
    split_arguments,
    udev_label,
    with_edits,
)

Arguments = Tuple[str, ...]
EditLine = Callable[[str], str]
_OTHER_VALUE = "Use another value, or let the plugin read it from a file."
# In isolinux, also without labels; in GRUB Legacy a number follows
_DEFAULT_NAME = re.compile(r"^[ \t]*default[ \t]+[^\d\s]", re.IGNORECASE | re.MULTILINE)
_BY_HAND = "Change that line with another tool, then merge again."


def entries(text: str) -> Tuple[BootEntry, ...]:
    """Return the entries of a configuration that boot Linux, in order.

    Raises BadImage for more entries, or more arguments of one, than the limits allow.
    """
    return tuple(entry.entry() for entry in _entries(text) if entry.boots_linux)


def boots_linux(text: str) -> bool:
    """Return whether a configuration boots Linux, also if it cannot be determined how."""
    return any(True for _ in _entries(text))


def argument_lines(text: str) -> Tuple[str, ...]:
    """Return the arguments of each entry that boots Linux, in isolinux with ``initrd=``."""
    return tuple(" ".join(entry.arguments) for entry in _entries(text) if entry.boots_linux)


def edit_arguments(text: str, edit: EditLine, *, removes: bool = False) -> str:
    """Return a configuration with ``edit`` applied to the arguments of each entry.

    The same as ``edit_each`` with one ``edit`` for all.
    """
    return edit_each(text, lambda number: edit, removes=removes)


def edit_each(text: str, edit_of: Callable[[int], EditLine], *, removes: bool) -> str:
    """Return a configuration with the arguments of each entry changed.

    ``edit_of`` returns the edit of an entry by its number in ``argument_lines``. An edit gets
    and returns arguments as the kernel has them, without the boot loader's quotes. An isolinux
    entry without arguments of its own uses the default ones, and gets a line of its own if its
    edit changes them. ``removes`` is whether edits remove arguments wherever they come from.

    Raises CannotEdit for a line that cannot be changed so.
    """
    edits: List[Edit] = []
    wanted: List[Arguments] = []
    for entry in _entries(text):
        edit = edit_of(len(wanted))
        old = entry.arguments
        new = split_arguments(edit(" ".join(old)))
        is_changed = new != split_arguments(" ".join(old))
        if is_changed or (removes and not entry.boots_linux):
            edits += _Editing(text, entry).edits(new)
        if entry.boots_linux:
            wanted.append(new if is_changed else old)
            _check_variables(text, entry, edit, removes=removes)
    result = with_edits(text, edits)
    _check_read_back(text, result, wanted)
    return result


def replace_volume_id(text: str, old: str, new: str) -> str:
    """Return a configuration in which the volume id ``new`` replaces ``old``.

    Kernel arguments have it as udev does in /dev/disk/by-label. Raises CannotEdit for a line in
    which it cannot be replaced.
    """
    if not old:
        return text
    pattern, wanted = label_pattern(old), []
    for entry in _entries(text):
        if entry.boots_linux:
            wanted.append(tuple(pattern.sub(lambda match: udev_label(new), argument)
                                for argument in entry.arguments))
            if ":" in new and any(re.match(rf"[^=]+=hd:LABEL={pattern.pattern}", argument)
                                  for argument in entry.arguments):
                raise CannotEdit(line_number(text, entry.position),
                                 f"{new} has a colon, which ends a label behind hd:LABEL=",
                                 "Give another --volid.")
    result: str = _syntax(text).replace_volume_id(text, old, new)
    _check_read_back(text, result, wanted)
    return result


def is_grub(text: str) -> bool:
    """Return whether a configuration is a script for GRUB 2."""
    return _syntax(text) is grub


def _syntax(text: str) -> ModuleType:
    words = set(first_words(text))
    if "menuentry" in words:
        return grub
    if "label" in words:
        return isolinux
    if not words & {"options", "title"}:
        return isolinux if _DEFAULT_NAME.search(text) else grub
    return loader_entry if words & {"linux", "options"} else grub_legacy


def _entries(text: str) -> Iterator[EntryText]:
    """Yield the entries, also those of which it is not known what they boot."""
    count = 0
    for entry in _syntax(text).entries(text):
        if not entry.boots_linux and not entry.problem:
            continue
        count += 1
        length = sum(len(argument) for word in entry.words
                     for argument in (*word.arguments, *word.possible))
        if count > BOOT_ENTRIES or length > BOOT_ARGUMENTS_CHARACTERS:
            raise BadImage(
                f"a boot configuration has more than {BOOT_ENTRIES} entries, or an entry with more"
                f" than {BOOT_ARGUMENTS_CHARACTERS} characters of kernel arguments",
                hint="Compare the image with its published checksum, or download it again.")
        yield entry


def _check_variables(text: str, entry: EntryText, edit: EditLine, *, removes: bool) -> None:
    """Raise CannotEdit if ``edit`` would change an argument in a variable, or might."""
    for word in entry.words:
        changed = next((argument for argument in word.possible
                        if argument not in split_arguments(edit(argument))), "")
        if changed or (removes and word.is_unknown):
            raise CannotEdit(
                line_number(text, word.start),
                f"{text[word.start:word.end]} has the argument {changed}" if changed else
                f"{text[word.start:word.end] or 'an included file'} may have an argument to"
                " remove",
                "Write the arguments into the line instead of the variable, then merge again.")


def _check_read_back(text: str, result: str, wanted: List[Arguments]) -> None:
    """Raise CannotEdit if an entry of ``result`` is not read as it was to be written."""
    if result == text:
        return
    before = [entry for entry in _entries(text) if entry.boots_linux]
    after = [entry.arguments for entry in _entries(result) if entry.boots_linux]
    for number, entry in enumerate(before):
        if after[number:number + 1] != [wanted[number]] or len(after) != len(before):
            raise CannotEdit(line_number(text, entry.position),
                             "it would be read in another way than it is written", _BY_HAND)


class _Editing:
    """Changes the arguments of one entry, word by word."""

    def __init__(self, text: str, entry: EntryText) -> None:
        self._text, self._entry = text, entry
        self._old: List[Tuple[str, ArgumentWord]] = [
            (argument, word) for word in entry.words for argument in word.arguments]
        self._texts = {argument: text[word.start:word.end]
                       for argument, word in reversed(self._old)}

    def edits(self, new: Arguments) -> List[Edit]:
        """Return the edits of the text; the number of steps grows with the arguments only."""
        entry, old = self._entry, self._old
        if entry.problem:
            raise self._refusal(entry.problem)
        if split_arguments(" ".join(entry.arguments)) != entry.arguments:
            raise self._refusal("it has an argument with a quote")
        if "--" in entry.arguments:
            raise self._refusal("it has --, behind which arguments are for init")
        if entry.too_long(new) and len(" ".join(new)) > len(" ".join(entry.arguments)):
            raise self._refusal("its kernel arguments would be too long: the boot loader takes"
                                f" {entry.most_characters} characters with the kernel's name",
                                "Use fewer arguments, or shorter ones.")
        if entry.new_line:
            line = entry.new_line + " ".join(map(self._written, new))
            return [Edit(entry.end, entry.end, line)]
        edits: List[Edit] = []
        unmatched_old = collections.Counter(argument for argument, _ in old)
        unmatched_new = collections.Counter(new)
        done, added = 0, 0
        while done < len(old) or added < len(new):
            is_gone = done < len(old) and not unmatched_new[old[done][0]]
            is_new = added < len(new) and not unmatched_old[new[added]]
            is_kept = done < len(old) and added < len(new) and old[done][0] == new[added]
            takes_old = is_kept or (done < len(old) and (is_gone or not is_new))
            takes_new = is_kept or is_new or done == len(old)
            if not is_kept:
                edits.append(self._edit(done, takes_old, new[added] if takes_new else None))
            if takes_old:
                unmatched_old[old[done][0]] -= 1
                done += 1
            if takes_new:
                unmatched_new[new[added]] -= 1
                added += 1
        return edits

    def _edit(self, number: int, removes: bool, argument: Optional[str]) -> Edit:
        """Return the edit that removes the argument ``number``, replaces it, or adds before it."""
        old = self._old
        if removes:
            word = old[number][1]
            if not word.is_literal:
                raise self._in_variable(word, f"{old[number][0]}, which is to be changed, is")
            if argument is not None:
                return Edit(word.start, word.end, self._written(argument))
            return Edit(word.gap, word.end, "")
        assert argument is not None
        if 0 < number < len(old) and old[number - 1][1] is old[number][1]:
            raise self._in_variable(old[number][1], "the place for an argument is")
        position = (old[number - 1][1].end if number else old[0][1].gap if old
                    else self._entry.end)
        return Edit(position, position, f" {self._written(argument)}")

    def _written(self, argument: str) -> str:
        if argument in self._texts:  # of another entry: it is written as it was
            return self._texts[argument]
        try:
            return self._entry.write(argument)
        except ValueError as exc:
            raise self._refusal(f"{argument} cannot be written: {exc}", _OTHER_VALUE) from exc

    def _in_variable(self, word: ArgumentWord, what: str) -> CannotEdit:
        return CannotEdit(
            line_number(self._text, word.start),
            f"{what} in {self._text[word.start:word.end]}",
            "Write the arguments into the line instead of the variable, then merge again.")

    def _refusal(self, reason: str, hint: str = _BY_HAND) -> CannotEdit:
        return CannotEdit(line_number(self._text, self._entry.position), reason, hint)
