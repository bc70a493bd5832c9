"""The kernel arguments of an image's plugins, applied to the boot configurations of its ISO."""
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Mapping, Optional, Sequence, Tuple

from ...images.iso.boot_text.model import CannotEdit
from ...images.iso.boot_text.texts import EditLine, argument_lines, edit_arguments, edit_each
from ...operations.model.results import OFF, PlannedSetting
from ...registry import store
from ...settings.boot.argument_text import DROP, Argument, decode, edited, restored

_KIND = "kernel-argument"


def plugin_arguments(root: Path) -> Tuple[Argument, ...]:
    """Return the kernel arguments of the plugins installed in ``root``, sorted."""
    codes = {setting.value for record in store.read_registry(root).records.values()
             for setting in record.settings if setting.kind == _KIND}
    return tuple(decode(code) for code in sorted(codes))


def original_texts(texts: Mapping[str, str], recorded: Mapping[str, str],
                   before: Sequence[Argument]) -> Mapping[str, str]:
    """Return the boot configurations as they were before the first plugin, by place.

    ``texts`` are the present ones, ``recorded`` the originals that an earlier merge recorded,
    and ``before`` the arguments of the plugins in the image. Without a recorded original, the
    present text counts as the original.
    """
    return {place: recorded.get(place, text) if before else text
            for place, text in texts.items()}


def planned_arguments(before: Sequence[Argument],
                      plans: Sequence[Sequence[PlannedSetting]]) -> Tuple[Argument, ...]:
    """Return the kernel arguments of the plugins after ``plans``, sorted, from those ``before``."""
    codes = {argument.code for argument in before}
    for settings in plans:
        own = [setting for setting in settings if setting.kind == _KIND]
        codes -= {setting.value for setting in own if setting.action == OFF}
        codes |= {setting.value for setting in own if setting.action != OFF}
    return tuple(decode(code) for code in sorted(codes))


def with_arguments(text: str, original: str, before: Sequence[Argument],
                   after: Sequence[Argument]) -> str:
    """Return a boot configuration with the arguments ``after`` instead of ``before``.

    If nobody else changed the text since ``original``, the result is what a merge of ``after``
    makes of that, and identical to it if no argument of a plugin remains.

    Raises CannotEdit for a line that cannot be changed so.
    """
    with contextlib.suppress(CannotEdit):
        if _applied(original, before) == text:
            text, before = original, ()
    if not before:
        return _applied(text, after)
    removed = [argument for argument in before if argument not in after]
    originals: Sequence[Optional[str]] = argument_lines(original)
    if len(originals) != len(argument_lines(text)):
        originals = ()

    def edit_of(number: int) -> EditLine:
        base = originals[number] if number < len(originals) else None
        return lambda line: restored(line, base, removed, after, entry=False)

    return edit_each(text, edit_of, removes=_removes(after))


def _applied(text: str, arguments: Sequence[Argument]) -> str:
    return edit_arguments(text, lambda line: edited(line, arguments, entry=False),
                          removes=_removes(arguments))


def _removes(arguments: Sequence[Argument]) -> bool:
    return any(argument.how == DROP for argument in arguments)
