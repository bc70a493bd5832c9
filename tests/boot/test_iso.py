"""Merged ISOs booted by their boot records; the kernel sees the changes of plugins."""
from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Dict
from xml.sax.saxutils import quoteattr

import pytest

from ovirt_node_plugin.settings.boot.argument_syntax import GRUB
from tests import support
from tests.support import qemu, schemas
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.iso_contents import xorriso
from tests.support.isos import BootFiles, make_iso
from tests.support.program import Program

pytestmark = [pytest.mark.root, pytest.mark.slow]

# GRUB, GRUB in an appended partition, isolinux, GRUB in efiboot.img. The installer has the
# last two again; one of these boots shows that its payload, which Anaconda unpacks, can be mounted.
BOOTS = (("tree-live", "bios"), ("tree-live", "uefi"), ("old-live", "bios"), ("old-live", "uefi"),
         ("installer", "bios"))
MODULES = "/usr/lib/modules/5.14.0-284.11.1.el9_2.x86_64"
SITE_HOOK = "/usr/libexec/vdsm/hooks/before_vm_start/40_site"
# Every character that a value can have in a descriptor, together and one by one
SPECIAL = "".join(chr(code) for code in range(0x21, 0x7F)
                  if not chr(code).isalnum() and chr(code) not in "\"$'\\`")
ARGUMENTS = {"ds": "nocloud;s=http://10.0.0.1/", "site.every": SPECIAL,
             **{f"site.c{ord(character):x}": f"a{character}b" for character in SPECIAL}}
# The form in which boot loader entries have an argument, which Red Hat's GRUB reads as a script
ENTRY_ARGUMENT = f"entry.every={SPECIAL}"
VOLUME_ID = "it's a Node; 4 & more"
# Commands for the booted root; each fails without its plugin.
QUESTIONS = {
    "argument": "grep -wo printk.time=0 /proc/cmdline && cat /sys/module/printk/parameters/time",
    "cmdline": "grep site.every= /proc/cmdline",
    "merge": "cat /run/initramfs/live/ovirt-node-plugins.json",
    "registry": "ls -1 /etc/ovirt.plugins.d | grep .",
    "file": "ls -ln /opt/site/text && cat /opt/site/text",
    "module": "cat /etc/modules-load.d/node-plugin-isv-module-foo-isv_foo.conf"
              " /etc/modprobe.d/node-plugin-isv-module-foo-isv_foo.conf"
              f" && grep isv_foo.ko: {MODULES}/modules.dep && ls -ln {MODULES}/extra/isv_foo.ko",
    "service": "cd /etc/systemd/system/multi-user.target.wants && ls -ln acme-storaged.service"
               " && cat acme-storaged.service && ls -ln /opt/acme/storage/bin/acme-storaged",
    "hooks": f"ls -lnL /usr/libexec/vdsm/hooks/before_vm_start/60_acme_storage && {SITE_HOOK}",
}


@pytest.fixture(scope="module")
def isos(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """An ISO of each form with a kernel and an initramfs that runs QUESTIONS."""
    folder = tmp_path_factory.mktemp("isos")
    root = built.node_root(folder / "root")
    boot = BootFiles(qemu.kernel_file(), qemu.make_initramfs(QUESTIONS, folder / "initramfs"))
    arguments = "console=ttyS0 quiet panic=-1"
    in_grub = {"tree-live": f"{arguments} {GRUB.write(ENTRY_ARGUMENT)}"}
    made = {form: make_iso(form, root, folder / f"{form}.iso", boot=boot,
                           arguments=in_grub.get(form, arguments))
            for form in dict(BOOTS)}
    make_menu_harder(made["tree-live"], folder)
    return made


def make_menu_harder(iso: Path, folder: Path) -> None:
    """Rewrite the first entry of GRUB's menu for BIOS on one continued line, with variables."""
    place, text_file = "/boot/grub2/grub.cfg", folder / "grub.cfg"
    xorriso(iso, "-osirrox", "on", "-extract", place, str(text_file))
    text, count = re.subn(r"{\n\tlinux (.*)\n\t(initrd .*)\n}",
                          r"{ $load \1\\\n $more; \2; }", text_file.read_text(), count=1)
    assert count == 1
    text_file.unlink()
    text_file.write_text(f"set load=linux\nset more='more=1 more=2'\n{text}")
    new = folder / "harder.iso"
    xorriso(iso, "-outdev", f"stdio:{new}", "-boot_image", "any", "replay", "-map",
            str(text_file), place, "-commit")
    os.replace(new, iso)


@pytest.fixture(scope="module")
def merged(isos: Dict[str, Path], built: support.Fixtures,
           tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """The ISOs with three merged plugins and another volume id."""
    folder = tmp_path_factory.mktemp("merged")
    (folder / "work").mkdir()
    program = Program(folder / "work", Dnf(folder / "dnf"))
    bundles = [site_plugin(folder), built.bundle("storage"), built.bundle("isv-module-foo")]
    merged_isos = {}
    for form, iso in isos.items():
        merged_isos[form] = folder / f"{form}.iso"
        answer = program("merge", iso, *bundles, "-o", merged_isos[form], "-y", UNSIGNED,
                         "--volid", VOLUME_ID)
        assert answer.status == 0, answer.text
    return merged_isos


def site_plugin(folder: Path) -> Path:
    """Write a plugin with a file, a hook that runs in any root, and kernel arguments."""
    hook = "/usr/share/site/hook"
    return make_plugin(
        folder, "site", files={"/opt/site/text": "hello", hook: "#!/bin/sh\necho I am $0"},
        attributes={hook: "%attr(0755,root,root)"},
        settings=[f'<vdsm-hook point="before_vm_start" order="40" name="site" source="{hook}"/>',
                  '<kernel-argument name="printk.time" value="0"/>',
                  *(f'<kernel-argument name="{name}" value={quoteattr(value)}/>'
                    for name, value in ARGUMENTS.items())])


def boot_and_ask(iso: Path, firmware: str) -> Dict[str, qemu.ShellResult]:
    """Boot an ISO that runs QUESTIONS and return the answers."""
    return qemu.answers(qemu.boot_iso(iso, firmware=firmware))


@pytest.mark.parametrize(("form", "firmware"), BOOTS)
def test_merged_plugins_are_present_when_the_iso_is_booted(
        form: str, firmware: str, merged: Dict[str, Path]) -> None:
    answers = boot_and_ask(merged[form], firmware)
    assert {name: answer.text for name, answer in answers.items() if answer.status} == {}
    assert sorted(answers) == sorted(QUESTIONS)
    assert answers["argument"].text == "printk.time=0\nN\n"
    arguments = answers["cmdline"].text.split()
    assert [argument for argument in arguments if argument.partition("=")[0] in ARGUMENTS] == [
        f"{name}={value}" for name, value in sorted(ARGUMENTS.items())]
    assert (ENTRY_ARGUMENT in arguments) == (form == "tree-live")
    assert ("more=2" in arguments) == ((form, firmware) == ("tree-live", "bios"))
    plugins = [plugin["name"] for plugin in schemas.validated(
        json.loads(answers["merge"].text), schemas.IMAGE)["plugins"]]
    assert plugins == answers["registry"].text.splitlines() == ["isv-module-foo", "site", "storage"]
    assert answers["file"].text.startswith("-rw-r--r--    1 0        0 ")
    assert answers["file"].text.endswith("\nhello\n")
    assert "\nisv_foo\n" in answers["module"].text
    assert "\noptions isv_foo debug=1 mode=fast\n" in answers["module"].text
    assert "\nextra/isv_foo.ko: " in answers["module"].text
    assert answers["service"].text.startswith("lrwxrwxrwx ")
    assert "\nExecStart=/opt/acme/storage/bin/acme-storaged\n" in answers["service"].text
    assert "\n-rwxr-xr-x " in answers["service"].text
    assert answers["hooks"].text.startswith("-rwxr-xr-x ")
    assert answers["hooks"].text.endswith(f"\nI am {SITE_HOOK}\n")


def test_the_questions_fail_before_the_merge(isos: Dict[str, Path]) -> None:
    answers = boot_and_ask(isos["old-live"], "bios")
    assert sorted(answers) == sorted(QUESTIONS)
    assert [name for name, answer in answers.items() if not answer.status] == []


def test_a_machine_that_does_not_power_off_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "empty.iso").write_bytes(bytes(1 << 20))
    with pytest.raises(support.FixtureError, match="empty.iso has not switched off after 2 s"):
        qemu.boot_iso(tmp_path / "empty.iso", timeout_s=2)


def test_an_incomplete_boot_is_reported_with_the_end_of_the_console() -> None:
    console = "-----BEGIN one-----\nhello\n-----END one 0-----\n-----FAILED mounting it-----\n"
    with pytest.raises(support.FixtureError, match="FAILED mounting it"):
        qemu.answers(console)
    assert qemu.answers(console + "-----DONE-----\n") == {"one": qemu.ShellResult("hello\n", 0)}


def test_a_missing_qemu_or_firmware_is_named_with_the_command_that_installs_it(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "_FIRMWARE", [("/none/code.fd", "/none/variables.fd")])
    with pytest.raises(support.FixtureError, match="/none/code.fd") as caught:
        qemu.boot_iso(tmp_path / "an.iso", firmware="uefi")
    assert "tools/setup chroot" in caught.value.hint
    monkeypatch.setattr(qemu, "_QEMU", ["no-qemu"])
    with pytest.raises(support.FixtureError, match="no-qemu") as caught:
        qemu.boot_iso(tmp_path / "an.iso")
    assert "tools/setup chroot" in caught.value.hint


def test_modules_are_loaded_after_their_dependencies(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text("fs/a.ko: fs/b-c.ko lib/d.ko\nfs/b-c.ko: lib/d.ko\n"
                                          "lib/d.ko:\n")
    (tmp_path / "modules.builtin").write_text("fs/e.ko\n")
    files = qemu.module_files(tmp_path, ["e", "b_c", "a"])
    assert [path.name for path in files] == ["d.ko", "b-c.ko", "a.ko"]
    with pytest.raises(support.FixtureError, match="no module f"):
        qemu.module_files(tmp_path, ["f"])
