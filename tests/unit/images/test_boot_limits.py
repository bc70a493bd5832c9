"""The boot configurations and FAT images of an ISO are read up to a limit of size."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso import iso
from ovirt_node_plugin.images.iso.boot import boot_configurations
from ovirt_node_plugin.images.iso.checksum import Checksum
from ovirt_node_plugin.system import limits
from ovirt_node_plugin.system.run import StrPath

pytestmark = pytest.mark.unit


def with_files(*files: iso.IsoFile) -> iso.Iso:
    return iso.Iso(volume_id="", files=files, el_torito=(), system_area=(), partitions=(),
                   joliet=False, checksum=Checksum(implanted=False, supported=False))


def refusal(*files: iso.IsoFile) -> str:
    with pytest.raises(BadImage) as caught:
        boot_configurations(Path("a.iso"), with_files(*files), Path("work"), run=never)
    return caught.value.message


def never(argv: Sequence[StrPath], **options: object) -> str:
    raise AssertionError(argv)


def test_configurations_are_limited_together() -> None:
    files = [iso.IsoFile(f"/boot/grub/{number}.cfg", 16, 1 << 20) for number in range(17)]
    assert refusal(*files) == "the boot configurations of a.iso have more than 16777216 bytes"


def test_fat_images_are_limited_together() -> None:
    files = [iso.IsoFile(f"/{number}/efiboot.img", 16, 300 << 20) for number in range(2)]
    assert refusal(*files) == "the FAT images of a.iso have more than 536870912 bytes"


def test_files_of_an_iso_that_share_blocks_again_and_again_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(bytes(4096))

    def listing(argv: Sequence[StrPath], **options: object) -> str:
        return "".join(f"File data lba:  0 ,  0 ,  2 ,  4096 , '/{n}'\n" for n in range(17))

    with pytest.raises(BadImage, match="together are more than 16 times larger than it"):
        iso.read_iso(path, run=listing)


def test_the_number_of_files_on_an_iso_is_limited(tmp_path: Path) -> None:
    def listing(argv: Sequence[StrPath], **options: object) -> str:
        return "File data lba:  0 ,  1 ,  1 ,  1 , '/a'\n" * (limits.ISO_FILES + 1)

    with pytest.raises(BadImage, match="a.iso has more than 100000 files"):
        iso.read_iso(tmp_path / "a.iso", run=listing)
