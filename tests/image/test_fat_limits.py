"""FAT images that an ISO boots from are read within limits, whatever their tables say."""
from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso import iso
from ovirt_node_plugin.images.iso.boot import boot_configurations
from ovirt_node_plugin.images.iso.checksum import Checksum
from ovirt_node_plugin.system.run import run


@pytest.fixture(name="fat")
def _fat(tmp_path: Path) -> Path:
    """An ISO that is only a FAT image."""
    path = tmp_path / "fat.iso"
    path.write_bytes(b"")
    os.truncate(path, 4 << 20)
    run(["mformat", "-i", path, "::"])
    run(["mmd", "-i", path, "::/EFI", "::/EFI/BOOT", "::/EFI/BOOT/LOOP"])
    return path


def configurations(fat: Path, work: Path) -> List[str]:
    """Return the places of the boot configurations of an ISO with that FAT image."""
    image = iso.IsoFile("/efiboot.img", 0, fat.stat().st_size)
    content = iso.Iso(volume_id="", files=(image,), el_torito=(), system_area=(), partitions=(),
                      joliet=False, checksum=Checksum(implanted=False, supported=False))
    return [found.place for found in boot_configurations(fat, content, work, run=run)]


def test_a_folder_that_contains_itself_is_refused(fat: Path, tmp_path: Path) -> None:
    data = bytearray(fat.read_bytes())
    efi, loop = (data.index(name.ljust(11) + b"\x10") for name in (b"EFI", b"LOOP"))
    data[loop + 26:loop + 28] = data[efi + 26:efi + 28]  # the first cluster
    fat.write_bytes(data)
    with pytest.raises(BadImage, match="a FAT image that UEFI boots from cannot be read"):
        configurations(fat, tmp_path)


def test_a_configuration_that_is_too_large_is_left_out(fat: Path, tmp_path: Path) -> None:
    (tmp_path / "grub.cfg").write_text("menuentry 'a' {\n linux /a\n}\n")
    (tmp_path / "large.cfg").write_bytes(b"linux /a\n" * 200_000)
    for name in ("grub.cfg", "large.cfg"):
        run(["mcopy", "-i", fat, tmp_path / name, f"::/EFI/BOOT/{name}"])
    assert configurations(fat, tmp_path) == ["/efiboot.img:/EFI/BOOT/grub.cfg"]


def test_entries_of_systemd_boot_are_read(fat: Path, tmp_path: Path) -> None:
    entry = tmp_path / "live.conf"
    entry.write_text("title A\nlinux /vmlinuz\noptions quiet\n")
    run(["mmd", "-i", fat, "::/loader", "::/loader/entries"])
    run(["mcopy", "-i", fat, entry, "::/loader/entries/live.conf"])
    assert configurations(fat, tmp_path) == ["/efiboot.img:/loader/entries/live.conf"]


def test_the_configurations_in_a_fat_image_are_limited(fat: Path, tmp_path: Path) -> None:
    names = [tmp_path / f"{number}.cfg" for number in range(101)]
    for name in names:
        name.write_text("")
    run(["mcopy", "-i", fat, *names, "::/EFI/BOOT/"])
    with pytest.raises(BadImage, match="has more than 100 boot configurations"):
        configurations(fat, tmp_path)
