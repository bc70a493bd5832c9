"""Squashfs images whose end differs from the usual form: without padding, or with data behind."""
from __future__ import annotations

import os
import re
import shutil
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

# Changes the last byte of a hash tree that it makes.
DAMAGE = """#!/bin/sh -e
{program} "$@"
test "$1" != format || printf x | dd of="$3" bs=1 seek=$(($(stat -c %s "$3") - 1)) conv=notrunc
"""


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


MENUS = ("EFI/BOOT/grub.cfg", "boot/grub2/grub.cfg")


def with_menus(iso: Path, menus: Path, old: str, new: str) -> Path:
    """Write a copy of ``iso`` with ``new`` instead of ``old`` in the menus, which are kept."""
    copy = iso.with_name(f"menus-{menus.name}.iso")
    tree = extract_iso(iso, menus)
    mapped = []
    for name in MENUS:
        (tree / name).write_text((tree / name).read_text().replace(old, new))
        mapped += ["-map", str(tree / name), f"/{name}"]
    xorriso(iso, "-outdev", f"stdio:{copy}", "-boot_image", "any", "replay", *mapped, "-commit")
    return copy


def menus(iso: Path, tree: Path) -> List[str]:
    """Return the menus of ``iso``, whose files are extracted to ``tree``."""
    folder = extract_iso(iso, tree)
    return [(folder / name).read_text() for name in MENUS]


def test_a_hash_tree_behind_the_squashfs_is_made_again_and_its_root_hash_replaced(
        built: support.Fixtures, squashfs: Path, program: Program, tmp_path: Path) -> None:
    payload, merged, bare = tmp_path / "image", tmp_path / "merged.iso", tmp_path / "bare.iso"
    payload.write_bytes(squashfs.read_bytes())
    offset = payload.stat().st_size
    run(["veritysetup", "format", payload, payload, f"--hash-offset={offset}"])
    iso = with_payload(built, payload, tmp_path / "a.iso")
    old = succeeded(program("inspect", iso, "--json")).json["trailing"]["root_hash"]
    words = "rd.live.image roothash={} systemd.verity_root_options=hash-offset={}"
    iso = with_menus(iso, tmp_path / "in", "rd.live.image", words.format(old, offset))
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""},
                         settings=['<kernel-argument name="isv.mode" value="fast"/>'])
    assert "The dm-verity data behind /LiveOS/squashfs.img is made again" in succeeded(
        program("merge", iso, plugin, "--dry-run", UNSIGNED)).out
    answer = succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    succeeded(program("merge", merged, "--remove", "isv", "-o", bare, "-y"))
    before = menus(iso, tmp_path / "old")
    for image, argument in ((merged, " isv.mode=fast"), (bare, "")):
        tree = tmp_path / image.stem
        after = menus(image, tree)
        data = succeeded(program("inspect", image, "--json")).json["trailing"]
        new, size_bytes = data["root_hash"], (tree / "LiveOS/squashfs.img").stat().st_size
        at = size_bytes - data["size_bytes"]
        run(["veritysetup", "verify", tree / "LiveOS/squashfs.img", tree / "LiveOS/squashfs.img",
             new, f"--hash-offset={at}"])
        assert new != old and (image == bare or f"its root hash is {new}." in answer.out)
        plain = [text.replace(argument, "") if argument else text for text in after]
        assert plain == [text.replace(old, new).replace(f"offset={offset}", f"offset={at}")
                         for text in before]
        assert all(text.count(argument) >= 3 for text in after)


def test_a_hash_tree_that_is_wrong_in_the_output_is_reported(
        squashfs: Path, program: Program, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    payload, output = tmp_path / "image", tmp_path / "output"
    payload.write_bytes(squashfs.read_bytes())
    run(["veritysetup", "format", payload, payload, f"--hash-offset={payload.stat().st_size}"])
    veritysetup = tmp_path / "bin/veritysetup"
    veritysetup.parent.mkdir()
    veritysetup.write_text(DAMAGE.format(program=shutil.which("veritysetup")))
    veritysetup.chmod(0o755)
    monkeypatch.setenv("PATH", f"{veritysetup.parent}:{os.environ['PATH']}")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    answer = program("merge", payload, plugin, "-o", output, "-y", UNSIGNED)
    assert answer.status == 8 and not output.exists()
    assert "does not match its dm-verity data" in " ".join(answer.err.split())


def test_a_plan_names_the_boot_configurations_that_change_and_no_others(
        built: support.Fixtures, squashfs: Path, program: Program, tmp_path: Path) -> None:
    payload, signature = tmp_path / "image", tmp_path / "signature"
    payload.write_bytes(squashfs.read_bytes())
    signature.write_text("signature")
    run(["veritysetup", "format", payload, payload, f"--hash-offset={payload.stat().st_size}"])
    iso = with_payload(built, payload, tmp_path / "a.iso")
    old = succeeded(program("inspect", iso, "--json")).json["trailing"]["root_hash"]
    iso = with_menus(iso, tmp_path / "in", "rd.live.image", f"rd.live.image roothash={old}")
    hashed, signed, bare = (tmp_path / name for name in ("hashed.iso", "signed.iso", "bare.iso"))
    for image, output in ((iso, hashed), (built.iso("tree-live"), signed)):
        xorriso(image, "-outdev", f"stdio:{output}", "-boot_image", "any", "replay",
                *(word for name in MENUS for word in ("-map", str(signature), f"/{name}.sig")),
                "-commit")
    run(["xorriso", "-no_rc", "-outdev", f"stdio:{bare}", "-map", squashfs,
         "/LiveOS/squashfs.img", "-commit"])
    plain = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    argument = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""},
                           settings=['<kernel-argument name="rd.live.image"/>'])
    for image, plugin, places, line in (
            (hashed, plain, MENUS, ""),
            (signed, argument, (), "the boot configurations need no change."),
            (bare, argument, (), "are not added to a boot configuration: the ISO has none")):
        answer = succeeded(program("merge", image, plugin, "--dry-run", UNSIGNED))
        assert re.findall(r"its signature /(\S+)\.sig is not valid", answer.out) == list(places)
        assert line in answer.out
        assert ("Kernel arguments (rd.live.image)" in answer.out) == bool(line)


def test_a_root_hash_that_would_become_wrong_is_refused(
        built: support.Fixtures, squashfs: Path, program: Program, tmp_path: Path) -> None:
    payload, wrong = tmp_path / "image", "ab" * 32
    payload.write_bytes(squashfs.read_bytes())
    run(["veritysetup", "format", payload, payload, f"--hash-offset={payload.stat().st_size}"])
    iso = with_payload(built, payload, tmp_path / "a.iso")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    hash_file = tmp_path / "hashes.iso"
    run(["veritysetup", "format", squashfs, tmp_path / "hashes"])
    xorriso(built.iso("tree-live"), "-outdev", f"stdio:{hash_file}", "-boot_image", "any",
            "replay", "-map", str(tmp_path / "hashes"), "/LiveOS/squashfs.verity", "-commit")
    for number, (image, argument, message) in enumerate((
            (iso, f"roothash={wrong}", f"names the root hash {wrong} of dm-verity, which is not"),
            (built.iso("tree-live"), f"verity.usrhash={wrong}", f"names the root hash {wrong}"),
            (iso, "systemd.verity_root_options=root-hash-signature=/a", "names a signature"),
            (iso, "systemd.verity_root_options=hash-offset=7", "names the hash offset 7; the"),
            (iso, "dm-mod.create=a", "contains a table of the device mapper"),
            (hash_file, "", "/LiveOS/squashfs.verity is dm-verity data of /LiveOS/squashfs.img"))):
        if argument:
            name = tmp_path / f"{number}.iso"
            name.symlink_to(image)
            image = with_menus(name, tmp_path / f"tree-{number}", "rd.live.image",
                               f"rd.live.image {argument}")
        answer = program("merge", image, plugin, "--dry-run", UNSIGNED)
        assert answer.status == 6 and message in " ".join(answer.err.split()), answer.text
