"""Boot configurations as text: entries that boot Linux, and edits of their arguments."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.images.iso.boot_text.texts import edit_arguments, entries, replace_volume_id

pytestmark = pytest.mark.unit

ISOLINUX = """\
default vesamenu.c32
timeout 600

label linux
  menu label ^Install Node
  kernel vmlinuz
  append initrd=initrd.img inst.stage2=hd:LABEL=Node quiet\x20

label two
  linux /images/vmlinuz
  initrd /images/a.img,/images/b.img
  append ro rhgb

label bare
  kernel vmlinuz

label memtest
  kernel memtest
  append -

label menu
  kernel chain.c32
  append hd0

label local
  localboot 0xffff
"""
GRUB = """\
set default="1"
search --no-floppy --set=root -l 'Node'

menuentry 'Install Node' --class fedora {
\tlinuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Node quiet
\tinitrdefi /images/pxeboot/initrd.img
}
submenu "Troubleshooting" {
  menuentry "Rescue" {
    linux ($root)/vmlinuz rescue
    initrd /initrd.img /more.img
  }
  menuentry "Memory" {
    linux16 /memtest86+.bin
  }
}
menuentry 'Local' {
  exit 1
}
"""
LEGACY = """\
default=0
splashimage=/EFI/BOOT/splash.xpm.gz
title Install Node
  kernel /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=Node
  initrd /images/pxeboot/initrd.img
"""


def test_isolinux_entries_are_those_that_boot_linux() -> None:
    boot_entries = entries(ISOLINUX)
    assert [(entry.title, entry.kernel, entry.initrds,
             entry.arguments) for entry in boot_entries] == [
        ("linux", "vmlinuz", ("initrd.img",), "inst.stage2=hd:LABEL=Node quiet"),
        ("two", "/images/vmlinuz", ("/images/a.img", "/images/b.img"), "ro rhgb"),
        ("bare", "vmlinuz", (), "")]


def test_grub_entries_are_those_that_boot_linux() -> None:
    boot_entries = entries(GRUB)
    assert [(entry.title, entry.kernel, entry.initrds,
             entry.arguments) for entry in boot_entries] == [
        ("Install Node", "/images/pxeboot/vmlinuz", ("/images/pxeboot/initrd.img",),
         "inst.stage2=hd:LABEL=Node quiet"),
        ("Rescue", "($root)/vmlinuz", ("/initrd.img", "/more.img"), "rescue")]


def test_grub_legacy_entries_have_a_title() -> None:
    (entry,) = entries(LEGACY)
    assert (entry.title, entry.kernel, entry.arguments) == (
        "Install Node", "/images/pxeboot/vmlinuz", "inst.stage2=hd:LABEL=Node")


@pytest.mark.parametrize("text", [ISOLINUX, GRUB, LEGACY, ISOLINUX.replace("\n", "\r\n")])
def test_an_edit_without_changes_keeps_every_byte(text: str) -> None:
    assert edit_arguments(text, lambda line: line) == text


@pytest.mark.parametrize("text", [ISOLINUX, GRUB, LEGACY])
def test_only_arguments_are_changed_in_every_entry(text: str) -> None:
    edited = edit_arguments(text, lambda line: f"{line} isv.mode=fast".strip())
    assert all("isv.mode=fast" in entry.arguments for entry in entries(edited))
    assert len(entries(edited)) == len(entries(text))
    lines = [line for line in edited.splitlines() if "isv.mode" not in line]
    assert [line for line in text.splitlines() if line in lines] == lines


def test_an_isolinux_entry_without_arguments_gets_an_append_line() -> None:
    edited = edit_arguments(ISOLINUX, lambda line: f"{line} a=b".strip())
    assert "label bare\n  kernel vmlinuz\n  append a=b\n" in edited
    assert "append -\n" in edited and "append hd0\n" in edited


def test_a_last_line_without_a_newline_can_be_changed() -> None:
    assert edit_arguments("title x\nkernel /v a", lambda _: "b") == "title x\nkernel /v b"


def test_a_text_without_boot_commands_has_no_entries() -> None:
    assert entries("") == () and entries("set timeout=1\nconfigfile /x\n") == ()


def test_the_volume_id_is_replaced_only_where_it_is_one() -> None:
    text = ("linux /v LABEL=Node inst.ks=hd:LABEL=Node:/ks.cfg other=Node LABEL=Nodes\n"
            "search --label Node\nsearch -l 'Node'\nmenuentry 'Node' {\n}\n")
    assert replace_volume_id(text, "Node", "Site") == (
        "linux /v LABEL=Site inst.ks=hd:LABEL=Site:/ks.cfg other=Node LABEL=Nodes\n"
        "search --label Site\nsearch -l 'Site'\nmenuentry 'Node' {\n}\n")


@pytest.mark.parametrize(("text", "expected"), [
    ("label x\nappend root=live:CDLABEL=A\\x20B ro",
     "label x\nappend root=live:CDLABEL=C\\x20D ro"),
    ("menuentry x {\nlinux /v root=live:CDLABEL=A\\\\x20B\nsearch -l A\n",
     "menuentry x {\nlinux /v root=live:CDLABEL=C\\\\x20D\nsearch -l A\n"),
    ("menuentry x {\nsearch -l \"A B\"\n", "menuentry x {\nsearch -l \"C D\"\n"),
])
def test_blanks_in_a_volume_id_keep_the_notation_of_each_place(text: str, expected: str) -> None:
    assert replace_volume_id(text, "A B", "C D") == expected


def test_a_new_blank_in_a_volume_id_is_escaped_or_quoted() -> None:
    assert replace_volume_id("label x\nappend hd:LABEL=A", "A", "B C") == (
        "label x\nappend hd:LABEL=B\\x20C")
    assert replace_volume_id("menuentry x {\nsearch -l A\nlinux /v hd:LABEL=A\n", "A", "B C") == (
        "menuentry x {\nsearch -l 'B C'\nlinux /v hd:LABEL=B\\\\x20C\n")


def test_a_volume_id_is_not_used_as_a_pattern() -> None:
    assert replace_volume_id("label x\nappend LABEL=AxB", "A.B", "C") == "label x\nappend LABEL=AxB"


def test_arguments_for_all_entries_apply_to_entries_without_their_own() -> None:
    text = "append ro quiet\nlabel a\n  kernel v\nlabel b\n  kernel v\n  append rw\n"
    assert [entry.arguments for entry in entries(text)] == ["ro quiet", "rw"]
    assert edit_arguments(text, lambda line: f"{line} a=b") == (
        "append ro quiet\nlabel a\n  kernel v\n  append ro quiet a=b\n"
        "label b\n  kernel v\n  append rw a=b\n")
    assert edit_arguments(text, lambda line: line) == text


LINES = [
    ("linux /v root=x \\\n  quiet\n", "linux /v root=x \\\n  quiet a=b\n"),
    ("linux /v root=x # a comment\n", "linux /v root=x a=b # a comment\n"),
    ("linux /v root=x; boot\n", "linux /v root=x a=b; boot\n"),
    ("linux /v root=x;boot\n", "linux /v root=x a=b;boot\n"),
    ("if true; then linux /v; else linux /v b; fi\n",
     "if true; then linux /v a=b; else linux /v b a=b; fi\n")]


@pytest.mark.parametrize(("line", "edited"), LINES)
def test_arguments_are_found_on_a_line_with_other_commands(line: str, edited: str) -> None:
    text = f"menuentry 'x' {{\n{line}}}\n"
    assert edit_arguments(text, lambda arguments: arguments) == text
    assert edit_arguments(text, lambda arguments: f"{arguments} a=b") == (
        f"menuentry 'x' {{\n{edited}}}\n")


def test_an_entry_in_one_line_is_changed() -> None:
    text = "submenu s { menuentry 'x' { linux /v root=x ; initrd /i; } }\n"
    (entry,) = entries(text)
    assert (entry.title, entry.kernel, entry.initrds) == ("x", "/v", ("/i",))
    assert edit_arguments(text, lambda arguments: f"{arguments} a=b") == text.replace(
        "root=x", "root=x a=b")


@pytest.mark.parametrize("text", [
    "menuentry " + "{" * 500_000, "menuentry {" + "kernel" * 150_000, "'" * 500_000 + '"' * 500_000,
    "label a\n" * 120_000], ids=["braces", "words", "quotes", "labels"])
def test_a_configuration_of_the_largest_size_is_read_in_linear_time(text: str) -> None:
    assert edit_arguments(text, lambda arguments: arguments) == text
    assert entries(text) == ()


def test_many_entries_are_edited_in_linear_time() -> None:
    text = "menuentry 'a' {\n linux /a b\n}\n" * 1000
    assert edit_arguments(text, lambda arguments: "c") == text.replace("/a b", "/a c")


@pytest.mark.parametrize("text", [
    "menuentry 'a' {\n linux /a b\n}\n" * 1001, "linux /a " + "b" * 16_385,
    "append " + "b" * 500_000 + "\n" + "label a\nkernel b\n" * 20_000],
    ids=["entries", "arguments", "default arguments"])
def test_more_entries_or_arguments_than_the_limits_are_refused(text: str) -> None:
    for read in (entries, lambda text: edit_arguments(text, str)):
        with pytest.raises(BadImage, match="has more than 1000 entries, or an entry with more than"
                                           " 16384 characters of kernel arguments"):
            read(text)


def test_only_blanks_separate_words() -> None:
    text = "menuentry 'a' {\n linux\xa0/a b\n linux /k\xa0x b\n linux \x85/c\n kernel \xa0\n}\n"
    assert [entry.kernel for entry in entries(text)] == ["/k\xa0x", "\x85/c", "\xa0"]
