"""How an ISO boots, before and after a merge: kernel arguments and the volume id in it."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Mapping, Tuple

from ..errors import Refused
from ..images import boot
from ..images.boot_text import edit_arguments, replace_volume_id
from ..images.image import Image
from ..settings.boot.argument_text import Argument
from ..system.run import Runner
from . import boot_arguments, marks


@dataclass(frozen=True)
class IsoBoot:
    """The boot configurations of an ISO, texts by their places; none for another image.

    ``old`` as they are in the input, ``texts`` as they are to be, ``bases`` as they were
    before the first plugin, empty where no plugin has to do with them.
    """

    image: Image
    configurations: Tuple[boot.BootConfiguration, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    before: Tuple[Argument, ...] = ()

    @property
    def old(self) -> Dict[str, str]:
        """The texts of the input."""
        return {one.place: one.text for one in self.configurations}

    def changed(self, root: Path, *, volume_id: str = "") -> IsoBoot:
        """Return what they are to be with the plugins that are in ``root`` now.

        ``volume_id`` is the ISO's new one, empty for its own.
        """
        after = boot_arguments.wanted(root)
        if self.image.layout.iso is None:
            return self
        texts, bases = {}, {}
        for place, text in self.old.items():
            base = self.bases[place]
            try:
                text = boot_arguments.with_arguments(text, base, self.before, after,
                                                     edit_arguments)
            except ValueError as exc:
                raise Refused(
                    f"the boot configuration {place} has a line whose kernel arguments cannot"
                    f" be changed: {exc}",
                    hint="Write each command on a line of its own, without a comment, with"
                         " another tool, then merge again.") from exc
            if volume_id:
                name = self.image.layout.iso.volume_id
                text, base = (replace_volume_id(one, name, volume_id) for one in (text, base))
            texts[place], bases[place] = text, base
        return dataclasses.replace(self, texts=texts,
                                   bases=bases if self.before or after else {})

    def written(self, work: Path, *, run: Runner) -> Tuple[Dict[str, Path], Dict[int, Path]]:
        """Return the host files to replace, by their paths on the ISO, and partitions by number.

        ``work`` is a folder for them. Raises Refused where a FAT image has no room.
        """
        layout = self.image.layout
        if layout.iso is None:
            return {}, {}
        return boot.write_changed(layout.path, layout.iso, self.old, self.texts, work, run=run)


def read(image: Image, work: Path, *, run: Runner) -> IsoBoot:
    """Return how the open ``image`` boots; ``work`` is a folder for copies."""
    layout = image.layout
    if layout.iso is None:
        return IsoBoot(image)
    found = boot.boot_configurations(layout.path, layout.iso, work, run=run)
    texts = {one.place: one.text for one in found}
    before = boot_arguments.wanted(image.root)
    known = marks.usable(image.root)
    bases = boot_arguments.bases(texts, known.boot if known else {}, before)
    return IsoBoot(image=image, configurations=tuple(found), texts=texts, bases=bases,
                   before=before)
