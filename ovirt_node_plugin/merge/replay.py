"""Find the plugins of another image again, to merge them into an image."""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import NodePluginError, Refused, Status
from ..images.dnf_program import DnfFailed
from ..images.image import Image
from ..plugin import bundle
from ..registry import store
from ..registry.record import Record
from ..system.run import Runner
from .iso import bundles


@dataclass(frozen=True)
class Replay:
    """What to install for the plugins of another image.

    ``words`` are plugin names and bundle paths for ``dnf node-plugin install``. ``sources``
    are the permanent sources of temporary paths among them, for the records. ``plugins`` are
    the names of the other image's plugins, by the word that installs each, and ``records``
    their records in that image, by name. ``registry`` is a root with copies of these records
    and of the inventories, None without another image.
    """

    words: Tuple[str, ...]
    sources: Mapping[str, str]
    plugins: Mapping[str, str]
    notes: Tuple[str, ...]
    records: Mapping[str, Record] = field(default_factory=dict)
    registry: Optional[Path] = None


class DoNotFit(NodePluginError):
    """Plugins of another image cannot be installed here; the message has the reason for each."""

    def __init__(self, failures: Mapping[str, DnfFailed], notes: Sequence[str]) -> None:
        lines = ["these plugins do not fit the image:"]
        for name, failure in failures.items():
            first, *rest = failure.message.splitlines() or [""]
            lines += [f"  {name}: {first}", *(f"    {line.strip()}" for line in rest)]
        lines += notes
        hints = list(dict.fromkeys(
            failure.hint for failure in failures.values() if failure.hint))
        super().__init__("\n".join(lines), hint="\n".join([
            *hints, "Nothing was written. Give paths of other versions of these bundles, or an"
            " image that fits."]))
        statuses = {failure.status for failure in failures.values()}
        self.status = statuses.pop() if len(statuses) == 1 else Status.REFUSED


def replay(other: Image, given: Sequence[str], work: Path, *, run: Runner) -> Replay:
    """Return how to install the plugins of the open image ``other``.

    A plugin is taken from a path among ``given``, else from a bundle that is kept on the
    other ISO, else by name from the library or a repository. ``work`` is a folder for copies
    of kept bundles.

    Raises Refused if a record of the other image is damaged.
    """
    registry = store.read_registry(other.root)
    if registry.damaged:
        raise Refused(f"the registry of {other.layout.path} is damaged:"
                      f" {', '.join(sorted(registry.damaged))}",
                      hint="Name the plugins to merge instead of --plugins-from.")
    paths = {_plugin_at(Path(word), run): word for word in given if os.sep in word}
    sources: Dict[str, str] = {}
    kept_bundles: Dict[str, str] = {}
    notes: List[str] = []
    for path, copy in bundles.extract(other, work).items():
        sources[str(copy)] = f"{other.layout.path.resolve().name}:{path}"
        try:
            with bundle.opened(copy, run=run) as opened:
                name, version = opened.descriptor.name, opened.descriptor.version
        except NodePluginError as exc:
            notes.append(f"The bundle {path} of the other image cannot be used: {exc.message}")
            continue
        record = registry.records.get(name)
        if name not in kept_bundles or (record is not None and record.version == version):
            kept_bundles[name] = str(copy)
    plugins = {paths.get(name, kept_bundles.get(name, name)): name for name in registry.records}
    copied = work / "registry"
    store.copy_records(other.root, registry.records, copied)
    other_words = [word for word in given if word not in plugins]
    return Replay(
        words=(*plugins, *other_words), plugins=plugins,
        sources={word: sources[word] for word in plugins if word in sources},
        notes=(*notes, *_version_notes(registry.records, plugins, run)),
        records=registry.records, registry=copied if registry.records else None)


def _plugin_at(path: Path, run: Runner) -> str:
    """Return the name of the plugin in the bundle at ``path``."""
    with bundle.opened(path, run=run) as opened:
        return opened.descriptor.name


def _version_notes(records: Mapping[str, Record], plugins: Mapping[str, str],
                   run: Runner) -> Tuple[str, ...]:
    """Return a note for each bundle whose version differs from that in the other image."""
    notes: List[str] = []
    for word, name in plugins.items():
        if os.sep in word:
            with bundle.opened(Path(word), run=run) as opened:
                version = opened.descriptor.version
            if version != records[name].version:
                notes.append(f"Plugin {name} is merged in version {version}; the other image has"
                             f" {records[name].version}.")
    return tuple(notes)
