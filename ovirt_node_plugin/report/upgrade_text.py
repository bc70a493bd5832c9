"""What becomes of plugins in an upgrade, as lines of text."""
from __future__ import annotations

from typing import Iterator, List, Sequence, Union

from ..system.words import count, printable
from ..upgrade.check import CheckUpgradeAnswer, PluginAnswer
from ..upgrade.survival import BROKEN, MISSING, NEWER, OLDER, SAME, Fate
from .layout import field

_STATES = {SAME: "the same version", NEWER: "newer, {}", OLDER: "older, {}", MISSING: "missing",
           BROKEN: "broken"}


def fate_lines(fates: Sequence[Union[Fate, PluginAnswer]]) -> List[str]:
    """Return a line for each plugin, with indented lines for its problems and notes."""
    return [line for fate in fates for line in _fate_lines(fate)]


def check_upgrade(answer: CheckUpgradeAnswer) -> List[str]:
    """Return the answer of ``check-upgrade``."""
    lines = [*field("Image", answer.image.path),
             *field("System", f"{answer.target.name} -> {answer.image.name}")]
    for plugin in answer.plugins:
        lines += [*_fate_lines(plugin), *_restoration(plugin)]
    if answer.added:
        lines.append(f"The image also has: {', '.join(answer.added)}")
    lines += [f"Note: {note}" for note in answer.notes]
    return [*lines, *_summary(answer)]


def _fate_lines(fate: Union[Fate, PluginAnswer]) -> Iterator[str]:
    state = _STATES[fate.state].format(fate.new_version)
    yield f"{fate.name} {fate.old_version}".rstrip() + f": {state}"
    yield from (f"  {line}" for text in (*fate.problems, *fate.notes) for line in text.split("\n"))


def _restoration(plugin: PluginAnswer) -> Iterator[str]:
    found = plugin.restoration
    if found is None:
        return
    first, *rest = found.reason.split("\n")
    bundle = f" from {found.bundle}, version {found.version}" if found.bundle else ""
    yield (f"  cannot be restored{bundle}: {first}" if first else f"  can be restored{bundle}")
    yield from (f"    {line.strip()}" for line in rest)


def _summary(answer: CheckUpgradeAnswer) -> Iterator[str]:
    if not answer.plugins:
        yield f"No plugins are installed in {answer.target.root}."
        return
    surviving = sum(plugin.survives for plugin in answer.plugins)
    yield (f"{surviving} of {count(len(answer.plugins), 'plugin')} survive the upgrade."
           if not answer.ok else "All plugins survive the upgrade.")
    if answer.next_step:
        yield f"To keep the others: {printable(answer.next_step)}"
