"""Write a changed root as an image with the same containers as the input."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Tuple

from ..errors import Refused
from ..images.draft import Draft
from ..images.image import Image
from ..images.iso import iso_checksums
from ..images.iso.iso import Iso, IsoChanges, finish_iso, read_iso, read_span, write_iso
from ..images.iso.iso_copies import require_copyable
from ..images.rpm.rpm_build import NewRpm
from ..images.squashfs.compression import Compression
from ..images.squashfs.verity import Verity
from ..images.squashfs.verity_tool import add_verity
from ..system.progress import WRITTEN, Progress, transferred
from ..system.run import Runner
from ..system.words import size
from .iso.iso_boot import IsoBoot
from .iso.verity_checks import check_root_hashes


def require_writable(image: Image, package: Optional[NewRpm], work: Path, *,
                     run: Runner) -> None:
    """Raise Refused if an image in the form of ``image`` cannot be written.

    ``package`` is how an RPM is written, ``work`` a folder for temporary files.
    """
    if package is not None:
        package.check(work / "trial-rpm", run=run)
    layout = image.layout
    trailing = layout.trailing
    if trailing is not None and trailing.verity is None:
        raise Refused(f"behind {trailing.behind} is {trailing.words} ({size(trailing.size_bytes)}),"
                      " which the new image would not have", hint="Use an image without it.")
    if layout.iso is not None:
        require_copyable(layout.path, layout.iso, work, run=run)
    check_root_hashes(image, work, run=run)


@dataclass(frozen=True)
class Written:
    """What was written: the ``changes`` on the ISO, its boot configurations, and notes.

    ``verity`` is the hash tree behind the squashfs.
    """

    changes: IsoChanges
    boot: IsoBoot
    verity: Optional[Verity] = None
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Writer:
    """Writes the ``draft`` of ``image``; ``work`` is a folder for temporary files.

    ``package`` is how an RPM is written.
    """

    image: Image
    draft: Draft
    work: Path
    run: Runner
    progress: Progress
    recompress: Optional[Compression] = None
    package: Optional[NewRpm] = None

    def write(self, output: Path, changes: IsoChanges, boot: IsoBoot) -> Written:
        """Write the new file ``output`` with ``changes`` and those of payload and boot."""
        layout = self.image.layout
        if self.package is not None:
            payload = self.work / "payload"
            verity = self._pack(payload)
            with self.progress.step("rpm", "Writing the RPM"):
                self.package.write(payload, output, self.work / "rpm", run=self.run)
            return _written(IsoChanges(), boot, verity)
        if layout.iso is None or layout.payload is None:
            return _written(IsoChanges(), boot, self._pack(output))
        payload = self.work / "payload"
        verity = self._pack(payload)
        if verity is not None:
            boot = boot.with_verity(verity)
        files, overwritten = boot.write(self.work, run=self.run)
        lists = iso_checksums.without_removed(
            iso_checksums.checksum_lists(layout.path, layout.iso), changes.removed, self.work)
        changes = dataclasses.replace(changes, overwritten=overwritten, files={
            **changes.files, **files, **lists, layout.payload.path: payload})
        new_bytes = (layout.path.stat().st_size - layout.payload.size_bytes
                     + payload.stat().st_size)
        with self.progress.step("iso", "Writing the ISO", total=lambda: new_bytes) as advance:
            write_iso(layout.path, layout.iso, output, changes, run=self.run,
                      polled=transferred(advance, WRITTEN))
            corrected, notes = self._corrected_lists(layout.iso, output, changes)
            finish_iso(output, layout.iso, corrected, run=self.run)
        changes = dataclasses.replace(changes, overwritten={**overwritten, **corrected})
        return _written(changes, boot, verity, notes)

    def _corrected_lists(self, iso: Iso, output: Path, changes: IsoChanges,
                         ) -> Tuple[Dict[str, Path], Tuple[str, ...]]:
        """Write the lists of checksums that the ISO ``output`` needs; return them and notes."""
        source = self.image.layout.path
        if not iso_checksums.checksum_lists(source, iso):
            return {}, ()
        new = read_iso(output, run=self.run)
        corrected = iso_checksums.corrected_lists((source, iso), (output, new), changes)
        files = {}
        for number, (path, text) in enumerate(sorted(corrected.texts.items())):
            if read_span(output, new.spans[path]) != text:
                files[path] = self.work / f"corrected-{number}"
                files[path].write_bytes(text)
        return files, corrected.notes

    def _pack(self, output: Path) -> Optional[Verity]:
        """Pack the draft into ``output``; add and return dm-verity data if the input has it."""
        self.draft.pack(output, recompress=self.recompress)
        old = self.image.layout.verity
        if old is None:
            return None
        with self.progress.step("verity", "Making the dm-verity data"):
            return add_verity(output, old, run=self.run)


def _written(changes: IsoChanges, boot: IsoBoot, verity: Optional[Verity],
             notes: Tuple[str, ...] = ()) -> Written:
    """Return what was written, with a note on the hash tree if there is one."""
    if verity is not None:
        notes = (*notes, "The dm-verity data was made again; its root hash is"
                         f" {verity.root_hash}.")
    return Written(changes=changes, boot=boot, verity=verity, notes=notes)
