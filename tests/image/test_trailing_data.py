"""Data behind a filesystem is detected, of the kinds that veritysetup and others write."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.images.trailing_data import data_behind_filesystem
from ovirt_node_plugin.system.run import run


@pytest.mark.parametrize("maker", [
    "mkfs.ext2 -q -b 1024", "mkfs.ext4 -q -b 4096 -O 64bit", "mkfs.ext4 -q -O ^64bit",
    "mkfs.xfs -q", "mkfs.xfs -q -b size=1024"])
def test_data_behind_a_filesystem_is_found(maker: str, tmp_path: Path) -> None:
    image = tmp_path / "rootfs.img"
    with open(image, "wb") as stream:
        stream.truncate(320 << 20)
    run([*maker.split(), image])
    size_bytes = image.stat().st_size
    assert data_behind_filesystem(image, "rootfs.img") is None
    with open(image, "ab") as stream:
        stream.write(bytes(10_000))
    assert data_behind_filesystem(image, "rootfs.img") is None
    with open(image, "r+b") as stream:
        stream.seek(size_bytes + 5000)
        stream.write(b"x")
    data = data_behind_filesystem(image, "rootfs.img")
    assert data is not None
    assert (data.offset, data.size_bytes, data.verity) == (size_bytes + 5000, 5000, None)
