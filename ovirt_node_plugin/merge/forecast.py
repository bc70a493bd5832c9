"""What a merge does to an image besides its root, told before it is done."""
from __future__ import annotations

from typing import Tuple

from ..images import boot
from ..settings.boot.argument_text import decode
from ..settings.boot.dracut_files import KIND_NAMES
from ..system import words
from .merge import Merge, Rehearsal, wanted_size

_ARGUMENT = "kernel-argument"


def notes(merge: Merge, rehearsal: Rehearsal) -> Tuple[str, ...]:
    """Return lines on the ISO, the boot configurations and the filesystem image.

    Raises UsageError for a size that cannot be.
    """
    return (*_size(merge, rehearsal), *_iso(merge, rehearsal))


def _size(merge: Merge, rehearsal: Rehearsal) -> Tuple[str, ...]:
    filesystem, size = merge.image.layout.filesystem, wanted_size(merge, rehearsal)
    if filesystem is None or size <= filesystem.size_bytes:
        return ()
    return (f"{merge.image.layout.inner} grows by {words.size(size - filesystem.size_bytes)}, from"
            f" {words.size(filesystem.size_bytes)} to {words.size(size)}.",)


def _iso(merge: Merge, rehearsal: Rehearsal) -> Tuple[str, ...]:
    iso, found = merge.image.layout.iso, []
    if iso is None:
        return ()
    codes = sorted({one["value"] for one in rehearsal.settings() if one["kind"] == _ARGUMENT})
    volume_id = merge.order.volume_id
    if codes or volume_id:
        places = ", ".join(one.place for one in boot.boot_configurations(
            merge.image.layout.path, iso, merge.folder("forecast"), run=merge.run))
        if codes:
            arguments = ", ".join(decode(code).token for code in codes)
            found.append(f"Kernel arguments ({arguments}) are changed in {places} too.")
        if volume_id:
            found.append(f"The volume id becomes {volume_id}, in {places} too.")
    if any(one["kind"] in KIND_NAMES for one in rehearsal.settings()):
        found.append("The initramfs that a live ISO boots with is made to fit as well.")
    return tuple(found)
