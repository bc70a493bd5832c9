"""El Torito boot images of any number, order and content are kept, and FAT images changed."""
from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import List, Sequence

import pytest

from ovirt_node_plugin.errors import RolledBack
from ovirt_node_plugin.images.iso.boot import boot_configurations, write_changed
from ovirt_node_plugin.images.iso.iso import Iso, IsoChanges, read_iso, read_span, write_iso
from ovirt_node_plugin.system.run import run

OLD, NEW = "menuentry 'a' {\n linux /a quiet\n}\n", "menuentry 'a' {\n linux /a isv=1\n}\n"
OPTIONS = {"bios": "-b", "fat": "-e", "hfs": "-e", "other": "-e"}


@pytest.fixture(scope="module", name="tree")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with boot images by the names of OPTIONS."""
    tree = tmp_path_factory.mktemp("boot") / "tree"
    tree.mkdir()
    for name in OPTIONS:
        (tree / name).write_bytes(name.encode() * 512)
    (tree / "fat").write_bytes(bytes(1 << 20))
    (tree.parent / "grub.cfg").write_text(OLD)
    run(["mformat", "-i", tree / "fat", "::"])
    run(["mmd", "-i", tree / "fat", "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", tree / "fat", tree.parent / "grub.cfg", "::/EFI/BOOT/grub.cfg"])
    # Technical Note TN1150, "Volume Header", as in the macboot.img of lorax, with the
    # signature of a boot sector
    (tree / "hfs").write_bytes(bytes(510) + b"\x55\xaa" + bytes(512)
                               + struct.pack(">2sH", b"H+", 4).ljust(2048 * 300, b"\0"))
    return tree


def make_iso(tree: Path, names: Sequence[str], iso: Path) -> Path:
    """Write an ISO of ``tree`` with El Torito entries for the files ``names``, in that order."""
    words: List[str] = []
    for name in names:
        words += ["-eltorito-alt-boot"] if words else []
        words += [OPTIONS[name], name, "-no-emul-boot", *(
            ["-boot-load-size", "4"] if name == "bios" else [])]
    run(["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-r", "-V", "BOOT", "-c", "boot.cat",
         *words, "-o", iso, tree])
    return iso


def images(path: Path, iso: Iso) -> List[bytes]:
    """Return the content of each boot image, as its entry in the boot catalog has it."""
    return [read_span(path, image) for image in iso.boot_images]


@pytest.mark.parametrize("names", [
    *itertools.permutations(("bios", "fat", "hfs")), ("bios", "fat", "hfs", "fat", "other"),
    ("fat", "fat"), ("fat", "bios", "bios", "hfs")], ids=",".join)
def test_every_entry_of_the_boot_catalog_gets_the_changed_image(
        names: Sequence[str], tree: Path, tmp_path: Path) -> None:
    source, output = make_iso(tree, names, tmp_path / "in.iso"), tmp_path / "out.iso"
    iso = read_iso(source, run=run)
    assert [image.path for image in iso.boot_images] == [f"/{name}" for name in names]
    configurations = boot_configurations(source, iso, tmp_path, run=run)
    assert [(found.place, found.text) for found in configurations] == [
        ("/fat:/EFI/BOOT/grub.cfg", OLD)]
    place = configurations[0].place
    files, overwritten = write_changed(source, iso, {place: OLD}, {place: NEW}, tmp_path, run=run)
    assert not files
    (tmp_path / "payload").write_bytes(b"x" * 100_000)  # moves the files behind it
    write_iso(source, iso, output, IsoChanges({"/a": tmp_path / "payload"},
                                              overwritten=overwritten), run=run)
    new = read_iso(output, run=run)
    assert new.boot_records == iso.boot_records
    assert [found.text for found in boot_configurations(output, new, tmp_path, run=run)] == [NEW]
    changed = overwritten["/fat"].read_bytes()
    size_bytes = [image.size_bytes for image in iso.boot_images]
    assert images(output, new) == [
        (changed if name == "fat" else (tree / name).read_bytes())[:size]
        for name, size in zip(names, size_bytes)]


def test_an_image_of_another_size_is_not_written_over_other_files(
        tree: Path, tmp_path: Path) -> None:
    source = make_iso(tree, ["fat"], tmp_path / "in.iso")
    (tmp_path / "long").write_bytes(bytes((1 << 20) + 2048))
    for name in ("/fat", "/none"):
        with pytest.raises(RolledBack, match=f"the new ISO has no {name} of 1050624 bytes"):
            write_iso(source, read_iso(source, run=run), tmp_path / f"out{len(name)}.iso",
                      IsoChanges({"/a": tmp_path / "long"}, overwritten={
                          name: tmp_path / "long"}), run=run)


def test_configurations_are_found_where_boot_loaders_look_for_them(tmp_path: Path) -> None:
    entry = "title a\nlinux /a\noptions quiet\n"
    menus = {"isolinux.cfg": OLD, "syslinux.cfg": OLD, "boot/x86_64/loader/isolinux.cfg": OLD,
             "boot/isolinux/a.cfg": OLD, "boot/grub/grub.cfg": OLD, "EFI/fedora/grub.cfg": OLD,
             "loader/entries/a.conf": entry}
    others = {"loader/loader.conf": "timeout 5\n", "a.cfg": OLD, "boot/a/b/isolinux.cfg": OLD}
    for place, text in {**menus, **others}.items():
        file = tmp_path / "tree" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    source = make_iso(tmp_path / "tree", [], tmp_path / "in.iso")
    configurations = boot_configurations(source, read_iso(source, run=run), tmp_path, run=run)
    assert {found.place: found.text for found in configurations} == {
        f"/{place}": text for place, text in menus.items()}
