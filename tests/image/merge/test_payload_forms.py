"""Squashfs images whose end differs from the usual form: without padding, or with data behind."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.system.run import StrPath, run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.iso_contents import extract_iso, xorriso
from tests.support.program import Program

pytestmark = [pytest.mark.root]


@pytest.fixture(scope="module", name="squashfs")
def _squashfs(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The squashfs of a live ISO, whose size is a multiple of 4096."""
    tree = extract_iso(built.iso("tree-live"), tmp_path_factory.mktemp("payload") / "tree")
    return tree / "LiveOS/squashfs.img"


def with_payload(built: support.Fixtures, payload: Path, iso: Path) -> Path:
    """Write the live ISO with another squashfs."""
    xorriso(built.iso("tree-live"), "-outdev", f"stdio:{iso}", "-boot_image", "any", "replay",
            "-map", str(payload), "/LiveOS/squashfs.img", "-commit")
    return iso


def test_a_squashfs_without_padding_stays_without(
        built: support.Fixtures, squashfs: Path, program: Program, tmp_path: Path) -> None:
    bare, root = tmp_path / "bare.img", tmp_path / "root"
    run(["unsquashfs", "-no-progress", "-quiet", "-dest", root, squashfs])
    options: List[StrPath] = ["-comp", "zstd", "-nopad", "-noappend", "-no-progress"]
    run(["mksquashfs", root, bare, *options])
    if bare.stat().st_size % 512 == 0:
        (root / "opt/more").write_bytes(b"more")
        run(["mksquashfs", root, bare, *options])
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    for image in (bare, with_payload(built, bare, tmp_path / "bare.iso")):
        assert succeeded(program("inspect", image, "--json")).json["trailing"] is None
        merged = tmp_path / f"new-{image.name}"
        succeeded(program("merge", image, plugin, "-o", merged, "-y", UNSIGNED))
        assert succeeded(program("extract", merged, "/opt/agent/text")).out == "hello\n"
        if image != bare:
            merged = extract_iso(merged, tmp_path / "tree") / "LiveOS/squashfs.img"
        (line,) = [line for line in run(["unsquashfs", "-s", merged]).splitlines()
                   if line.startswith("Filesystem size")]
        assert int(line.split()[2]) == merged.stat().st_size


def test_data_behind_the_squashfs_is_told_and_not_dropped(
        built: support.Fixtures, squashfs: Path, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    payload, merged = tmp_path / "image", tmp_path / "merged"
    payload.write_bytes(squashfs.read_bytes() + bytes(5000) + b"signature" + bytes(7000))
    for image, name in ((payload, str(payload)), (with_payload(
            built, payload, tmp_path / "a.iso"), "/LiveOS/squashfs.img")):
        expected = {"behind": name, "kind": "unknown", "size_bytes": 7009, "root_hash": None}
        assert succeeded(program("inspect", image, "--json")).json["trailing"] == expected
        assert "data of unknown kind, 6.8 KiB, behind" in " ".join(
            succeeded(program("inspect", image)).out.split())
        for command, words in (("merge", [image, plugin, "--dry-run", UNSIGNED]),
                               ("merge", [image, plugin, "-o", merged, "-y", UNSIGNED]),
                               ("shell", [image, "-o", merged, "--", "/bin/true"])):
            answer = program(command, *words)
            assert answer.status == 6 and not merged.exists()
            assert (f"behind {name} is data of unknown kind (6.8 KiB), which the new image would"
                    " not have") in " ".join(answer.err.split()), answer.text
    payload.write_bytes(squashfs.read_bytes() + bytes(9000))
    assert succeeded(program("inspect", payload, "--json")).json["trailing"] is None


def test_data_behind_the_filesystem_in_the_squashfs_is_told_and_not_dropped(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    tree = extract_iso(built.iso("old-live"), tmp_path / "tree")
    outer, payload = tmp_path / "outer", tmp_path / "image"
    run(["unsquashfs", "-no-progress", "-quiet", "-dest", outer, tree / "LiveOS/squashfs.img"])
    with open(outer / "LiveOS/ext3fs.img", "ab") as stream:
        stream.write(bytes(4096) + b"x" * 1000)
    run(["mksquashfs", outer, payload, "-comp", "zstd", "-noappend", "-no-progress"])
    assert succeeded(program("inspect", payload, "--json")).json["trailing"] == {
        "behind": "LiveOS/ext3fs.img", "kind": "unknown", "size_bytes": 1000, "root_hash": None}
    answer = program("shell", payload, "-o", tmp_path / "merged", "--", "/bin/true")
    assert answer.status == 6 and "behind LiveOS/ext3fs.img is data of unknown kind" in answer.err
