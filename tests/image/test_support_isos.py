"""The ISO fixtures, checked with programs that are not this project's."""
from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Dict, List

import pytest

from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.system.run import run
from tests.support import COMPRESSORS, FORMS, BootFiles, FixtureError, Fixtures, isos, make_iso

NESTED = ("installer", "old-live")
PAYLOADS = {"installer": "/ovirt-node-ng-image.squashfs.img",
            "old-live": "/LiveOS/squashfs.img", "tree-live": "/LiveOS/squashfs.img"}
VOLUMES = {"installer": "CentOS-Stream-9-BaseOS-x86_64", "old-live": "ovirt-node-iso-3.6",
           "tree-live": "oVirt-Node-Live-4-5"}
EFI_IMAGES = {"installer": "/images/efiboot.img", "old-live": "/isolinux/efiboot.img"}
MENUS = {
    "installer": ("/EFI/BOOT/grub.cfg", "/isolinux/isolinux.cfg", "/isolinux/grub.conf"),
    "old-live": ("/EFI/BOOT/grub.cfg", "/isolinux/isolinux.cfg", "/isolinux/grub.conf"),
    "tree-live": ("/EFI/BOOT/grub.cfg", "/boot/grub2/grub.cfg")}
BOOTS_LINUX = re.compile(r"^\s*(?:append initrd=|linux(?:efi)? /|kernel /)", re.MULTILINE)


@pytest.fixture(scope="module")
def root(built: Fixtures) -> Path:
    """The read-only root that the ISOs are made of."""
    return built.folder / "roots/node-4.5.5"


def report(iso: Path, what: str) -> Dict[str, List[str]]:
    """Map the titles of one of xorriso's reports to its lines."""
    text = run(["xorriso", "-no_rc", "-indev", f"stdio:{iso}", f"-report_{what}", "plain"])
    lines: Dict[str, List[str]] = {}
    for name, _, value in (line.partition(":") for line in text.splitlines()):
        lines.setdefault(name.strip(), []).append(" ".join(value.split()))
    return lines


def names(iso: Path) -> List[str]:
    """Return the paths of all files of an ISO."""
    lines = run(["xorriso", "-no_rc", "-indev", f"stdio:{iso}", "-find", "/", "-type", "f"])
    return [line.strip("'") for line in lines.splitlines()]


def extract(iso: Path, place: str, folder: Path) -> Path:
    """Copy a file of an ISO into ``folder`` and return it."""
    to = folder / place.replace("/", "-").strip("-")
    run(["xorriso", "-no_rc", "-osirrox", "on", "-indev", f"stdio:{iso}", "-extract", place, to])
    return to


def efi_image(iso: Path, folder: Path) -> Path:
    """Copy the FAT image of the UEFI boot record into ``folder`` and return it."""
    (line,) = [line for line in report(iso, "el_torito")["El Torito boot img"] if "UEFI" in line]
    sectors, block = (int(word) for word in line.split()[-2:])
    to = folder / "efi.img"
    with open(iso, "rb") as stream:
        stream.seek(block * 2048)
        to.write_bytes(stream.read(sectors * 512))
    return to


def unpack_filesystem(iso: Path, form: str, folder: Path) -> Path:
    """Unpack the filesystem image of the payload into ``folder`` and return it."""
    payload = extract(iso, PAYLOADS[form], folder)
    run(["unsquashfs", "-no-progress", "-dest", folder / "payload", payload])
    (image,) = (folder / "payload").glob("*/*")
    return image


@pytest.mark.parametrize("form", FORMS)
def test_an_iso_boots_by_bios_and_by_uefi_from_a_cd_and_from_a_disk(
        built: Fixtures, form: str) -> None:
    iso = built.iso(form)
    record, area = report(iso, "el_torito"), report(iso, "system_area")
    bios, uefi = record["El Torito boot img"]
    assert bios.startswith("1 BIOS y none") and uefi.startswith("2 UEFI y none")
    assert "boot-info-table" in record["El Torito img opts"][0]
    (summary,) = area["System area summary"]
    paths = [line.split()[-1] for line in record["El Torito img path"]]
    if form == "tree-live":
        assert paths == ["/images/eltorito.img"] and "grub2-boot-info" in str(record)
        assert "grub2-mbr" in summary and area["Partition offset"] == ["16"]
        assert "2 28732ac11ff8d211ba4b00a0c93ec93b" in area["GPT type GUID"]
        assert not [name for name in names(iso) if "efiboot" in name]
    else:
        assert paths == ["/isolinux/isolinux.bin", EFI_IMAGES[form]]
        assert "MBR isohybrid" in summary and "GPT" in summary
        assert area["GPT partition path"] == [f"2 {EFI_IMAGES[form]}"]


@pytest.mark.parametrize("form", FORMS)
def test_the_second_header_of_the_partition_table_is_the_last_sector(
        built: Fixtures, form: str) -> None:
    iso = built.iso(form)
    content = iso.read_bytes()
    last = len(content) // 512 - 1
    # UEFI specification, 5.3.2: the positions of this header and of the other one
    assert content[-512:-504] == b"EFI PART"
    assert struct.unpack_from("<2Q", content, len(content) - 512 + 24) == (last, 1)
    assert struct.unpack_from("<2Q", content, 512 + 24) == (1, last)


@pytest.mark.parametrize("form", FORMS)
def test_the_volume_id_is_the_label_in_the_menus(
        built: Fixtures, form: str, tmp_path: Path) -> None:
    iso = built.iso(form)
    probed = run(["blkid", "-p", "-s", "LABEL", "-o", "value", iso]).strip()
    assert probed == VOLUMES[form]
    for place in MENUS[form]:
        text = extract(iso, place, tmp_path).read_text()
        assert f"LABEL={VOLUMES[form]}" in text
        if "grub.cfg" in place:
            assert f"search --no-floppy --set=root -l '{VOLUMES[form]}'" in text


@pytest.mark.parametrize("form", FORMS)
def test_the_fat_image_for_uefi_has_grub_and_the_same_menu(
        built: Fixtures, form: str, tmp_path: Path) -> None:
    iso = built.iso(form)
    image = efi_image(iso, tmp_path)
    assert run(["mdir", "-/", "-b", "-i", image, "::"]).splitlines() == [
        "::/EFI/", "::/EFI/BOOT/", "::/EFI/BOOT/BOOTX64.EFI", "::/EFI/BOOT/grub.cfg"]
    for name in ("BOOTX64.EFI", "grub.cfg"):
        run(["mcopy", "-i", image, f"::/EFI/BOOT/{name}", tmp_path / name])
        on_iso = extract(iso, f"/EFI/BOOT/{name}", tmp_path)
        assert (tmp_path / name).read_bytes() == on_iso.read_bytes()
    assert (tmp_path / "BOOTX64.EFI").read_bytes()[:2] == b"MZ"


def test_only_the_installer_has_a_checksum_marked_as_supported(built: Fixtures) -> None:
    for form in NESTED:
        run(["checkisomd5", built.iso(form)])
        descriptor = built.iso(form).read_bytes()[16 * 2048:17 * 2048]
        assert (b"RHLISOSTATUS=1" in descriptor) == (form == "installer")


def test_the_newer_live_iso_has_no_checksum(built: Fixtures) -> None:
    with pytest.raises(CommandError) as caught:
        run(["checkisomd5", built.iso("tree-live")])
    assert caught.value.returncode == 1
    assert b"ISO MD5SUM" not in built.iso("tree-live").read_bytes()[16 * 2048:17 * 2048]


@pytest.mark.parametrize("compressor", COMPRESSORS)
@pytest.mark.parametrize("form", ["installer", "tree-live"])
def test_the_payload_has_the_requested_compressor(
        built: Fixtures, form: str, compressor: str, tmp_path: Path) -> None:
    payload = extract(built.iso(form, compressor), PAYLOADS[form], tmp_path)
    text = run(["unsquashfs", "-s", payload])
    assert f"Compression {compressor}\n" in text and "Block size 131072\n" in text
    assert ("Filters selected: x86" in text) == (compressor == "xz")


@pytest.mark.parametrize(("form", "name", "label"), [
    ("installer", "rootfs.img", "LiveOS"), ("old-live", "ext3fs.img", "ovirt-node")])
def test_the_payload_contains_one_filesystem_image(
        built: Fixtures, form: str, name: str, label: str, tmp_path: Path) -> None:
    image = unpack_filesystem(built.iso(form), form, tmp_path)
    assert image.relative_to(tmp_path / "payload").as_posix() == f"LiveOS/{name}"
    probed = run(["blkid", "-p", "-o", "export", image]).splitlines()
    assert {f"LABEL={label}", "TYPE=ext4", "BLOCK_SIZE=4096"} <= set(probed)
    assert image.stat().st_blocks * 512 < image.stat().st_size // 4
    run(["e2fsck", "-f", "-n", image])
    assert 'VARIANT="oVirt Node 4.5.5"' in run(
        ["debugfs", "-R", "cat /usr/lib/os.release.d/ovirt-release-host-node", image])


@pytest.mark.root
def test_the_filesystem_image_is_xfs_on_request(root: Path, tmp_path: Path) -> None:
    iso = make_iso("old-live", root, tmp_path / "iso", filesystem="xfs")
    image = unpack_filesystem(iso, "old-live", tmp_path)
    probed = run(["blkid", "-p", "-o", "export", image]).splitlines()
    assert {"LABEL=ovirt-node", "TYPE=xfs"} <= set(probed)
    run(["xfs_repair", "-n", image])
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_the_newer_live_iso_contains_the_root_directly(
        built: Fixtures, root: Path, tmp_path: Path) -> None:
    payload = extract(built.iso("tree-live"), PAYLOADS["tree-live"], tmp_path)
    run(["unsquashfs", "-no-progress", "-dest", tmp_path / "tree", payload])
    assert run(["diff", "--recursive", "--brief", "--no-dereference", root,
                tmp_path / "tree"]) == ""
    # rpm writes files beside a database that it reads, so not in the cached root
    assert "missing" not in run(["rpm", "--root", tmp_path / "tree", "--dbpath", "/usr/share/rpm",
                                 "--verify", "--all"], ok=(0, 1))


def test_the_installer_has_the_files_that_anaconda_reads(built: Fixtures, tmp_path: Path) -> None:
    iso = built.iso("installer")
    kickstart = extract(iso, "/interactive-defaults.ks", tmp_path).read_text()
    assert "liveimg --url=file:///run/install/repo/ovirt-node-ng-image.squashfs.img" in kickstart
    assert "%post --erroronfail\nimgbase layout --init\n%end" in kickstart
    assert "variant = ovirt-node" in extract(iso, "/.treeinfo", tmp_path).read_text()
    product = extract(iso, "/images/product.img", tmp_path)
    plain = run(["gzip", "--decompress", "--stdout"], stdin=product.read_bytes())
    assert "Product=oVirt Node Next" in run(
        ["cpio", "--quiet", "--extract", "--to-stdout", ".buildstamp"], stdin=plain.encode())
    stage2 = run(["unsquashfs", "-l", extract(iso, "/images/install.img", tmp_path)])
    assert "usr/share/anaconda" in stage2 and "os-release" not in stage2


def test_kernels_and_arguments_of_the_menus_are_on_the_iso(root: Path, tmp_path: Path) -> None:
    boot = BootFiles(tmp_path / "kernel", tmp_path / "initramfs")
    boot.kernel.write_bytes(b"a kernel")
    boot.initramfs.write_bytes(b"an initramfs")
    places = {
        "old-live": (["/isolinux/vmlinuz0"], ["/isolinux/initrd0.img"]),
        "tree-live": (["/images/pxeboot/vmlinuz"], ["/images/pxeboot/initrd.img"]),
        "installer": (["/images/pxeboot/vmlinuz", "/isolinux/vmlinuz"],
                      ["/images/pxeboot/initrd.img", "/isolinux/initrd.img"])}
    for form in FORMS:
        iso = make_iso(form, root, tmp_path / form, boot=boot, arguments="console=ttyS0 last",
                       compressor="gzip")
        folder = tmp_path / f"{form}.files"
        folder.mkdir()
        for source, paths in zip((boot.kernel, boot.initramfs), places[form]):
            for path in paths:
                assert extract(iso, path, folder).read_bytes() == source.read_bytes()
        for path in MENUS[form]:
            text = extract(iso, path, folder).read_text()
            lines = [line for line in text.splitlines() if BOOTS_LINUX.match(line)]
            assert len(lines) == 3
            assert all(line.endswith(" console=ttyS0 last") for line in lines)


@pytest.mark.parametrize("form", FORMS)
def test_menus_have_a_rescue_entry_and_an_entry_without_linux(
        built: Fixtures, form: str, tmp_path: Path) -> None:
    for place in MENUS[form]:
        text = extract(built.iso(form), place, tmp_path).read_text()
        titles = re.findall(r"(?:menuentry '|menu label |title )([^'\n]*)", text)
        assert [title for title in titles if "Rescue a oVirt Node 4.5.5 system" in title]
        assert "timeout" in text
        if not place.endswith("grub.conf"):
            assert len(titles) > len(BOOTS_LINUX.findall(text)) == 3


@pytest.mark.parametrize("form", ["old-live", "tree-live"])
def test_a_rebuilt_iso_is_identical(built: Fixtures, root: Path, tmp_path: Path, form: str) -> None:
    again = make_iso(form, root, tmp_path / "iso")
    assert again.read_bytes() == built.iso(form).read_bytes()


def test_an_iso_is_built_once(built: Fixtures) -> None:
    assert built.iso("tree-live") == built.iso("tree-live")
    assert built.iso("tree-live") != built.iso("tree-live", "xz")


@pytest.mark.parametrize("wrong", [
    {"form": "floppy"}, {"compressor": "lz4"}, {"filesystem": "btrfs"},
    {"form": "tree-live", "filesystem": "xfs"}])
def test_an_unknown_kind_of_iso_is_refused(
        root: Path, tmp_path: Path, wrong: Dict[str, str]) -> None:
    wanted = {"form": "installer", **wrong}
    with pytest.raises(FixtureError, match="ISO"):
        make_iso(wanted.pop("form"), root, tmp_path / "iso", **wanted)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_boot_loader_is_named_and_leaves_nothing(
        root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isos, "_GRUB", (str(tmp_path),))
    with pytest.raises(FixtureError, match="normal.mod") as caught:
        make_iso("tree-live", root, tmp_path / "iso")
    assert "tools/setup" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
