"""What the plan says of the initramfs with which an ISO boots."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.images.image import ISO, Image, Layout
from ovirt_node_plugin.images.iso.boot import BootConfiguration
from ovirt_node_plugin.images.iso.checksum import Checksum
from ovirt_node_plugin.images.iso.iso import Iso, IsoFile
from ovirt_node_plugin.merge.iso.iso_initramfs import forecast

pytestmark = pytest.mark.root

IMAGE = Image(Layout(Path("/a.iso"), ISO, iso=Iso(
    "A", (IsoFile("/initrd.img", 100, 2048),), (), (), (), joliet=False,
    checksum=Checksum(implanted=False, supported=False))), Path("/outer"), Path("/root"))


def test_an_initramfs_in_a_fat_image_is_not_that_of_the_same_path_on_the_iso() -> None:
    place = "/efiboot.img:/loader/entries/live.conf"
    entry = "title A\nlinux /vmlinuz\noptions quiet\n"
    (note,) = forecast(IMAGE, (BootConfiguration(place, f"{entry}initrd /initrd.img\n"),))
    assert note.startswith(f"{place} boots with an initramfs in the FAT image: it is not changed")
    (note,) = forecast(IMAGE, (BootConfiguration(place, entry),))
    assert note.startswith("No boot configuration names an initramfs")
