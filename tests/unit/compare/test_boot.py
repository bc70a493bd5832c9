"""Differences between the boot entries of two images."""
from __future__ import annotations

from typing import List

import pytest

from ovirt_node_plugin.compare.boot import BootDifference, boot_differences
from ovirt_node_plugin.images.boot import BootConfiguration

pytestmark = pytest.mark.unit


def grub(*entries: str, path: str = "/grub.cfg") -> BootConfiguration:
    """Return a GRUB configuration with the entries ``TITLE: ARGUMENTS``."""
    lines: List[str] = []
    for entry in entries:
        title, _, arguments = entry.partition(": ")
        lines += [f"menuentry '{title}' {{", f"  linux /vmlinuz {arguments}", "}"]
    return BootConfiguration(path, "\n".join(lines) + "\n")


def differences(old: BootConfiguration, new: BootConfiguration) -> List[BootDifference]:
    return list(boot_differences([old], [new]))


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
