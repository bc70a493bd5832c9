"""A merge keeps the lists of checksums on an ISO correct, and tells of their signatures."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.images.iso.iso import read_iso
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.iso_contents import extract_iso, xorriso
from tests.support.program import Program

pytestmark = [pytest.mark.root]

# Changes the first digit of a list that is a digest only.
DAMAGE = """#!/usr/bin/python3
import os, re, sys
with open(sys.argv[-1], "r+b") as stream:
    at = re.search(rb"[0-9a-f]{32}\\n\\0{99}", stream.read()).start()
    stream.seek(at)
    stream.write(b"x")
os.execv("/usr/bin/implantisomd5", sys.argv)
"""
SIGNED = ("The checksums in /md5sum.txt on the ISO are changed with the files, so its signature"
          " /md5sum.txt.gpg is not valid any more.")
GRUB_SIGNED = ("/EFI/BOOT/grub.cfg on the ISO changes, so its signature /EFI/BOOT/grub.cfg.sig is"
               " not valid any more.")


def add_lists(iso: Path, output: Path, work: Path) -> Path:
    """Write a copy of an ISO with correct lists of checksums: Debian's, signed, and Fedora's."""
    files = extract_iso(iso, work / "files")
    names = [path.relative_to(files).as_posix() for path in sorted(files.rglob("*"))
             if path.is_file()]

    def texts(folder: Path) -> Dict[str, str]:
        sums = [f"{hashlib.md5((folder / name).read_bytes()).hexdigest()}  ./{name}\n"
                for name in names if name not in (".treeinfo", "md5sum.txt")]
        product = hashlib.sha256((folder / "images/product.img").read_bytes()).hexdigest()
        return {"md5sum.txt": "".join(sums), "md5sum.txt.gpg": "signature",
                "EFI/BOOT/grub.cfg.sig": "signature",
                ".treeinfo": f"[checksums]\nimages/product.img = sha256:{product}\n"}

    words = ["-outdev", f"stdio:{output}", "-boot_image", "any", "replay"]
    for name, text in texts(files).items():
        host = work / Path(name).name
        host.write_text(text)
        words += ["-map", str(host), f"/{name}"]
    xorriso(iso, *words, "-commit")
    correct = texts(extract_iso(output, work / "written"))  # with the new table of isolinux.bin
    spans = read_iso(output, run=run).spans
    with open(output, "r+b") as stream:
        for name, text in correct.items():
            stream.seek(spans[f"/{name}"].offset)
            stream.write(text.encode())
    run(["implantisomd5", "--force", output])
    return output


def test_the_lists_on_an_iso_are_correct_after_a_merge(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    iso, merged = tmp_path / "listed.iso", tmp_path / "merged.iso"
    add_lists(built.iso("installer"), iso, tmp_path)
    plugin = make_plugin(tmp_path, "isv", files={"/opt/isv/text": ""},
                         settings=('<kernel-argument name="isv.mode" value="fast"/>',))
    answer = succeeded(program("merge", iso, plugin, "-o", merged, "-y", UNSIGNED))
    for note in (SIGNED, GRUB_SIGNED):
        assert answer.out.count(f"Note: {note}") == 1
    new, old = extract_iso(merged, tmp_path / "new"), tmp_path / "written"
    run(["sh", "-ec", 'cd "$1"; md5sum --check --strict --quiet md5sum.txt', "sh", new])
    before, after = ((folder / "md5sum.txt").read_text().splitlines() for folder in (old, new))
    changed = {line[34:] for line in set(after) - set(before)}
    assert {"./ovirt-node-ng-image.squashfs.img", "./EFI/BOOT/grub.cfg", "./images/efiboot.img",
            "./isolinux/isolinux.cfg", "./isolinux/isolinux.bin"} <= changed
    assert len(after) == len(before) and "./images/product.img" not in changed
    assert (new / ".treeinfo").read_bytes() == (tmp_path / ".treeinfo").read_bytes()
    assert (new / "md5sum.txt.gpg").read_text() == "signature"
    run(["checkisomd5", merged])


def test_a_list_that_is_wrong_in_the_output_is_reported(
        built: support.Fixtures, program: Program, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    iso, files = tmp_path / "listed.iso", extract_iso(built.iso("tree-live"), tmp_path / "files")
    sums = tmp_path / "sums"
    sums.write_text(hashlib.md5((files / "LiveOS/squashfs.img").read_bytes()).hexdigest() + "\n")
    xorriso(built.iso("tree-live"), "-outdev", f"stdio:{iso}", "-boot_image", "any", "replay",
            "-map", str(sums), "/LiveOS/squashfs.img.md5", "-commit")
    run(["implantisomd5", iso])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/implantisomd5").write_text(DAMAGE)
    (tmp_path / "bin/implantisomd5").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    answer = program("merge", iso, plugin, "-o", tmp_path / "out.iso", "-y", UNSIGNED)
    assert answer.status == 8 and not (tmp_path / "out.iso").exists()
    assert "the list of checksums /LiveOS/squashfs.img.md5 does not match the files" in answer.err
