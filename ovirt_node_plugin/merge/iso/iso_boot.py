"""The boot configurations of an ISO before and after a merge: kernel arguments, volume id."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Mapping, Sequence, Tuple

from ...errors import Refused
from ...images.image import Image
from ...images.iso import boot, grub_check
from ...images.iso.boot_text.model import CannotEdit
from ...images.iso.boot_text.texts import is_grub, replace_volume_id
from ...images.squashfs.verity import Verity
from ...images.squashfs.verity_tool import with_values, without_values
from ...settings.boot.argument_text import Argument
from ...system.run import Runner
from ..root import marks
from . import boot_arguments


@dataclass(frozen=True)
class IsoBoot:
    """The boot configurations of the ISO ``image``; none for another image.

    ``configurations`` are those of the input. ``texts`` are the new texts by place, and
    ``originals`` the texts before the first plugin, empty if no plugin changes them.
    ``before`` are the arguments of the plugins in the input.
    """

    image: Image
    configurations: Tuple[boot.BootConfiguration, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    originals: Mapping[str, str] = field(default_factory=dict)
    before: Tuple[Argument, ...] = ()

    @property
    def input_texts(self) -> Dict[str, str]:
        """The texts of the input by place."""
        return {configuration.place: configuration.text for configuration in self.configurations}

    @property
    def changed(self) -> Tuple[str, ...]:
        """The places of the texts that differ from those of the input."""
        return tuple(place for place, text in self.input_texts.items()
                     if self.texts.get(place, text) != text)

    @property
    def with_root_hash(self) -> Tuple[str, ...]:
        """The places of the texts that change with the dm-verity data of the image."""
        verity = self.image.layout.verity
        return tuple(place for place, text in self.input_texts.items()
                     if verity is not None and without_values(text, verity) != text)

    def for_root(self, root: Path, *, volume_id: str = "") -> IsoBoot:
        """Return the boot configurations for the plugins in the changed ``root``."""
        return self.for_arguments(boot_arguments.plugin_arguments(root), volume_id=volume_id)

    def for_arguments(self, after: Sequence[Argument], *, volume_id: str = "") -> IsoBoot:
        """Return the boot configurations with the kernel arguments ``after`` of plugins.

        ``volume_id`` is the ISO's new volume id, empty to keep the present one. Raises Refused
        for a line that cannot be changed.
        """
        if self.image.layout.iso is None:
            return self
        texts, originals = {}, {}
        for place, text in self.input_texts.items():
            original = self.originals.get(place, text)
            try:
                text = boot_arguments.with_arguments(text, original, self.before, after)
                if volume_id:
                    old_id = self.image.layout.iso.volume_id
                    text, original = (replace_volume_id(content, old_id, volume_id)
                                      for content in (text, original))
            except CannotEdit as exc:
                raise Refused(f"{place}:{exc.line}: the boot configuration cannot be changed:"
                              f" {exc.reason}", hint=exc.hint) from exc
            texts[place], originals[place] = text, original
        verity = self.image.layout.verity
        if verity is not None:  # the root hash of the new squashfs, which contains them
            originals = {place: without_values(text, verity)
                         for place, text in originals.items()}
        return dataclasses.replace(self, texts=texts,
                                   originals=originals if self.before or after else {})

    def with_verity(self, new: Verity) -> IsoBoot:
        """Return the boot configurations with the root hash and the offset of ``new``."""
        old = self.image.layout.verity
        assert old is not None
        return dataclasses.replace(self, texts={
            place: with_values(without_values(text, old), new)
            for place, text in (self.texts or self.input_texts).items()})

    def check_by_grub(self, work: Path, *, run: Runner) -> None:
        """Raise Refused if GRUB's own parser takes a text of the input, but not the new one.

        ``work`` is a folder for temporary files.
        """
        for place, old in self.input_texts.items():
            new = self.texts.get(place, old)
            if new != old and is_grub(old) and not grub_check.accepts(new, work, run=run) and (
                    grub_check.accepts(old, work, run=run)):
                raise Refused(f"{place}: grub-script-check does not accept the boot configuration"
                              " with the changes of the merge",
                              hint="This is a bug of ovirt-node-plugin: report it, with the file.")

    def write(self, work: Path, *, run: Runner) -> Tuple[Dict[str, Path], Dict[str, Path]]:
        """Write the changed boot configurations to the folder ``work``.

        Returns the files and the FAT images as ``boot.write_changed`` does. Raises Refused if a
        FAT image has no space left.
        """
        layout = self.image.layout
        if layout.iso is None:
            return {}, {}
        return boot.write_changed(
            layout.path, layout.iso, self.input_texts, self.texts, work, run=run)


def read(image: Image, work: Path, *, run: Runner) -> IsoBoot:
    """Read the boot configurations of the open ``image``; ``work`` is a folder for copies."""
    layout = image.layout
    if layout.iso is None:
        return IsoBoot(image)
    configurations = boot.boot_configurations(layout.path, layout.iso, work, run=run)
    texts = {configuration.place: configuration.text for configuration in configurations}
    before = boot_arguments.plugin_arguments(image.root)
    mark = marks.read_if_valid(image.root)
    recorded = dict(mark.boot) if mark else {}
    if layout.verity is not None:
        recorded = {place: with_values(text, layout.verity) for place, text in recorded.items()}
    originals = boot_arguments.original_texts(texts, recorded, before)
    return IsoBoot(image=image, configurations=configurations, texts=texts,
                   originals=originals, before=before)
