"""Forms of ISOs of which a copy is complete, and those of which it is not, which are refused."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Sequence

import pytest

from ovirt_node_plugin.errors import Refused, RolledBack
from ovirt_node_plugin.images.iso.checksum import read_checksum
from ovirt_node_plugin.images.iso.iso import Iso, IsoFile, read_iso
from ovirt_node_plugin.images.iso.iso_copies import require_copyable
from ovirt_node_plugin.system.run import StrPath, run

FORMS = {
    "none": "", "bios": "-b a -no-emul-boot -boot-load-size 4", "uefi": "-e b -no-emul-boot",
    "three": "-b a -no-emul-boot -eltorito-alt-boot -e b -no-emul-boot"
             " -eltorito-alt-boot -e c -no-emul-boot",
    "joliet": "-J -b a -no-emul-boot", "hfsplus": "-hfsplus -b a -no-emul-boot",
    "gpt and apm": "-b a -no-emul-boot -eltorito-alt-boot -e b -no-emul-boot"
                   " -isohybrid-gpt-basdat -isohybrid-apm-hfsplus",
    "appended": "-b a -no-emul-boot -eltorito-alt-boot -e --interval:appended_partition_2:all::"
                " -no-emul-boot -append_partition 2 0xef TREE/b -appended_part_as_gpt",
    "chrp": "-chrp-boot-part", "mips": "-mips-boot large",
    "alpha": "-alpha-boot large",
    "hppa": "-hppa-cmdline x -hppa-bootloader large -hppa-kernel-32 large -hppa-kernel-64 large"
            " -hppa-ramdisk large", "level 4": "-iso-level 4", "padded": "-pad",
}


@pytest.fixture(scope="module", name="tree")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files to boot from, and one that is left out of a trial."""
    tree = tmp_path_factory.mktemp("copies") / "tree"
    tree.mkdir()
    for name in "abc":
        (tree / name).write_bytes(name.encode() * 40_960)
    (tree / "large").write_bytes(b"x" * 200_000)
    return tree


def make_iso(tree: Path, iso: Path, options: str = "") -> Path:
    words = [word.replace("TREE", str(tree)) for word in options.split()]
    run(["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-r", "-V", "FORM", *words, "-o", iso,
         tree])
    return iso


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_xorriso_writes_can_be_copied(
        form: str, tree: Path, tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", FORMS[form])
    work = tmp_path / "work"
    work.mkdir()
    require_copyable(iso, read_iso(iso, run=run), work, run=run)
    assert [path.name for path in work.iterdir()] == ["empty"]


def xorriso(iso: Path, *words: str) -> None:
    """Write ``iso`` anew with the options ``words``."""
    new = iso.with_name("new.iso")
    run(["xorriso", "-no_rc", "-indev", iso, "-outdev", new, "-boot_image", "any", "replay",
         "-changes_pending", "yes", *words, "-commit"])
    new.replace(iso)


def write(iso: Path, offset: int, data: bytes) -> None:
    with open(iso, "r+b") as stream:
        stream.seek(offset)
        stream.write(data)


def add_udf(iso: Path) -> None:
    """Add the descriptors of UDF behind those of the ISO, with a longer sequence of these."""
    end = next(sector for sector in range(16, 32)
               if iso.read_bytes()[sector * 2048:sector * 2048 + 6] == b"\xffCD001")
    for number, identifier in enumerate((b"\0BEA01", b"\0NSR03", b"\0TEA01")):
        write(iso, (end + 1 + number) * 2048, identifier)


@pytest.mark.parametrize(("change", "message", "hint"), [
    (add_udf, "a UDF filesystem", "-changes_pending yes"),
    (lambda iso: write(iso, 1024, b"BD"), "an HFS filesystem", "without it")], ids=["udf", "hfs"])
def test_another_filesystem_on_the_iso_is_refused(
        change: Callable[[Path], None], message: str, hint: str, tree: Path,
        tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", FORMS["three"])
    content = read_iso(iso, run=run)
    change(iso)  # over folders, which are read above
    with pytest.raises(Refused, match=f"a.iso has {message}, which its copy") as caught:
        require_copyable(iso, content, tmp_path, run=run)
    assert hint in caught.value.hint


@pytest.mark.parametrize(("options", "message", "hint"), [
    ("-set_filter --zisofs /large --", r"compressed files \(zisofs: /large\)",
     "-changes_pending yes"),
    ("-rockridge off", "names of ISO 9660 only", "Joliet"),
    ("-hide on /b --", "the boot records of .*a.iso cannot be written again: .*image #2",
     "merge into the squashfs")], ids=["zisofs", "no-rock-ridge", "hidden-boot-image"])
def test_a_form_of_which_a_copy_would_lack_a_part_is_refused(
        options: str, message: str, hint: str, tree: Path, tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", FORMS["three"])
    xorriso(iso, *options.split())
    with pytest.raises(Refused, match=f"(?s){message}") as caught:
        require_copyable(iso, read_iso(iso, run=run), tmp_path, run=run)
    assert hint in caught.value.hint


def test_an_iso_with_a_large_file_of_a_name_that_is_no_utf8_can_be_copied(tmp_path: Path) -> None:
    tree, work = tmp_path / "tree", tmp_path / "work"
    for folder in (tree, work):
        folder.mkdir()
    Path(os.fsdecode(os.path.join(os.fsencode(tree), b"caf\xe9"))).write_bytes(b"x" * 200_000)
    iso = make_iso(tree, tmp_path / "a.iso")
    require_copyable(iso, read_iso(iso, run=run), work, run=run)


def test_the_command_line_of_a_trial_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.iso"
    path.write_bytes(bytes(40_000))
    files = tuple(IsoFile(f"/{number}", 16, 65_536 + number) for number in range(20_000))
    iso = Iso("A", files, (), (), (), joliet=True, checksum=read_checksum(path))
    argvs: List[List[str]] = []

    def record(argv: Sequence[StrPath], **options: object) -> str:
        argvs.append([str(word) for word in argv])
        (tmp_path / "trial.iso").touch()
        return ""

    require_copyable(path, iso, tmp_path, run=record)
    written = argvs[0]
    removed = [written[position + 1] for position, word in enumerate(written) if word == "-rm"]
    assert removed == [f"/{number}" for number in range(19_999, 14_999, -1)]
    assert written[-1] == "-commit"


def test_boot_records_that_xorriso_reads_but_does_not_write_are_refused(
        tree: Path, tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", "-prep-boot-part TREE/a")
    with pytest.raises(Refused, match="cannot be written again: .*System area summary: PReP"):
        require_copyable(iso, read_iso(iso, run=run), tmp_path, run=run)


def test_the_copy_that_a_hint_names_can_be_merged(tree: Path, tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", FORMS["three"])
    xorriso(iso, "-set_filter", "--zisofs", "/large", "--")
    with pytest.raises(Refused) as caught:
        require_copyable(iso, read_iso(iso, run=run), tmp_path, run=run)
    words = caught.value.hint.partition(": ")[2].split()
    run(["env", f"--chdir={tmp_path}", *[word.replace("OLD", "a") for word in words]])
    copy = tmp_path / "NEW.iso"
    require_copyable(copy, read_iso(copy, run=run), tmp_path, run=run)


def test_a_full_disk_is_not_a_form_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    iso = make_iso(tree, tmp_path / "a.iso", FORMS["bios"])
    work = tmp_path / "work"
    work.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", work])
    try:
        with pytest.raises(RolledBack, match="which has 100.0 KiB free") as caught:
            require_copyable(iso, read_iso(iso, run=run), work, run=run)
    finally:
        run(["umount", work])
    assert "--work-dir" in caught.value.hint
