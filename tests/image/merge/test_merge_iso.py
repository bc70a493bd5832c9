"""Plugins merged into ISOs of every form; everything else and the boot records are kept."""
from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Dict, List
from xml.sax.saxutils import quoteattr

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.images.iso.boot_text.texts import entries
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support import schemas
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.grub import accepted
from tests.support.iso_contents import (
    boot_records,
    extract_iso,
    fat_text,
    file_digests,
    superblock,
    volume_id,
    xorriso,
)
from tests.support.isos import COMPRESSORS, FORMS, make_iso
from tests.support.program import Program

pytestmark = [pytest.mark.root]

PAYLOAD = {"installer": "ovirt-node-ng-image.squashfs.img", "old-live": "LiveOS/squashfs.img",
           "tree-live": "LiveOS/squashfs.img"}
INNER = {"installer": "LiveOS/rootfs.img", "old-live": "LiveOS/ext3fs.img"}
ARGUMENTS = ('<kernel-argument name="isv.mode" value="fast"/>',
             '<kernel-argument name="quiet" state="absent"/>')


def configurations(folder: Path, iso: Path, work: Path) -> Dict[str, str]:
    """Map the boot configurations of an ISO to their texts, read by other programs."""
    texts = {path.relative_to(folder).as_posix(): path.read_text()
             for path in folder.rglob("*") if re.search(r"(grub|isolinux)\.(cfg|conf)$", path.name)}
    efi = next(folder.rglob("efiboot.img"), work / "efi.img")
    if folder not in efi.parents:
        text = xorriso(iso, "-report_system_area", "plain")
        number = re.search(r"GPT partname local :\s+(\d+)\s+Appended", text)
        assert number is not None
        span = re.search(rf"GPT start and size :\s+{number.group(1)}\s+(\d+)\s+(\d+)", text)
        assert span is not None
        with open(iso, "rb") as stream:
            stream.seek(int(span.group(1)) * 512)
            efi.write_bytes(stream.read(int(span.group(2)) * 512))
    texts["in FAT"] = fat_text(efi, "/EFI/BOOT/grub.cfg")
    return texts


def boot_lines(text: str) -> List[str]:
    """Return the lines of a configuration that boot Linux."""
    return [line for line in text.splitlines()
            if re.match(r"\s*(append|linux\w*|kernel) .*(LABEL|root=)", line)]


# each form, and each compressor with the form that is fastest to write
@pytest.mark.parametrize(("form", "compressor"), [
    ("installer", "xz"), ("old-live", "gzip"), *(("tree-live", name) for name in COMPRESSORS)])
def test_everything_except_the_plugin_is_unchanged(
        form: str, compressor: str, built: support.Fixtures, program: Program,
        tmp_path: Path) -> None:
    iso, merged = built.iso(form, compressor), tmp_path / "merged.iso"
    succeeded(program("merge", iso, built.bundle("storage"), "-o", merged, "-y", "--trust-keys"))
    old, new = extract_iso(iso, tmp_path / "old"), extract_iso(merged, tmp_path / "new")
    assert boot_records(merged) == boot_records(iso) and len(boot_records(iso)) >= 3
    assert volume_id(merged) == volume_id(iso)
    # boot loaders and kernel arguments may search for a UUID
    before_uuids, after_uuids = (run(["blkid", "-p", "-o", "export", path]).splitlines()[1:]
                                 for path in (iso, merged))
    assert after_uuids == before_uuids
    guids = [xorriso(path, "-report_system_area", "gpt_disk_guid") for path in (iso, merged)]
    assert guids[0] == guids[1] and (form == "old-live" or guids[0].strip())
    assert superblock(new / PAYLOAD[form]) == superblock(old / PAYLOAD[form])
    before, after = file_digests(old), file_digests(new)
    differ = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    # xorriso writes a table of blocks into the boot catalog and images
    assert differ - {"boot.catalog", "isolinux/boot.cat", "isolinux/isolinux.bin",
                     "images/eltorito.img"} == {PAYLOAD[form], "ovirt-node-plugins.json"}
    if form in INNER:
        for folder in (old, new):
            run(["unsquashfs", "-no-progress", "-d", folder / "outer", folder / PAYLOAD[form]])
        old_filesystem, new_filesystem = (
            run(["blkid", "-p", "-o", "export", folder / "outer" / INNER[form]])
            for folder in (old, new))
        for name in ("LABEL", "UUID", "TYPE", "BLOCK_SIZE"):
            value = re.compile(f"^{name}=.*", re.M)
            assert value.findall(new_filesystem) == value.findall(old_filesystem)
        run(["e2fsck", "-f", "-n", new / "outer" / INNER[form]])
        image = (new / "outer" / INNER[form]).stat()
        assert image.st_size == (old / "outer" / INNER[form]).stat().st_size
        assert image.st_blocks * 512 < image.st_size / 4, "the image is not sparse"


@pytest.mark.parametrize("form", FORMS)
def test_the_checksum_is_implanted_if_the_iso_had_one(
        form: str, built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = built.iso(form), tmp_path / "merged.iso"
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    status = {path: re.findall(rb"RHLISOSTATUS=(\d)", path.read_bytes()[32768:34816])
              for path in (iso, merged)}
    assert status[merged] == status[iso]
    if status[iso]:
        run(["checkisomd5", merged])
        with open(merged, "r+b") as stream:
            stream.seek(merged.stat().st_size // 2)
            stream.write(b"damaged")
        with pytest.raises(CommandError):
            run(["checkisomd5", merged])
    else:
        assert form == "tree-live"


@pytest.mark.parametrize("form", FORMS)
def test_kernel_arguments_are_added_to_every_boot_configuration_and_removed(
        form: str, built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged, bare = built.iso(form), tmp_path / "merged.iso", tmp_path / "bare.iso"
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=ARGUMENTS)
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    succeeded(program("merge", merged, "--remove", "isv", "-o", bare, "-y"))
    before, after, restored = (
        configurations(extract_iso(image, tmp_path / image.stem), image, tmp_path)
        for image in (iso, merged, bare))
    assert len(before) >= 3
    for place, text in after.items():
        lines = boot_lines(text)
        assert lines and len(lines) == len(boot_lines(before[place])), place
        assert all("isv.mode=fast" in line.split() for line in lines), place
        assert not [line for line in lines if "quiet" in line.split()], place
        others = [line for line in text.splitlines() if line not in lines]
        assert [line for line in before[place].splitlines()
                if line not in boot_lines(before[place])] == others, place
    assert "quiet" in " ".join(before.values())
    assert restored == before


@pytest.mark.main_job
def test_the_iso_lists_the_merged_plugins(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = built.iso("installer"), tmp_path / "merged.iso"
    succeeded(program("merge", iso, built.bundle("cim"), "-o", merged, "-y", "--trust-keys"))
    written = extract_iso(merged, tmp_path / "new") / "ovirt-node-plugins.json"
    mark = schemas.validated(json.loads(written.read_text()), schemas.IMAGE)
    assert mark["source"] == iso.name
    assert mark["source_sha256"] == run(["sha256sum", iso]).split()[0]
    assert mark["tool"].startswith("ovirt-node-plugin ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", mark["merged_at"])
    assert [(plugin["name"], plugin["version"]) for plugin in mark["plugins"]] == [("cim", "1.0")]
    assert mark["changes"] == [{"action": "install", "name": "cim", "version": "1.0"}]
    extracted = succeeded(program("extract", merged, "/usr/share/ovirt-node-plugin/image.json")).out
    assert json.loads(extracted) == mark


def test_a_new_volume_id_is_written_to_every_boot_configuration(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = built.iso("installer"), tmp_path / "merged.iso"
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=ARGUMENTS)
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED, "--volid", VOLUME_ID))
    assert volume_id(merged) == VOLUME_ID
    old = volume_id(iso)
    before, after = (configurations(extract_iso(image, tmp_path / image.stem), image, tmp_path)
                     for image in (iso, merged))
    for place, text in after.items():
        assert old in before[place] and old not in text and "SITE" in text, place
        assert all(LABEL in entry.arguments for entry in entries(text)), place
    assert LABEL in after["isolinux/isolinux.cfg"]
    assert LABEL.replace("\\", "\\\\") in after["EFI/BOOT/grub.cfg"]
    assert '-l "SITE\'s 4.5.5;\\$\\""' in after["EFI/BOOT/grub.cfg"]
    assert accepted(after["EFI/BOOT/grub.cfg"])


def test_an_invalid_volume_id_is_refused(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    answer = program("merge", built.iso("tree-live"), "x", "-o", tmp_path / "out", "-y",
                     "--volid", "x" * 33)
    assert answer.status == 2 and "at most 32 characters" in answer.err


def test_a_squashfs_can_be_compressed_with_another_compressor(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = built.iso("tree-live", "gzip"), tmp_path / "merged.iso"
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED, "--recompress", "zstd:3"))
    lines = superblock(extract_iso(merged, tmp_path / "new") / PAYLOAD["tree-live"])
    assert "Compression zstd" in lines and "compression-level 3" in lines


def test_a_root_on_xfs_keeps_its_identity_and_can_grow(
        built: support.Fixtures, program: Program, node: Path, tmp_path: Path) -> None:
    iso, merged = tmp_path / "xfs.iso", tmp_path / "merged.iso"
    make_iso("old-live", node, iso, filesystem="xfs")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    before = succeeded(program("inspect", iso, "--json")).json["filesystem"]
    size = before["size_bytes"] + (64 << 20)
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED, f"--size={size}"))
    after = succeeded(program("inspect", merged, "--json")).json["filesystem"]
    assert after == {**before, "size_bytes": size} and after["kind"] == "xfs"


def test_a_smaller_size_is_refused(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = program("merge", built.iso("installer"), plugin, "-o", tmp_path / "out", "-y",
                     UNSIGNED, "--size", "100M")
    assert answer.status == 2 and "It can only grow" in answer.err
    assert ("has 128.0 MiB (134217728 bytes) and cannot be reduced to 100.0 MiB (104857600 bytes)"
            in " ".join(answer.err.split()))
    assert "Planning" not in answer.err  # refused before the plan is made


def test_one_of_several_payloads_has_to_be_chosen(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, two = built.iso("tree-live"), tmp_path / "two.iso"
    payload = extract_iso(iso, tmp_path / "old") / PAYLOAD["tree-live"]
    xorriso(iso, "-outdev", f"stdio:{two}", "-boot_image", "any", "replay", "-map", str(payload),
            "/other.img", "-commit")
    answer = program("inspect", two)
    assert answer.status == 2
    assert "/LiveOS/squashfs.img, /other.img" in answer.err and "--image" in answer.err
    assert "/other.img" in succeeded(program("inspect", two, "--image", "/other.img")).out
    answer = program("inspect", two, "--image", "/no.img")
    assert answer.status == 2 and "/other.img" in answer.err


def test_a_truncated_iso_is_named(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso = built.iso("installer")
    short = tmp_path / "short.iso"
    short.write_bytes(iso.read_bytes()[:iso.stat().st_size // 3])
    answer = program("inspect", short)
    assert answer.status == 10 and "short.iso" in answer.err
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("has_joliet", [True, False])
def test_joliet_names_are_kept(has_joliet: bool, built: support.Fixtures, program: Program,
                               tmp_path: Path) -> None:
    iso, merged = built.iso("tree-live"), tmp_path / "merged.iso"
    if not has_joliet:
        plain = tmp_path / "plain.iso"  # xorriso writes such names only on request
        xorriso(iso, "-outdev", f"stdio:{plain}", "-boot_image", "any", "replay", "-map",
                __file__, "/file", "-commit")
        iso = plain
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    for path in (iso, merged):
        descriptors = path.read_bytes()[16 * 2048:20 * 2048]  # ECMA-119, 8.5
        assert (b"\2CD001" in descriptors and b"%/E" in descriptors) is has_joliet


def test_a_dry_run_describes_the_changes_of_the_iso(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=ARGUMENTS)
    iso = with_file(built.iso("installer"), tmp_path / "in.iso", "/boot/grub/grub.cfg",
                    "menuentry x { linux /images/pxeboot/vmlinuz a; }\n")
    answer = succeeded(program("merge", iso, plugin, "--dry-run", UNSIGNED,
                               "--volid", "SITE", "--size", "3G"))
    assert "Kernel arguments (quiet, isv.mode=fast) are also changed in /EFI/BOOT/grub.cfg," in (
        answer.out)
    assert "/images/efiboot.img:/EFI/BOOT/grub.cfg" in answer.out
    arguments, volume_id_note = (
        re.search(rf"{text}.*", answer.out).group()  # type: ignore[union-attr]
        for text in (r"Kernel arguments \(", "The volume id changes to SITE, also in "))
    assert "/boot/grub/grub.cfg" in arguments and "/boot/grub/grub.cfg" not in volume_id_note
    assert "/EFI/BOOT/grub.cfg" in volume_id_note
    assert "LiveOS/rootfs.img grows by 2.9 GiB, from 128.0 MiB to 3.0 GiB." in answer.out
    refused = program("merge", built.iso("installer"), plugin, "--dry-run", UNSIGNED,
                      "--size", "1M")
    assert refused.status == 2 and "It can only grow" in refused.err
    signed = succeeded(program("merge", built.iso("installer"), built.bundle("cim"), "--dry-run"))
    assert "signed by keys that the image does not trust" in signed.out


VOLUME_ID, LABEL = "SITE's 4.5.5;$\"", r"hd:LABEL=SITE\x27s\x204.5.5\x3b\x24\x22"
# Each printable character that a value may have, and a value that cloud-init documents
SPECIAL = ["isv.all=!#%&()*+,-./:;<=>?@[]^_{|}~", "ds=nocloud;s=http://10.0.0.1/"]
ODD_GRUB = """\
set linux=linux
set linuxarg="rhgb"
menuentry 'Comment' { $linux /images/pxeboot/vmlinuz a # b
}
submenu 'More' { menuentry "One" { linux /images/pxeboot/vmlinuz $linuxarg; initrd /i; } }
menuentry 'Continued' {
  linux /images/pxeboot/vmlinuz a \\
    'b=c;d'
}
"""


def with_file(iso: Path, output: Path, path: str, text: str) -> Path:
    """Write ``iso`` to ``output`` with another text in the file ``path``, and return it."""
    content = output.with_suffix(".text")
    content.write_text(text)
    xorriso(iso, "-outdev", f"stdio:{output}", "-boot_image", "any", "replay", "-map",
            str(content), path, "-commit")
    return output


def test_arguments_with_special_characters_are_written_as_each_loader_reads_them(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    odd = with_file(built.iso("installer"), tmp_path / "odd.iso", "/EFI/BOOT/grub.cfg", ODD_GRUB)
    settings = ["<kernel-argument name={} value={}/>".format(
        *map(quoteattr, argument.split("=", 1))) for argument in SPECIAL]
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=settings)
    merged, bare = tmp_path / "merged.iso", tmp_path / "bare.iso"
    succeeded(program("merge", odd, plugin, "-o", merged, "-y", UNSIGNED))
    after = configurations(extract_iso(merged, tmp_path / "merged"), merged, tmp_path)
    for place, text in after.items():
        assert all(set(SPECIAL) <= set(entry.arguments.split()) for entry in entries(text)), place
        assert not place.endswith("grub.cfg") or accepted(text), place
    assert len(entries(after["EFI/BOOT/grub.cfg"])) == 3
    succeeded(program("merge", merged, "--remove", "isv", "-o", bare, "-y"))
    assert configurations(extract_iso(bare, tmp_path / "bare"), bare, tmp_path) == configurations(
        extract_iso(odd, tmp_path / "odd"), odd, tmp_path)


def test_an_uneditable_boot_line_is_refused_in_the_plan_and_named(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    text = "set args='rhgb quiet'\nmenuentry x {\n  linux /vmlinuz $args\n}\n"
    odd = with_file(built.iso("tree-live"), tmp_path / "odd.iso", "/EFI/BOOT/grub.cfg", text)
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""}, settings=ARGUMENTS)
    for more in (["-o", tmp_path / "out.iso", "-y"], ["--dry-run"]):
        answer = program("merge", odd, plugin, UNSIGNED, *more)
        assert answer.status == 6 and "/EFI/BOOT/grub.cfg:3: " in answer.err
        assert "in $args" in answer.err and "Changing the root" not in answer.err
    plain = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    succeeded(program("merge", odd, plain, "-o", tmp_path / "out.iso", "-y", UNSIGNED))


def test_a_menu_that_grubs_parser_does_not_accept_is_refused_in_the_plan(
        built: support.Fixtures, program: Program, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    check = tmp_path / "bin/grub2-script-check"  # the name that is tried first
    check.parent.mkdir()
    check.write_text('#!/bin/sh\n! grep -q isv.mode "$1"\n')
    check.chmod(0o755)
    monkeypatch.setenv("PATH", f"{check.parent}:{os.environ['PATH']}")
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""},
                         settings=['<kernel-argument name="isv.mode" value="fast"/>'])
    answer = program("merge", built.iso("tree-live"), plugin, "-o", tmp_path / "out.iso", "-y",
                     UNSIGNED)
    assert answer.status == 6 and "Changing the root" not in answer.err
    assert "grub.cfg: grub-script-check does not accept the boot configuration" in " ".join(
        answer.err.split())


def test_the_umask_does_not_affect_modes_in_the_image(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    old = os.umask(0o077)
    try:
        succeeded(program("merge", built.iso("tree-live"), plugin, "-o", tmp_path / "out.iso", "-y",
                          UNSIGNED))
    finally:
        os.umask(old)
    succeeded(program("extract", tmp_path / "out.iso", "/usr/share/ovirt-node-plugin", "-o",
                      tmp_path / "taken"))
    assert (tmp_path / "taken").stat().st_mode & 0o777 == 0o755


def test_a_running_process_of_a_scriptlet_does_not_keep_the_image_mounted(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "daemon", files={"/opt/daemon/text": ""},
                         scriptlets={"post": "sleep 300 >/dev/null 2>&1 </dev/null &"})
    succeeded(program("merge", built.iso("old-live"), plugin, "-o", tmp_path / "out.iso", "-y",
                      UNSIGNED))
    assert list(program.work.iterdir()) == []


def test_a_damaged_list_of_merged_plugins_is_ignored(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": ""})
    succeeded(program("merge", built.iso("tree-live"), plugin, "-o", tmp_path / "out.iso", "-y",
                      UNSIGNED))
    succeeded(program("shell", tmp_path / "out.iso", "-o", tmp_path / "odd.iso", "--", "/bin/sh",
                      "-c", "echo '{' > /usr/share/ovirt-node-plugin/image.json"))
    assert succeeded(program("inspect", tmp_path / "odd.iso")).status == 0
    succeeded(program("merge", tmp_path / "odd.iso", "--remove", "agent", "-o",
                      tmp_path / "bare.iso", "-y"))
    document = succeeded(program("inspect", tmp_path / "bare.iso", "--json")).json
    assert document["plugins"] == [] and document["merge"]["changes"] == [
        {"action": "remove", "name": "agent", "version": "1.0"}]
