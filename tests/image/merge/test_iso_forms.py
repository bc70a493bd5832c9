"""Merges into ISOs whose form differs from the usual ones: kept, or refused before the install."""
from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import Sequence

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.iso_contents import (
    boot_records,
    extract_iso,
    fat_text,
    file_digests,
    volume_id,
    xorriso,
)
from tests.support.program import Program

pytestmark = [pytest.mark.root]

ARGUMENT = '<kernel-argument name="isv.mode" value="fast"/>'
BIOS = ("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot",
        "-boot-load-size", "4", "-boot-info-table")
UEFI = ("-eltorito-alt-boot", "-e", "images/efiboot.img", "-no-emul-boot")
LINKED = ("-eltorito-alt-boot", "-e", "images/uefi.img", "-no-emul-boot")
APPLE = ("-eltorito-alt-boot", "-e", "images/macboot.img", "-no-emul-boot")


@pytest.fixture(scope="module", name="tree")
def _tree(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of an installer ISO, with an image for Apple's firmware as lorax makes it."""
    iso = built.iso("installer")
    tree = extract_iso(iso, tmp_path_factory.mktemp("forms") / "tree")
    (tree / "images/macboot.img").write_bytes(
        bytes(1024) + struct.pack(">2sH", b"H+", 4).ljust(2048 * 300, b"\0"))
    shutil.copy(tree / "images/efiboot.img", tree / "images/uefi.img")
    os.link(tree / "images/uefi.img", tree / "images/uefi-link.img")
    return tree


def make_iso(tree: Path, iso: Path, booting: Sequence[str]) -> Path:
    """Write an ISO with the boot images of lorax's x86.tmpl, by the options ``booting``."""
    run(["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-V",
         "CentOS-Stream-9-BaseOS-x86_64", *booting, "-o", iso, tree])
    return iso


def test_an_image_for_apples_firmware_and_hard_links_of_boot_images_are_kept(
        tree: Path, built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = tmp_path / "mac.iso", tmp_path / "merged.iso"
    make_iso(tree, iso, [*BIOS, *UEFI, *APPLE, *LINKED, "-isohybrid-mbr",
                         str(built.iso("old-live")), "-isohybrid-gpt-basdat",
                         "-isohybrid-apm-hfsplus"])
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=[ARGUMENT])
    answer = succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    assert "/images/macboot.img is no FAT image: boot configurations in it are not" in answer.out
    assert boot_records(merged) == boot_records(iso) and volume_id(merged) == volume_id(iso)
    new = extract_iso(merged, tmp_path / "new")
    for name in ("efiboot", "uefi", "uefi-link"):
        assert "isv.mode=fast" in fat_text(new / f"images/{name}.img", "/EFI/BOOT/grub.cfg")
    before, after = file_digests(tree), file_digests(new)
    changed = {path for path, digest in before.items() if after.get(path) != digest}
    assert changed == {"images/efiboot.img", "images/uefi.img", "images/uefi-link.img",
                       "EFI/BOOT/grub.cfg", "isolinux/isolinux.cfg", "isolinux/grub.conf",
                       "isolinux/isolinux.bin", "isolinux/boot.cat",
                       "ovirt-node-ng-image.squashfs.img"}


def test_an_iso_that_cannot_be_copied_is_refused_before_anything_is_installed(
        tree: Path, program: Program, tmp_path: Path) -> None:
    iso, merged = tmp_path / "hidden.iso", tmp_path / "merged.iso"
    make_iso(tree, tmp_path / "mac.iso", [*BIOS, *UEFI, *APPLE])
    xorriso(tmp_path / "mac.iso", "-outdev", f"stdio:{iso}", "-boot_image", "any", "replay",
            "-hide", "on", "/images/macboot.img", "--", "-changes_pending", "yes", "-commit")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    for command, words in (("merge", [iso, plugin, "--dry-run", UNSIGNED]),
                           ("merge", [iso, plugin, "-o", merged, "-y", UNSIGNED]),
                           ("shell", [iso, "-o", merged, "--", "/bin/true"])):
        answer = program(command, *words)
        assert answer.status == 6 and "Planning" not in answer.err, answer.text
        assert f"the boot records of {iso} cannot be written again" in answer.err
        assert "disk" not in answer.err
    assert not merged.exists()
    assert "oVirt Node" in succeeded(program("inspect", iso)).out


def test_erofs_in_place_of_the_squashfs_is_named_by_every_command(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, image = tmp_path / "erofs.iso", tmp_path / "squashfs.img"
    image.write_bytes(bytes(1024) + b"\xe2\xe1\xf5\xe0" + bytes(100_000))
    run(["xorriso", "-outdev", iso, "-map", image, "/LiveOS/squashfs.img", "-commit"])
    name = "/LiveOS/squashfs.img, an EROFS filesystem"
    copy = "-extract /LiveOS/squashfs.img IMAGE. Copy its tree to a folder"
    for command, words in (("inspect", [iso]), ("inspect", [iso, "--image=LiveOS/squashfs.img"]),
                           ("diff", [built.iso("tree-live"), iso]), ("manifest", [iso]),
                           ("merge", [iso, built.bundle("snmp"), "--dry-run"])):
        answer = program(command, *words)
        assert answer.status == 10 and name in " ".join(answer.err.split()), answer.text
        assert copy in answer.err and "cp -a DIR/. FOLDER" in answer.err
    assert f"{image} is neither an ISO nor a squashfs; it is an EROFS filesystem" in " ".join(
        program("inspect", image).err.split())
