"""Kernel arguments of an image's plugins, and the boot configurations of its ISO with them."""
from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..registry import store
from ..settings.boot.argument_text import Argument, decode, restored

_KIND = "kernel-argument"
# Applies a function to the arguments of each Linux boot line of a text.
EditLines = Callable[[str, Callable[[str], str]], str]


def wanted(root: Path) -> Tuple[Argument, ...]:
    """Return the kernel arguments that the plugins installed in ``root`` want, sorted."""
    codes = {setting.value for record in store.read_registry(root).records.values()
             for setting in record.settings if setting.kind == _KIND}
    return tuple(decode(code) for code in sorted(codes))


def bases(texts: Mapping[str, str], known: Mapping[str, str],
          before: Sequence[Argument]) -> Mapping[str, str]:
    """Return what each of the boot configurations was before the first plugin.

    ``texts`` are as they are now, ``known`` what an earlier merge kept of them; without
    that, plugins' arguments that are there already count as the image's own.
    """
    return {place: known.get(place, text) if before else text for place, text in texts.items()}


def with_arguments(text: str, base: Optional[str], before: Sequence[Argument],
                   after: Sequence[Argument], edit_lines: EditLines) -> str:
    """Return a boot configuration with the arguments ``after`` in place of ``before``.

    Exactly as ``base`` where nothing is left of plugins and nobody else changed it.
    """
    gone = [argument for argument in before if argument not in after]
    now = _lines(text, edit_lines)
    old: List[Optional[str]] = [*_lines(base, edit_lines)] if base is not None else []
    if len(old) != len(now):
        old = [None] * len(now)
    pairs: Iterator[Optional[str]] = iter(old)
    return edit_lines(text, lambda line: restored(line, next(pairs), gone, after, entry=False))


def _lines(text: str, edit_lines: EditLines) -> List[str]:
    found: List[str] = []

    def keep(line: str) -> str:
        found.append(line)
        return line

    edit_lines(text, keep)
    return found
