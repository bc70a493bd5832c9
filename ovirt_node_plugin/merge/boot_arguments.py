"""The kernel arguments of an image's plugins, applied to the boot configurations of its ISO."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..registry import store
from ..settings.boot.argument_text import Argument, decode, restored

_KIND = "kernel-argument"
# A function that applies another one to the arguments of each boot entry in a text
EditLines = Callable[[str, Callable[[str], str]], str]


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


def with_arguments(text: str, original: Optional[str], before: Sequence[Argument],
                   after: Sequence[Argument], edit_lines: EditLines) -> str:
    """Return a boot configuration with the arguments ``after`` instead of ``before``.

    If no argument of a plugin remains and nobody else changed the text, the result is
    identical to ``original``.
    """
    removed = [argument for argument in before if argument not in after]
    lines = _lines(text, edit_lines)
    original_lines: List[Optional[str]] = (
        [*_lines(original, edit_lines)] if original is not None else [])
    if len(original_lines) != len(lines):
        original_lines = [None] * len(lines)
    originals: Iterator[Optional[str]] = iter(original_lines)
    return edit_lines(
        text, lambda line: restored(line, next(originals), removed, after, entry=False))


def _lines(text: str, edit_lines: EditLines) -> List[str]:
    """Return the arguments of each boot entry in ``text``."""
    lines: List[str] = []

    def collect(line: str) -> str:
        lines.append(line)
        return line

    edit_lines(text, collect)
    return lines
