"""Data behind a filesystem is detected, of the kinds that veritysetup and others write."""
from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path
from typing import Callable, Tuple

import pytest

from ovirt_node_plugin.errors import BadImage, Refused
from ovirt_node_plugin.images.image import SQUASHFS, Image, Layout
from ovirt_node_plugin.images.squashfs.squashfs import read_superblock
from ovirt_node_plugin.images.squashfs.trailing_data import (
    TrailingData,
    data_behind_filesystem,
    data_behind_squashfs,
)
from ovirt_node_plugin.images.squashfs.verity_tool import add_verity, check_verity
from ovirt_node_plugin.merge.iso.verity_checks import check_root_hashes
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


@pytest.fixture(scope="module", name="squashfs")
def _squashfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs of 2 MiB, whose hash tree has several levels."""
    tree = tmp_path_factory.mktemp("verity") / "tree"
    tree.mkdir()
    (tree / "random").write_bytes(random.Random(1).randbytes(2 << 20))
    run(["mksquashfs", tree, tree.with_name("image"), "-no-progress"])
    return tree.with_name("image")


def formatted(squashfs: Path, path: Path, *options: str) -> str:
    """Copy a squashfs to ``path`` and add a hash tree; return its root hash."""
    path.write_bytes(squashfs.read_bytes())
    text = run(["veritysetup", "format", path, path, f"--hash-offset={path.stat().st_size}",
                *options])
    match = re.search(r"^Root hash:\s*(\S+)$", text, re.MULTILINE)
    assert match is not None
    return match.group(1)


def trailing(path: Path) -> TrailingData:
    """Return the data behind the squashfs in the file ``path``."""
    data = data_behind_squashfs(path, "image", start=0, size_bytes=path.stat().st_size,
                                bytes_used=read_superblock(path).bytes_used)
    assert data is not None
    return data


@pytest.mark.parametrize("options", [
    (), ("--hash=sha512", "--salt=-"), ("--format=0", "--hash-block-size=1024"),
    ("--hash=sha1", "--data-block-size=1024", "--hash-block-size=512", "--salt=aabb")],
    ids=" ".join)
def test_a_hash_tree_is_read_checked_and_made_again_with_the_same_properties(
        options: Tuple[str, ...], squashfs: Path, tmp_path: Path) -> None:
    image, new = tmp_path / "image", tmp_path / "new"
    root_hash = formatted(squashfs, image, *options)
    old = trailing(image).verity
    assert old is not None and old.root_hash == root_hash
    check_verity(image, old, start=0, run=run)
    new.write_bytes(squashfs.read_bytes() + bytes(8192))  # another size
    made = add_verity(new, old, run=run)
    assert made == trailing(new).verity
    run(["veritysetup", "verify", new, new, made.root_hash, f"--hash-offset={made.offset}"])
    kept = ("hash_type", "uuid", "algorithm", "data_block_bytes", "hash_block_bytes", "salt")
    assert [getattr(made, name) for name in kept] == [getattr(old, name) for name in kept]
    assert made.data_bytes == old.data_bytes + 8192 and made.root_hash != old.root_hash
    new.write_bytes(squashfs.read_bytes())
    assert add_verity(new, old, run=run) == old and new.read_bytes() == image.read_bytes()
    with open(image, "r+b") as stream:
        stream.seek(50_000)
        stream.write(b"damaged")
    with pytest.raises(BadImage, match="does not match its dm-verity data"):
        check_verity(image, old, start=0, run=run)


@pytest.mark.parametrize("change", [
    lambda data: data + b"more", lambda data: data[:-100],
    lambda data: data.replace(b"verity\0\0\1", b"verity\0\0\2"),
    lambda data: data.replace(b"sha256", b"md4711")], ids=["more", "less", "version", "algorithm"])
def test_another_form_of_data_is_no_hash_tree(
        change: Callable[[bytes], bytes], squashfs: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    formatted(squashfs, image)
    image.write_bytes(change(image.read_bytes()))
    assert trailing(image).verity is None
    formatted(squashfs, image, "--no-superblock")
    assert trailing(image).words == "data of unknown kind"


def test_a_hash_tree_that_cannot_be_made_here_is_refused(
        squashfs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image"
    root_hash = formatted(squashfs, path)
    layout = Layout(path, SQUASHFS, squashfs=read_superblock(path), trailing=trailing(path))
    data = layout.trailing
    assert data is not None and data.verity is not None
    part = dataclasses.replace(data, verity=dataclasses.replace(data.verity, data_bytes=4096))
    monkeypatch.setenv("PATH", str(tmp_path))
    for number, (form, message) in enumerate((
            (layout, f"{root_hash}, and this machine has no veritysetup"),
            (dataclasses.replace(layout, trailing=part), "covers 4096 bytes, not the squashfs"))):
        work = tmp_path / str(number)
        work.mkdir()
        with pytest.raises(Refused, match=message):
            check_root_hashes(Image(form, tmp_path, tmp_path), work, run=run)
