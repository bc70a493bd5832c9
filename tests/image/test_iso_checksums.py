"""Lists of checksums on an ISO are corrected for the files that change, and for no others."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Callable, Dict, Mapping

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso import iso_checksums
from ovirt_node_plugin.images.iso.iso import IsoChanges, finish_iso, read_iso, write_iso
from ovirt_node_plugin.system.run import run
from tests.support.iso_contents import extract_iso

OTHER = "0" * 64
FILES = {"images/initrd.img": b"initrd", "images/vmlinuz": b"kernel",
         "LiveOS/squashfs.img": b"root", "isolinux/isolinux.bin": b"boot image" * 400,
         "a b": b"name with a blank", "large": bytes(1 << 20)}

Lists = Callable[[Callable[[str, str], str]], Mapping[str, str]]


def make_iso(folder: Path, lists: Lists) -> Path:
    """Return an ISO with FILES, large enough for checkisomd5, and lists of checksums.

    ``lists`` returns the texts by name, from a function that returns the digest of a file on the
    ISO, by algorithm and name. The boot image gets a table with its position.
    """
    tree = folder / "tree"
    texts = lists(lambda algorithm, _: hashlib.new(algorithm).hexdigest())
    for name, content in {**FILES, **{name: text.encode() for name, text in texts.items()}}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    os.link(tree / "isolinux/isolinux.bin", tree / "other name")
    iso = folder / "in.iso"
    run(["xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-r", "-J", "-o", iso, "-b",
         "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size",
         "4", "-boot-info-table", tree])
    run(["implantisomd5", iso])
    written = extract_iso(iso, folder / "written")

    def digest(algorithm: str, name: str) -> str:
        return hashlib.new(algorithm, (written / name).read_bytes()).hexdigest()

    for _ in range(3):  # a list of lists has the digests of correct ones
        for name, text in lists(digest).items():
            assert len(text) == len(texts[name])
            (written / name).write_bytes(text.encode())
    spans = read_iso(iso, run=run).spans
    with open(iso, "r+b") as stream:
        for name in texts:
            stream.seek(spans[f"/{name}"].offset)
            stream.write((written / name).read_bytes())
    return iso


class Changed:
    """An ISO, and its copy with other files and correct lists of checksums."""

    def __init__(self, folder: Path, iso: Path, files: Mapping[str, bytes],
                 removed: Mapping[str, str] = {}) -> None:
        folder.mkdir()
        old = read_iso(iso, run=run)
        hosts = {f"/{name}": folder / name.replace("/", "-") for name in files}
        for name, content in files.items():
            hosts[f"/{name}"].write_bytes(content)
        output = folder / "out.iso"
        lists = iso_checksums.without_removed(
            iso_checksums.checksum_lists(iso, old), tuple(removed), folder)
        changes = IsoChanges({**hosts, **lists}, tuple(removed))
        write_iso(iso, old, output, changes, run=run)
        new = read_iso(output, run=run)
        corrected = iso_checksums.corrected_lists((iso, old), (output, new), changes)
        overwritten = {}
        for number, (path, text) in enumerate(corrected.texts.items()):
            overwritten[path] = folder / f"list-{number}"
            overwritten[path].write_bytes(text)
        finish_iso(output, old, overwritten, run=run)
        run(["checkisomd5", output])
        assert corrected == iso_checksums.corrected_lists((iso, old), (output, new), changes)
        self.iso = output
        self.notes = corrected.notes
        self.folder = extract_iso(output, folder / "new")

    def check(self, name: str) -> None:
        """Check a list by the program that makes such a list."""
        program = "md5sum" if "md5" in name.lower() else "sha256sum"
        run(["sh", "-ec", f'cd "$1"; {program} --check --strict --quiet "$2"', "sh",
             (self.folder / name).parent, Path(name).name])


def real_lists(digest: Callable[[str, str], str]) -> Dict[str, str]:
    """Return lists in the forms of Debian, Fedora, Arch and BSD, and a list of lists."""
    return {
        "md5sum.txt": "".join(f"{digest('md5', name)}  ./{name}\n" for name in FILES
                              ) + f"{digest('md5', 'isolinux/boot.cat')}  ./isolinux/boot.cat\n"
                      f"{digest('md5', 'other name')}  ./other name\n",
        ".treeinfo": "[general]\nname = Node\n\n[checksums]\nimages/initrd.img = sha256:"
                     f"{digest('sha256', 'images/initrd.img')}\nimages/vmlinuz = md5:"
                     f"{digest('md5', 'images/vmlinuz')}\n[images-x86_64]\n"
                     "initrd = images/initrd.img\n",
        "LiveOS/squashfs.img.sha256": f"{digest('sha256', 'LiveOS/squashfs.img')}\n",
        "LiveOS/squashfs.md5": f"{digest('md5', 'LiveOS/squashfs.img')} *squashfs.img\r\n",
        "CHECKSUM": "# comment\nSHA256 (images/initrd.img) = "
                    f"{digest('sha256', 'images/initrd.img').upper()}\n",
        "SHA256SUMS": "".join(f"{digest('sha256', name)} *{name}\n" for name in (
            ".treeinfo", "md5sum.txt", "a b", "LiveOS/squashfs.img.sha256")),
        "SHA256SUMS.gpg": "signature", "Release.asc": "signature"}


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_iso(tmp_path_factory.mktemp("lists"), real_lists)


def test_the_lists_are_correct_for_changed_files_and_those_that_xorriso_changes(
        iso: Path, tmp_path: Path) -> None:
    old = extract_iso(iso, tmp_path / "old")
    changed = Changed(tmp_path / "changed", iso, {
        "images/initrd.img": b"another" * 9999, "LiveOS/squashfs.img": b"other root"})
    for name in ("md5sum.txt", "LiveOS/squashfs.md5", "SHA256SUMS"):
        changed.check(name)
    for name, text in real_lists(lambda algorithm, name: hashlib.new(
            algorithm, (changed.folder / name).read_bytes()).hexdigest()).items():
        assert (changed.folder / name).read_bytes() == text.encode(), name
    assert (changed.folder / "isolinux/isolinux.bin").read_bytes() != (
        old / "isolinux/isolinux.bin").read_bytes()
    assert changed.notes == (
        "The checksums in /SHA256SUMS on the ISO are changed with the files, so its signature"
        " /SHA256SUMS.gpg is not valid any more.",)
    restored = Changed(tmp_path / "restored", changed.iso, {
        name: FILES[name] for name in ("images/initrd.img", "LiveOS/squashfs.img")})
    for name in {*real_lists(lambda *_: "")} - {"md5sum.txt", "SHA256SUMS"}:
        assert (restored.folder / name).read_bytes() == (old / name).read_bytes(), name
    restored.check("md5sum.txt")  # with the new position in isolinux.bin
    restored.check("SHA256SUMS")


def test_wrong_lines_and_all_other_bytes_stay(tmp_path: Path) -> None:
    def lists(digest: Callable[[str, str], str]) -> Dict[str, str]:
        good = digest("sha256", "images/vmlinuz")
        return {"sha256sum.txt": f"{OTHER}  images/initrd.img\n\n;{good}\n  {good} "
                                 f" images/vmlinuz\r\n{OTHER}  missing\n{OTHER}  a b\n"
                                 f"{OTHER}  sha256sum.txt\nno newline",
                "notes.txt": f"{good}  images/vmlinuz\n"}

    source = make_iso(tmp_path, lists)
    changed = Changed(tmp_path / "changed", source, {
        "images/initrd.img": b"x", "images/vmlinuz": b"y", "missing": b"z"})
    digest = hashlib.sha256(b"kernel").hexdigest()
    old = (tmp_path / "written/sha256sum.txt").read_bytes().decode()
    new = hashlib.sha256(b"y").hexdigest()
    assert (changed.folder / "sha256sum.txt").read_bytes() == old.replace(
        f"  {digest}  images/vmlinuz", f"  {new}  images/vmlinuz").encode()
    assert (changed.folder / "notes.txt").read_text() == f"{digest}  images/vmlinuz\n"
    assert changed.notes == ("/sha256sum.txt on the ISO had wrong checksums before, which are"
                             " kept: /images/initrd.img.",)


def test_lines_of_removed_files_are_removed_and_a_signature_in_the_list_is_told(
        tmp_path: Path) -> None:
    def lists(digest: Callable[[str, str], str]) -> Dict[str, str]:
        lines = [f"{digest('sha256', name)}  /{name}\n" for name in (
            "images/initrd.img", "a b", "images/vmlinuz")]
        return {"images/SHA256SUMS": "-----BEGIN PGP SIGNED MESSAGE-----\n\n" + "".join(lines)
                + "-----BEGIN PGP SIGNATURE-----\n"}

    source = make_iso(tmp_path, lists)
    changed = Changed(tmp_path / "changed", source, {"images/vmlinuz": b"new"}, {"/a b": ""})
    text = (changed.folder / "images/SHA256SUMS").read_text()
    assert [line[64:] for line in text.splitlines()[2:-1]] == [
        "  /images/initrd.img", "  /images/vmlinuz"]
    assert hashlib.sha256(b"new").hexdigest() in text
    assert changed.notes[0].endswith("so its signature in it is not valid any more.")


def test_lists_that_are_too_large_are_refused(
        iso: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso_checksums, "CHECKSUM_LISTS_BYTES", 100)
    with pytest.raises(BadImage, match="the lists of checksums on .* have more than 100 bytes"):
        iso_checksums.checksum_lists(iso, read_iso(iso, run=run))
