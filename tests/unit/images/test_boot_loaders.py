"""Boot configurations as their loaders read them: quotes, variables, and what has no notation."""
from __future__ import annotations

import contextlib
import functools
from typing import Callable, Dict, List, Mapping

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso.boot_text.model import CannotEdit
from ovirt_node_plugin.images.iso.boot_text.texts import (
    boots_linux,
    edit_arguments,
    entries,
    replace_volume_id,
)
from ovirt_node_plugin.settings.boot.argument_text import decode, edited, restored
from tests.support.growth import calls_by_size, is_linear

pytestmark = pytest.mark.unit

MENUS = {
    "grub": "menuentry 'x' {\n  linux /v root=x quiet\n  initrd /i\n}\n",
    "isolinux": "label x\n  kernel /v\n  append initrd=/i root=x quiet\n",
    "legacy": "title x\n  kernel /v root=x quiet\n  initrd /i\n",
    "systemd-boot": "title x\nlinux /v\ninitrd /i\noptions root=x quiet\n"}
BROKEN = ("linux /v a&b", "linux /v a | b", "linux /v $ b", "linux /v a > b")
PASSABLE = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "'\"\\"]

SPECIAL = [*(f"isv.{number}=a{character}{character}b" for number, character in
             enumerate(PASSABLE)), "isv.all=" + "".join(PASSABLE), "#isv", "isv=*"]


def added(text: str, *arguments: str) -> str:
    return edit_arguments(text, lambda line: " ".join([line, *arguments]))


def without(text: str, argument: str, *, removes: bool = True) -> str:
    def edit(line: str) -> str:
        return " ".join(word for word in line.split() if word != argument)

    return edit_arguments(text, edit, removes=removes)


def arguments_of(text: str) -> List[str]:
    return [entry.arguments for entry in entries(text)]


def refusal(text: str, *arguments: str) -> CannotEdit:
    with pytest.raises(CannotEdit) as caught:
        added(text, *arguments)
    return caught.value


@pytest.mark.parametrize("loader", MENUS)
def test_each_printable_character_is_written_and_read_back(loader: str) -> None:
    text = added(MENUS[loader], *SPECIAL)
    assert arguments_of(text) == [" ".join(["root=x", "quiet", *SPECIAL])]
    for word in SPECIAL:
        text = without(text, word)
    assert text == MENUS[loader]


@pytest.mark.parametrize("loader", ["grub", "isolinux", "systemd-boot"])
def test_each_value_with_blanks_is_one_argument_that_is_read_back_and_removed(
        loader: str) -> None:
    words = ['dyndbg="file a.c +p"', *(f'isv.{number}="a{character} {character}b=c {character}"'
                                       for number, character in enumerate(PASSABLE))]
    base = added(MENUS[loader], 'first="a b"')
    arguments = [decode(word.replace('"', "")) for word in words]

    def edit(line: str) -> str:
        return edited(line, arguments, entry=False)

    text = edit_arguments(base, edit)
    assert arguments_of(text) == [" ".join(["root=x", "quiet", 'first="a b"', *words])]
    assert edit_arguments(text, edit) == text
    for argument in arguments:
        text = edit_arguments(text, functools.partial(
            restored, base=None, gone=[argument], kept=[], entry=False))
    assert text == base


@pytest.mark.parametrize(("loader", "argument", "reason"), [
    *(("grub", f"a=b{character}", "GRUB does not pass") for character in "'\\"),
    ("isolinux", "rd.initrd=x", "isolinux would take initrd="),
    ("isolinux", "a=b\x7f", "isolinux has no notation"),
    ("legacy", "a=b\\", "GRUB Legacy has no notation"),
    ("legacy", 'a="b c"', "GRUB Legacy has no notation"),
    ("systemd-boot", 'a="b"', "systemd-boot has no notation")])
def test_an_argument_without_a_notation_is_refused(
        loader: str, argument: str, reason: str) -> None:
    error = refusal(MENUS[loader], argument)
    assert reason in error.reason and error.line == 2


@pytest.mark.parametrize(("loader", "most"), [
    ("grub", 2047), ("isolinux", 2047), ("legacy", 1500), ("systemd-boot", 2047)])
def test_a_command_line_that_the_loader_would_cut_is_refused(loader: str, most: int) -> None:
    free = most - len(" ".join(["BOOT_IMAGE=/v", *arguments_of(MENUS[loader])])) - len(" a=")
    free -= len(" initrd=/i") if loader == "isolinux" else 0
    assert added(MENUS[loader], "a=" + "b" * free)
    assert f"takes {most} characters" in refusal(MENUS[loader], "a=" + "b" * (free + 1)).reason


def test_an_argument_for_init_is_not_taken_for_the_kernel_s() -> None:
    assert "are for init" in refusal(MENUS["grub"].replace("quiet", "quiet -- single"), "a").reason
    assert added(MENUS["grub"].replace("quiet", "--- quiet"), "a").count(" --- quiet a\n") == 1


def test_an_argument_is_found_behind_its_quotes() -> None:
    text = "menuentry x {\n  linux /v 'a=b;c' \"d=e f\" g\\;h i\n}\n"
    assert arguments_of(text) == ['a=b;c d="e f" g;h i']
    assert without(text, "a=b;c") == "menuentry x {\n  linux /v \"d=e f\" g\\;h i\n}\n"
    assert without(text, "g;h") == "menuentry x {\n  linux /v 'a=b;c' \"d=e f\" i\n}\n"
    assert edit_arguments(text, lambda line: line.replace("a=b;c", "a=b;d")) == (
        "menuentry x {\n  linux /v 'a=b;d' \"d=e f\" g\\;h i\n}\n")


LINUX_IN_A_VARIABLE = """\
set linux=linux
if [ "${grub_platform}" = "efi" ]; then
  set linux=linuxefi; set initrd=initrdefi
fi
menuentry "Start" --class os --unrestricted {
    $linux ($root)/boot/kernel.xz root=live:CDLABEL=LIVE ${more_arguments}
    $initrd ($root)/boot/initrd
}
"""


def test_a_command_may_come_from_a_variable() -> None:
    (entry,) = entries(LINUX_IN_A_VARIABLE)
    assert (entry.title, entry.kernel, entry.initrds, entry.arguments) == (
        "Start", "($root)/boot/kernel.xz", ("($root)/boot/initrd",),
        "root=live:CDLABEL=LIVE ${more_arguments}")
    assert added(LINUX_IN_A_VARIABLE, "a=b") == LINUX_IN_A_VARIABLE.replace(
        "${more_arguments}", "${more_arguments} a=b")


def test_a_command_that_nothing_sets_is_refused_and_not_passed_over() -> None:
    text = "menuentry x {\n\n  $linux /v a\n}\nmenuentry y {\n  linux /v a\n}\n"
    assert arguments_of(text) == ["a"]
    error = refusal(text, "b")
    assert error.line == 3 and "a variable is used as a command" in error.reason
    assert without("menuentry x {\n  linux /v a\n  ${n} \n}\n", "a").count(" a") == 0


@pytest.mark.parametrize("assigned", ["set args='a quiet'", "args=\"a quiet\""])
@pytest.mark.parametrize("used", ["$args", "${args}", "x=\"$args\""])
def test_arguments_in_a_variable_are_read_and_kept_or_refused(assigned: str, used: str) -> None:
    text = f"{assigned}\nmenuentry x {{\n  linux /v {used} b\n}}\n"
    assert arguments_of(text) == ['x="a quiet" b' if "x=" in used else "a quiet b"]
    assert added(text, "c") == text.replace(" b\n", " b c\n")
    assert without(text, "b") == text.replace(" b\n", "\n")
    if "x=" not in used:
        with pytest.raises(CannotEdit) as caught:
            without(text, "quiet")
        assert caught.value.line == 3
        assert caught.value.reason == f"quiet, which is to be changed, is in {used}"


def test_arguments_behind_the_kernel_in_a_variable_count() -> None:
    text = "set boot='/v a quiet'\nmenuentry x {\n  linux $boot b\n}\n"
    (entry,) = entries(text)
    assert (entry.kernel, entry.arguments) == ("/v", "a quiet b")
    assert added(text, "c") == text.replace(" b\n", " b c\n")
    for refused in (text, text.replace("$boot", "$other")):
        with pytest.raises(CannotEdit, match="line 3"):
            without(refused, "quiet")
    assert arguments_of(text.replace("$boot", "$other")) == ["b"]


def test_an_argument_that_an_unknown_variable_may_have_is_not_removed() -> None:
    text = "menuentry x {\n  linux /v quiet $args\n}\n"
    assert added(text, "c") == text.replace("$args", "$args c")
    with pytest.raises(CannotEdit, match=r"line 2: \$args may have an argument to remove"):
        without(text, "quiet")
    named = text.replace("$args", "iso=${args}")
    assert without(named, "quiet") == named.replace("quiet ", "")


def test_an_argument_in_one_of_several_values_is_refused() -> None:
    text = ("if a; then set x='quiet b'; else set x=c; fi\n"
            "menuentry x {\n  linux /v $x\n}\n")
    assert added(text, "d") == text.replace("$x", "$x d")
    with pytest.raises(CannotEdit, match=r"line 3: \$x has the argument quiet"):
        without(text, "quiet")


def test_a_command_that_grub_cannot_parse_is_refused() -> None:
    for command in BROKEN:
        text = f"menuentry x {{\n  {command}\n}}\n"
        assert refusal(text, "c").reason == "GRUB cannot parse this command"


def test_a_line_that_a_quote_hides_is_refused_and_not_passed_over() -> None:
    text = "search --set=root -l 'It's'\nmenuentry 'x' {\n  linux /v a\n}\n"
    error = refusal(text, "b")
    assert error.line == 3 and "a quote before it is not closed" in error.reason
    assert boots_linux(text) and not boots_linux("menuentry 'linux /v' {\n  chain\n}\n")


@pytest.mark.parametrize("command", [
    'eval "linux /v a"', "eval linuxefi /v", "time linux /v a", "module2 /boot/vmlinuz-6 a",
    "module /vmlinuz dummy=x root=/dev/sda"])
def test_a_command_that_boots_linux_in_another_way_is_refused(command: str) -> None:
    text = f"menuentry x {{\n  linux /v a\n}}\nmenuentry y {{\n  {command}\n}}\n"
    error = refusal(text, "b")
    assert error.line == 5 and "boots Linux in a way that is not supported" in error.reason


@pytest.mark.parametrize("command", ["eval 'set x=y'", "module2 /initrd.img", "time ls"])
def test_other_commands_prevent_no_change(command: str) -> None:
    text = f"menuentry x {{\n  {command}\n  linux /v a\n}}\n"
    assert added(text, "b") == text.replace("/v a", "/v a b")


@pytest.mark.parametrize("text", [
    "default vmlinuz initrd=i quiet\n", "label a\n  kernel v\n  append x\nONTIMEOUT /boot/v\n",
    "label a\n  kernel v\ndefault b\n"])
def test_a_kernel_that_isolinux_boots_without_a_label_is_refused(text: str) -> None:
    error = refusal(text, "b")
    assert error.line == text.lower().count("\n", 0, max(
        text.lower().find("default"), text.lower().find("ontimeout"))) + 1
    assert "is no label here" in error.reason


@pytest.mark.parametrize("line", [
    "default a", "DEFAULT a quiet", "default vesamenu.c32", "include menu.cfg\ndefault b"])
def test_a_default_that_is_a_label_or_a_menu_prevents_no_change(line: str) -> None:
    text = f"{line}\nlabel a\n  kernel v\n  append x\n"
    assert added(text, "b") == text.replace("append x", "append x b")


def test_the_configuration_of_grub_legacy_is_none_of_isolinux() -> None:
    text = "default saved\ntimeout 5\ntitle x\n  kernel /v root=x\n"
    assert added(text, "b") == text.replace("root=x", "root=x b")


FUNCTION = ("function load {\n  linux /v $@ end\n}\n"
    "submenu 'S' {\n  submenu T {\n    menuentry --class a $\"One\" --id=x {\n"
    "      if [ -f /a ]; then\n        linux16 /a b\n      elif true; then linuxefi /c d\n"
    "      else linux /e f; fi\n    }\n  }\n}\nload g\n")


def test_functions_blocks_and_submenus_have_entries() -> None:
    text = FUNCTION
    assert [(entry.title, entry.kernel) for entry in entries(text)] == [
        ("", "/v"), ("One", "/a"), ("One", "/c"), ("One", "/e")]
    assert arguments_of(added(text, "z")) == ["$@ end z", "b z", "d z", "f z"]


def test_isolinux_ignores_help_texts_and_menu_commands() -> None:
    text = ("menu title label\nlabel a\n  menu label kernel\n  text help\n  append no\n  label no\n"
            "  endtext\n  kernel /v\n  append a\nmenu begin sub\nlabel b\n  LINUX /w x\n"
            "  Append b\nmenu end\nlabel c\n  com32 chain.c32\n  append hd0\nlabel d\n"
            "  menu goto e\n  append no\nlabel /vm\n  append e\n")
    assert [(entry.title, entry.kernel, entry.arguments) for entry in entries(text)] == [
        ("a", "/v", "a"), ("b", "/w", "x b"), ("/vm", "/vm", "e")]
    assert added(text, "z") == text.replace("append a", "append a z").replace(
        "Append b", "Append b z").replace("append e", "append e z")


def test_an_isolinux_entry_without_default_arguments_gets_a_line_behind_that_of_its_own() -> None:
    text = "append ro\nlabel a\n  kernel v\n  append -\n  menu default\n"
    assert arguments_of(text) == [""] and arguments_of(added(text, "b")) == ["b"]
    assert added(text, "b") == text.replace("append -\n", "append -\n  append b\n")


@pytest.mark.parametrize("line", ["include common.cfg", "MENU INCLUDE common.cfg"])
def test_an_isolinux_entry_whose_arguments_may_be_in_another_file_is_refused(line: str) -> None:
    text = f"{line}\nlabel a\n  kernel v\n"
    assert "an included file may have one" in refusal(text, "b").reason
    own = f"{line}\nlabel a\n  kernel v\n  append ro\n"
    assert added(own, "b") == own.replace("ro", "ro b")


def test_arguments_behind_the_name_of_an_isolinux_kernel_count() -> None:
    text = "label a\n  kernel v quiet\n  append ro\n"
    assert arguments_of(text) == ["quiet ro"]
    assert without(text, "quiet") == "label a\n  kernel v\n  append ro\n"
    assert "no append line" in refusal("append ro\nlabel a\n  kernel v quiet\n", "b").reason


def test_grub_legacy_continues_lines_and_takes_an_equals_sign() -> None:
    text = "title x\n  kernel=/v a \\\n  b\n  initrd=/i\n# kernel /no\n"
    (entry,) = entries(text)
    assert (entry.kernel, entry.initrds, entry.arguments) == ("/v", ("/i",), "a b")
    assert added(text, "c") == text.replace("  b\n", "  b c\n")


# Forms of menus as their projects document them
REAL = {
    "lorax": """\
set default="1"
function load_video {
  insmod efi_gop
}
load_video
set gfxpayload=keep
search --no-floppy --set=root -l 'Fedora-S-dvd'
### BEGIN /etc/grub.d/10_linux ###
menuentry 'Install Fedora' --class fedora --class gnu-linux {
\tlinuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora-S-dvd quiet
\tinitrdefi /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
\tmenuentry 'Rescue a Fedora system' --class fedora {
\t\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Fedora-S-dvd inst.rescue quiet
\t\tinitrd /images/pxeboot/initrd.img
\t}
}
""",
    "debian-live": """\
source /boot/grub/config.cfg

# Live boot
menuentry "Live system (amd64)" --hotkey=l {
\tlinux\t/live/vmlinuz-6.1.0-9-amd64 boot=live components quiet splash findiso=${iso_path}
\tinitrd\t/live/initrd.img-6.1.0-9-amd64
}
submenu 'Utilities...' --hotkey=u {
\tmenuentry "UEFI Firmware Settings" {
\t\tfwsetup
\t}
}
""",
    "ubuntu": """\
set timeout=30
loadfont unicode
menuentry "Try or Install Ubuntu" {
\tset gfxpayload=keep
\tlinux\t/casper/vmlinuz  --- quiet splash
\tinitrd\t/casper/initrd
}
grub_platform
if [ "$grub_platform" = "efi" ]; then
menuentry 'Boot from next volume' {
\texit 1
}
fi
""",
    "opensuse": LINUX_IN_A_VARIABLE,
    "isolinux": """\
default vesamenu.c32
timeout 600
menu background splash.png
menu color border 0 #ffffffff #00000000 none
label linux
  menu label ^Install Fedora
  menu default
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=Fedora-S-dvd quiet
menu separator
menu begin ^Troubleshooting
  menu title Troubleshooting
label rescue
  menu indent count 5
  text help
\tIf the system will not boot, this lets you access files
\tand edit config files to try to get it booting again.
  endtext
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=Fedora-S-dvd inst.rescue quiet
label memtest
  kernel memtest
menu end
""",
    "archiso": """\
title    Arch Linux install medium (%ARCH%, UEFI)
sort-key 01
# options none
linux    /arch/boot/vmlinuz-linux
initrd   /arch/boot/initramfs-linux.img
options  archisobasedir=arch archisolabel=ARCH_202401\t
options  console=LABEL=Fedora-S-dvd\r
"""}
COUNTS: Dict[str, int] = {"lorax": 2, "debian-live": 1, "ubuntu": 1, "opensuse": 1, "isolinux": 2,
                          "archiso": 1}


@pytest.mark.parametrize("name", REAL)
def test_menus_of_distributions_are_changed_in_every_entry_and_restored(name: str) -> None:
    text = REAL[name]
    assert edit_arguments(text, lambda line: line) == text
    words = ["isv=a;b", "isv.two"]
    changed = added(text, *words)
    assert len(entries(changed)) == COUNTS[name]
    assert all(line.endswith(" ".join(words)) for line in arguments_of(changed))
    for word in words:
        changed = without(changed, word, removes=False)
    assert changed == text


VOLUME_IDS = ["It's 4.5", 'A"B', "A$B", "A;B", "A\\B", "A&B{C}", "-A", "#A", "A B  C",
              "!%()*,/<>?^`~|"]


@pytest.mark.parametrize("name", ["lorax", "isolinux", "opensuse", "archiso"])
@pytest.mark.parametrize("volume_id", VOLUME_IDS)
def test_a_volume_id_is_written_as_udev_and_the_loader_name_it(volume_id: str, name: str) -> None:
    text = REAL[name]
    old = "LIVE" if name == "opensuse" else "Fedora-S-dvd"
    changed = replace_volume_id(text, old, volume_id)
    label = "".join(character if character.isalnum() or character in "#+-.:=@_" else
                    f"\\x{ord(character):02x}" for character in volume_id)
    assert arguments_of(changed) == [line.replace(old, label) for line in arguments_of(text)]
    assert replace_volume_id(changed, volume_id, old).replace('"', "'") == text.replace('"', "'")


def test_a_volume_id_in_a_variable_is_replaced_where_it_needs_no_notation() -> None:
    text = ("set label='A'\nset title=A\nsearch --label \"$label\" --set\n"
            "menuentry A {\n  linux /v root=live:LABEL=${label} x=\"LABEL=A:$y\"\n}\n")
    assert replace_volume_id(text, "A", "B") == (
        "set label='B'\nset title=A\nsearch --label \"$label\" --set\n"
        "menuentry A {\n  linux /v root=live:LABEL=${label} x=\"LABEL=B:$y\"\n}\n")
    with pytest.raises(CannotEdit, match="line 1: the volume id in label='A' cannot be replaced"):
        replace_volume_id(text, "A", "B C")
    searched = text.replace("root=live:LABEL=${label} ", "")
    assert replace_volume_id(searched, "A", "It's") == searched.replace(
        "'A'", '"It\'s"').replace("LABEL=A", r"LABEL=It\x27s")


def test_a_colon_in_a_volume_id_is_refused_where_it_ends_the_label() -> None:
    with pytest.raises(CannotEdit, match="line 10: A:B has a colon"):
        replace_volume_id(REAL["lorax"], "Fedora-S-dvd", "A:B")
    text = replace_volume_id(REAL["opensuse"], "LIVE", "A:B")
    assert "CDLABEL=A:B " in text


def test_an_entry_of_systemd_boot_has_its_options_in_any_lines() -> None:
    entry = entries(REAL["archiso"])[0]
    assert (entry.kernel, entry.initrds) == (
        "/arch/boot/vmlinuz-linux", ("/arch/boot/initramfs-linux.img",))
    assert entry.arguments.startswith("archisobasedir=arch archisolabel=ARCH_202401 console=")
    assert without(REAL["archiso"], "archisobasedir=arch").count("options archisolabel=") == 1
    text = "title x\nlinux /v\n"
    assert added(text, "a", "b=c") == "title x\nlinux /v\noptions a b=c\n"
    quoted = 'linux /v\noptions "a b"\n'
    assert refusal(quoted, "c").reason == "its options are quoted as a whole"


HOSTILE: Mapping[str, Callable[[int], str]] = {
    "variables": lambda size: "menuentry x {\n linux /v " + "$a" * size + "\n}\n",
    "long values": lambda size: (f"set a={'b' * 16_000}\nmenuentry x {{\n linux /v "
                                 + "$a " * size + "\n}\n"),
    "many values": lambda size: ("".join(f"set a={number}\n" for number in range(size))
                                 + "linux /v " + "$a" * size),
    "commands": lambda size: "menuentry x {\n " + "$a " * size + "\n}\n",
    "labels": lambda size: f"search --label {chr(39)}A{chr(39)}" * size + " A\nlinux /v LABEL=A",
    "entries with labels": lambda size: "linux /v LABEL=A\n" * (size // 10),
    "default arguments": lambda size: (
        f"append {' '.join(f'a{number}' for number in range(size))}\nlabel x\n kernel /v\n"),
    "lines of options": lambda size: "linux /v\n" + "options a \n" * size,
    "blanks": lambda size: "linux /v\noptions" + " " * 16 * size + "\n" + "\t" * 16 * size,
    "open quote": lambda size: 'linux /v "' + 'LABEL=A\\"' * size}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("change", [
    entries, lambda text: replace_volume_id(text, "A", "B C"), lambda text: added(text, "x;y"),
    lambda text: without(text, "a1")], ids=["entries", "volume id", "argument", "removal"])
def test_hostile_scripts_are_read_in_linear_time(
        make: Callable[[int], str], change: Callable[[str], object]) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(BadImage, CannotEdit):
            change(make(size))

    costs = calls_by_size(read, (250, 500, 1_000))
    assert is_linear(costs), costs
