"""Differences between the boot entries of two images."""
from __future__ import annotations

from typing import List

import pytest

from ovirt_node_plugin.compare import boot
from ovirt_node_plugin.compare.boot import BootDifference, BootSide, boot_differences
from ovirt_node_plugin.images.iso.boot import BootConfiguration

pytestmark = pytest.mark.unit


def grub(*entries: str, path: str = "/grub.cfg") -> BootConfiguration:
    """Return a GRUB configuration with the entries ``TITLE: ARGUMENTS``."""
    lines: List[str] = []
    for entry in entries:
        title, _, arguments = entry.partition(": ")
        lines += [f"menuentry '{title}' {{", f"  linux /vmlinuz {arguments}", "}"]
    return BootConfiguration(path, "\n".join(lines) + "\n")


def differences(old: BootConfiguration, new: BootConfiguration) -> List[BootDifference]:
    return list(boot_differences(BootSide([old]), BootSide([new])))


def test_added_and_removed_arguments_are_listed_in_order() -> None:
    old, new = grub("One: a quiet z=1", "Two: a"), grub('One: z=2 a b="x y"', "Two: a")
    assert differences(old, new) == [
        BootDifference("/grub.cfg", "One", "changed", ("z=2", 'b="x y"'), ("quiet", "z=1"))]


def test_a_repeated_argument_counts_each_time() -> None:
    old, new = grub("One: console=a console=b"), grub("One: console=a console=b console=a")
    assert differences(old, new) == [
        BootDifference("/grub.cfg", "One", "changed", ("console=a",), ())]


def test_a_changed_order_is_a_difference() -> None:
    """The last console is /dev/console."""
    assert differences(grub("One: console=a console=b"), grub("One: console=b console=a")) == [
        BootDifference("/grub.cfg", "One", "changed", (), ())]


def test_blanks_between_arguments_are_ignored() -> None:
    assert differences(grub("One: a  b"), grub("One: a b ")) == []


def test_entries_with_the_same_title_are_compared_in_order() -> None:
    assert differences(grub("One: a", "One: b"), grub("One: a", "One: c")) == [
        BootDifference("/grub.cfg", "One", "changed", ("c",), ("b",))]
    assert differences(grub("One: a"), grub("One: a", "One: b")) == [
        BootDifference("/grub.cfg", "One", "added", ("b",), ())]


def test_added_and_removed_entries_list_all_arguments() -> None:
    assert differences(grub("One: a", "Two: b c"), grub("One: a")) == [
        BootDifference("/grub.cfg", "Two", "removed", (), ("b", "c"))]
    assert differences(grub("One: a"), grub("One: a", path="/isolinux/grub.conf")) == [
        BootDifference("/grub.cfg", "One", "removed", (), ("a",)),
        BootDifference("/isolinux/grub.conf", "One", "added", ("a",), ())]


def versioned(version: str, kernel: str, volume_id: str, *more: str) -> BootSide:
    """Return an ISO's boot configuration as each version of an image has it, and arguments."""
    label = volume_id.replace(" ", r"\\x20")
    words = [f"root=live:CDLABEL={label}", f"inst.ks=hd:LABEL={label}:/ks.cfg",
             f"image=ovirt-node-{version}", *more]
    lines: List[str] = []
    for title in (f"Install oVirt Node {version}", f"Rescue oVirt Node {version}", "Memory"):
        lines += [f"menuentry '{title}' {{", f"  linux /images/vmlinuz-{kernel} {' '.join(words)}",
                  f"  initrd /images/initramfs-{kernel}.img", "}"]
    return BootSide([BootConfiguration("/grub.cfg", "\n".join(lines))], volume_id,
                    (version, kernel))


OLD = versioned("4.5.5", "5.14.0-362.el9.x86_64", "oVirt Node 4.5")


@pytest.mark.parametrize("version", ["4.5.6", "4.5.5-1", "10.0", "4.5.5.1"])
def test_versions_and_volume_ids_are_no_difference(version: str) -> None:
    new = versioned(version, "6.12.0-55.9.1.el10.x86_64", "CentOS-Stream-10")
    assert list(boot_differences(OLD, new)) == list(boot_differences(new, OLD)) == []


def test_only_real_differences_of_two_versions_are_reported() -> None:
    new = versioned("4.5.6", "6.12.0-55.el10.x86_64", "N10", "quiet", "isv.limit=4.5")
    found = list(boot_differences(OLD, new))
    assert [difference.title for difference in found] == [
        "Install oVirt Node 4.5.6", "Memory", "Rescue oVirt Node 4.5.6"]
    assert {(difference.kind, difference.added, difference.removed, difference.details)
            for difference in found} == {("changed", ("quiet", "isv.limit=4.5"), (), ())}


def test_a_number_that_is_no_version_of_the_image_is_a_difference() -> None:
    one = versioned("4.5.5", "5.14", "A", "isv.limit=4.5.6")
    two = versioned("4.5.6", "5.14", "A", "isv.limit=4.5.7")
    assert {(difference.added, difference.removed) for difference in boot_differences(one, two)
            } == {(("isv.limit=4.5.7",), ("isv.limit=4.5.6",))}


def test_another_kernel_initramfs_or_title_is_a_difference() -> None:
    text = OLD.configurations[0].text.replace("/images/vmlinuz", "/debug/vmlinuz").replace(
        "  initrd /images/initramfs-5.14.0-362.el9.x86_64.img\n", "", 1)
    new = OLD._replace(configurations=[BootConfiguration("/grub.cfg", text)])
    kernel = "kernel {}/vmlinuz-5.14.0-362.el9.x86_64 -> {}/vmlinuz-5.14.0-362.el9.x86_64".format(
        "/images", "/debug")
    assert [difference.details for difference in boot_differences(OLD, new)] == [
        (kernel, "initramfs /images/initramfs-5.14.0-362.el9.x86_64.img -> none"),
        (kernel,), (kernel,)]
    renamed = grub("Start: a"), grub("Begin: a")
    assert differences(*renamed) == [BootDifference(
        "/grub.cfg", "Begin", "changed", (), (), ("title Start -> Begin",))]


def test_a_removed_entry_does_not_pair_others_wrongly() -> None:
    old = grub("Start 1.0: a", "Start 2.0: b", "Start 3.0: c")
    assert differences(old, grub("Start 2.0: b", "Start 3.0: c")) == [
        BootDifference("/grub.cfg", "Start 1.0", "removed", (), ("a",))]


def test_the_work_grows_with_the_number_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    works: List[int] = []

    class Counting:
        """Counts the texts of which the versions are replaced."""

        def sub(self, _: str, text: str) -> str:
            works[-1] += 1
            return text

    monkeypatch.setattr(boot, "_VERSION", Counting())
    for number in (20, 40):
        works.append(0)
        old, new = (grub(*(f"{side} {entry}: {side}{entry}" for entry in range(number)))
                    for side in ("old", "new"))
        assert len(differences(old, new)) == 2 * number
    assert 0 < works[1] <= 2 * works[0], works


def test_entries_of_one_title_are_compared_in_their_order() -> None:
    old = grub("A 1: a", "A 2: b", "A 3: c")
    assert [(difference.added, difference.removed) for difference in differences(
        old, grub("A 7: a", "A 8: x", "A 3: c"))] == [(("x",), ("b",))]
