"""The plugins of one image merged into another: found again, and what does not fit is told."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from ..errors import NodePluginError, Refused, Status
from ..images.dnf_program import DnfFailed
from ..images.image import Image
from ..plugin import bundle
from ..registry import store
from ..registry.record import Record
from ..system.run import Runner
from . import bundles


@dataclass(frozen=True)
class Replay:
    """What to install for the plugins of another image.

    ``words`` are names and paths for ``dnf node-plugin``; ``called`` says what to call the
    paths that are there for now only; ``wanted`` are the plugins by their words.
    """

    words: Tuple[str, ...]
    called: Mapping[str, str]
    wanted: Mapping[str, str]
    notes: Tuple[str, ...]


class DoNotFit(NodePluginError):
    """Plugins of another image cannot go into this one; the message has the reason of each."""

    def __init__(self, failures: Mapping[str, DnfFailed], notes: Sequence[str]) -> None:
        lines = ["these plugins do not fit the image:"]
        for name, failure in failures.items():
            first, *rest = failure.message.splitlines() or [""]
            lines += [f"  {name}: {first}", *(f"    {line.strip()}" for line in rest)]
        lines += notes
        hints = list(dict.fromkeys(one.hint for one in failures.values() if one.hint))
        super().__init__("\n".join(lines), hint="\n".join([
            *hints, "Nothing was written. Give paths of other versions of these bundles, or an"
            " image that fits."]))
        statuses = {one.status for one in failures.values()}
        self.status = statuses.pop() if len(statuses) == 1 else Status.REFUSED


def replay(other: Image, given: Sequence[str], work: Path, *, run: Runner) -> Replay:
    """Return how the plugins of the open image ``other`` are to be had again.

    From the paths among ``given``, from the bundles kept on that ISO, and else by name,
    from the library or a repository. ``work`` is a folder for copies of kept bundles.

    Raises Refused where a record of the image is damaged.
    """
    found = store.read_registry(other.root)
    if found.damaged:
        raise Refused(f"the registry of {other.layout.path} is damaged:"
                      f" {', '.join(sorted(found.damaged))}",
                      hint="Name the plugins that you want yourself.")
    paths = {name: word for word in given if os.sep in word
             for name in [_plugin_at(Path(word), run)]}
    copies = bundles.extracted(other, work)
    origins: Dict[str, str] = {}
    kept: Dict[str, str] = {}
    notes: List[str] = []
    for path, copy in copies.items():
        origins[str(copy)] = f"{other.layout.path.resolve().name}:{path}"
        try:
            with bundle.opened(copy, run=run) as opened:
                name, version = opened.descriptor.name, opened.descriptor.version
        except NodePluginError as exc:
            notes.append(f"The bundle {path} of the other image cannot be used: {exc.message}")
            continue
        if name not in kept or (name in found.records and found.records[name].version == version):
            kept[name] = str(copy)
    wanted = {paths.get(name, kept.get(name, name)): name for name in found.records}
    rest = [word for word in given if word not in wanted]
    used = {word: origins[word] for word in wanted if word in origins}
    return Replay((*wanted, *rest), used, wanted,
                  (*notes, *_notes(found.records, wanted, run)))


def _plugin_at(path: Path, run: Runner) -> str:
    """Return the name of the plugin in the bundle at ``path``."""
    with bundle.opened(path, run=run) as opened:
        return opened.descriptor.name


def _notes(records: Mapping[str, Record], wanted: Mapping[str, str],
           run: Runner) -> Tuple[str, ...]:
    """Tell where another version comes than the image has."""
    notes: List[str] = []
    for word, name in wanted.items():
        if os.sep in word:
            with bundle.opened(Path(word), run=run) as opened:
                version = opened.descriptor.version
            if version != records[name].version:
                notes.append(f"Plugin {name} comes as {version}; the other image has"
                             f" {records[name].version}.")
    return tuple(notes)
