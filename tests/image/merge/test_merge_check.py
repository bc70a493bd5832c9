"""The verification of a written image: faults are reported and no output remains."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer
from tests.support.program import Program

pytestmark = [pytest.mark.root]

# Damage that a program may cause without an error: the packed folder is $1, the output of
# mksquashfs is $2.
DAMAGES = {
    "/usr/lib/modules was changed (mode 0755 -> 0700": 'chmod 0700 "$1/usr/lib/modules"',
    "/etc/hosts.site was added": 'touch "$1/etc/hosts.site"',
    "/etc/vdsm/vdsm.conf was removed": 'rm "$1/etc/vdsm/vdsm.conf"',
    "/etc/passwd was changed (content": 'printf X | dd of="$1/etc/passwd" conv=notrunc',
    "/usr/bin/rpm was changed": 'chown 5 "$1/usr/bin/rpm"',
    "/usr/bin/busybox was changed (mtime": 'printf X | dd of="$1/usr/bin/busybox" conv=notrunc',
    "(xattr user.mark": '/usr/bin/python3 -c "import os, sys;'
                        ' os.setxattr(sys.argv[1], \'user.mark\', b\'x\')" "$1/usr/bin"',
    "plugin agent: ": 'rm "$1/opt/agent/text"',
}


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})


@pytest.fixture
def scripts(built: support.Fixtures, tmp_path: Path,
            monkeypatch: pytest.MonkeyPatch) -> Dict[str, str]:
    """Shell scripts by the names of the programs they replace; ``real`` runs the program."""
    for form in support.FORMS:
        built.iso(form)  # with the real programs
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()
    return Scripts(tmp_path / "bin")


class Scripts(Dict[str, str]):
    """Writes each value as a script, which replaces the program of that name."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __setitem__(self, name: str, text: str) -> None:
        path = self._folder / name
        path.write_text(f"#!/bin/bash\nreal=/usr/bin/{name}\n{text}\n")
        path.chmod(0o755)


def run_merge(program: Program, image: Path, agent: Path, *more: str) -> Answer:
    return program("merge", image, agent, "-o", program.work.parent / "merged.iso", "-y", UNSIGNED,
                   *more)


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_tree_is_reported_and_not_kept(
        message: str, built: support.Fixtures, program: Program, agent: Path,
        scripts: Dict[str, str], tmp_path: Path) -> None:
    scripts["mksquashfs"] = f'({DAMAGES[message]}) >/dev/null 2>&1; exec "$real" "$@"'
    answer = run_merge(program, built.iso("tree-live"), agent)
    assert answer.status == 8, answer.text
    assert "the image that was written is not correct:" in answer.err
    assert message in answer.err
    assert not (tmp_path / "merged.iso").exists()
    assert list(program.work.iterdir()) == []


def test_a_different_compressor_is_reported(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str]) -> None:
    scripts["mksquashfs"] = 'exec "$real" "$1" "$2" -comp gzip -noappend -no-progress'
    answer = run_merge(program, built.iso("tree-live"), agent)
    assert answer.status == 8 and "it is packed with -comp gzip" in answer.err


def test_a_different_compressor_than_requested_is_reported(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str]) -> None:
    scripts["mksquashfs"] = 'exec "$real" "$1" "$2" -comp gzip -noappend -no-progress'
    answer = run_merge(program, built.iso("tree-live"), agent, "--recompress", "zstd:3")
    assert answer.status == 8 and "it is packed with gzip" in answer.err


def test_a_package_of_no_plugin_is_reported(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str]) -> None:
    scripts["mksquashfs"] = ('rpm --root "$1" --dbpath /usr/share/rpm --erase --nodeps --noscripts'
                             ' --justdb chrony >/dev/null 2>&1; exec "$real" "$@"')
    answer = run_merge(program, built.iso("tree-live"), agent)
    assert answer.status == 8 and "package chrony-" in answer.err and "was removed" in answer.err


def test_a_damaged_filesystem_is_reported(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str]) -> None:
    # a block in the middle of the first inode table
    scripts["mksquashfs"] = ('dd if=/dev/urandom of="$1/LiveOS/ext3fs.img" bs=4096 seek=40'
                             ' count=40 conv=notrunc 2>/dev/null; exec "$real" "$@"')
    answer = run_merge(program, built.iso("old-live"), agent)
    assert answer.status == 8, answer.text
    assert "the image that was written is not correct:" in answer.err


@pytest.mark.parametrize(("messages", "words"), [
    (["its boot records differ"], '-boot_image any discard'),
    (["on the ISO, /EFI/BOOT/grub.cfg was changed",
      "the boot configuration /EFI/BOOT/grub.cfg lacks the change that the merge made"],
     "-map /etc/passwd /EFI/BOOT/grub.cfg"),
    (["on the ISO, /images/pxeboot/vmlinuz was removed"], "-rm /images/pxeboot/vmlinuz --"),
    (["on the ISO, /stranger was added"], "-map /etc/passwd /stranger"),
    (["its volume id is OTHER", "the UUID is 2020010100000000, not ",
      "the GUID of its GPT is 01010101-0101-0101-0101-010101010101, not "],
     "-volid OTHER -volume_date uuid 2020010100000000"
     f" -boot_image any gpt_disk_guid={'01' * 16}"),
])
def test_a_damaged_iso_is_reported(
        messages: List[str], words: str, built: support.Fixtures, program: Program, agent: Path,
        scripts: Dict[str, str]) -> None:
    # not in the trial before the merge, which refuses the image
    scripts["xorriso"] = ('words=("$@"); if [ "${words[-1]}" = -commit ]'
                          ' && [[ "$*" != */trial.iso* ]];'
                          ' then unset "words[-1]";'
                          f' exec "$real" "${{words[@]}}" {words} -commit; fi; exec "$real" "$@"')
    answer = run_merge(program, built.iso("installer"), agent)
    assert answer.status == 8, answer.text
    assert [message for message in messages if message not in answer.err] == [], answer.err


def test_a_wrong_checksum_is_reported(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str]) -> None:
    # a digit of the checksum, after its title: ECMA-119, 8.4.32
    scripts["implantisomd5"] = ('"$real" "$@" >/dev/null; printf z | dd of="${@: -1}" bs=1'
                                f' seek={16 * 2048 + 883 + 20} conv=notrunc 2>/dev/null')
    answer = run_merge(program, built.iso("old-live"), agent)
    assert answer.status == 8, answer.text
    assert "does not match its checksum" in answer.err


def test_the_verification_can_be_skipped(
        built: support.Fixtures, program: Program, agent: Path, scripts: Dict[str, str],
        tmp_path: Path) -> None:
    scripts["mksquashfs"] = 'touch "$1/etc/hosts.site"; exec "$real" "$@"'
    answer = run_merge(program, built.iso("tree-live"), agent, "--no-check")
    assert answer.status == 0, answer.text
    assert (tmp_path / "merged.iso").exists()
