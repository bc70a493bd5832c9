"""Notes on what a merge will change outside of the root: the ISO and the filesystem image."""
from __future__ import annotations

import os
from typing import Iterable, Iterator, Tuple

from ..images.iso import iso_checksums
from ..images.iso.boot import other_images
from ..images.iso.iso import Iso, IsoChanges
from ..settings.boot.argument_text import decode
from ..settings.boot.dracut_files import KIND_NAMES
from ..system import words
from ..system.openpgp import SIGNATURE_SUFFIXES
from .iso import boot_arguments, iso_boot, iso_initramfs
from .model import Merge, Rehearsal, wanted_size
from .root import labels

_ARGUMENT = "kernel-argument"


def notes(merge: Merge, rehearsal: Rehearsal) -> Tuple[str, ...]:
    """Return lines on the ISO or RPM, boot configurations and the filesystem image.

    Raises Refused if a boot configuration cannot be changed as the merge needs it.
    """
    return (*_size(merge, rehearsal), *_iso(merge, rehearsal), *_package(merge), *_verity(merge),
            *filter(None, [labels.forecast(merge.image.layout, merge.image.root)]))


def _verity(merge: Merge) -> Tuple[str, ...]:
    layout = merge.image.layout
    if layout.verity is None:
        return ()
    return (f"The dm-verity data behind {layout.payload_path or layout.path} is made again; its"
            " root hash changes, also in the boot configurations that name it.",)


def _package(merge: Merge) -> Tuple[str, ...]:
    if merge.package is None:
        return ()
    return (f"The release of the RPM becomes {merge.package.release}.",)


def _size(merge: Merge, rehearsal: Rehearsal) -> Tuple[str, ...]:
    filesystem, size = merge.image.layout.filesystem, wanted_size(merge, rehearsal)
    if filesystem is None or size <= filesystem.size_bytes:
        return ()
    return (f"{merge.image.layout.inner} grows by {words.size(size - filesystem.size_bytes)}, from"
            f" {words.size(filesystem.size_bytes)} to {words.size(size)}.",)


def _iso(merge: Merge, rehearsal: Rehearsal) -> Iterator[str]:
    iso = merge.image.layout.iso
    codes = sorted({setting.value for setting in rehearsal.settings()
                    if setting.kind == _ARGUMENT})
    has_needs = any(setting.kind in KIND_NAMES for setting in rehearsal.settings())
    volume_id = merge.order.volume_id
    if iso is None:
        return
    work = merge.folder("forecast")
    boot = iso_boot.read(merge.image, work, run=merge.run)
    planned = boot_arguments.planned_arguments(boot.before, rehearsal.settings_by_plan())
    new = boot.for_arguments(planned, volume_id=volume_id)
    new.check_by_grub(work, run=merge.run)
    if codes:
        yield _arguments(codes, new)
    if codes or volume_id:
        yield from (f"{name} is no FAT image: boot configurations in it are not changed."
                    for name in other_images(merge.image.layout.path, iso))
    if volume_id:
        changed = boot.for_arguments(boot.before, volume_id=volume_id).changed
        places = f", also in {', '.join(changed)}" if changed else ""
        yield f"The volume id changes to {volume_id}{places}."
    if has_needs:
        yield from iso_initramfs.forecast(merge.image, boot.configurations)
    yield from _signatures(merge, iso, {*new.changed, *new.with_root_hash})


def _arguments(codes: Iterable[str], new: iso_boot.IsoBoot) -> str:
    """Return the line on kernel arguments, which ``codes`` change, in boot configurations."""
    arguments = ", ".join(decode(code).word for code in codes)
    if new.changed:
        return f"Kernel arguments ({arguments}) are also changed in {', '.join(new.changed)}."
    if any(configuration.entries for configuration in new.configurations):
        return f"Kernel arguments ({arguments}): the boot configurations need no change."
    return (f"Kernel arguments ({arguments}) are not added to a boot configuration: the ISO has"
            " none with entries.")


def _signatures(merge: Merge, iso: Iso, places: Iterable[str]) -> Iterator[str]:
    """Yield the signatures of files and lists of checksums that do not match after the merge.

    ``places`` are those of boot configurations that change.
    """
    layout = merge.image.layout
    changing = {*iso_checksums.changing_paths(iso, IsoChanges()),
                *(place.partition(":")[0] for place in places),
                *([layout.payload.path] if layout.payload is not None else [])}
    for file in iso.files:
        signed, suffix = os.path.splitext(file.path)
        if suffix in SIGNATURE_SUFFIXES and signed in changing:
            yield (f"{signed} on the ISO changes, so its signature {file.path} is not valid any"
                   " more.")
    for checksums in iso_checksums.checksum_lists(layout.path, iso):
        if any(path in changing for _, path in checksums.lines):
            yield from iso_checksums.signature_notes(checksums)
