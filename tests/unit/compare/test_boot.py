"""Boot entries of two images compared, as their configurations have them."""
from __future__ import annotations

from typing import List

import pytest

from ovirt_node_plugin.compare.boot import BootDifference, boot_differences
from ovirt_node_plugin.images.boot import BootConfiguration

pytestmark = pytest.mark.unit


def grub(*entries: str, place: str = "/grub.cfg") -> BootConfiguration:
    """Return a configuration of entries that are each ``TITLE: ARGUMENTS``."""
    lines: List[str] = []
    for one in entries:
        title, _, arguments = one.partition(": ")
        lines += [f"menuentry '{title}' {{", f"  linux /vmlinuz {arguments}", "}"]
    return BootConfiguration(place, "\n".join(lines) + "\n")


def told(old: BootConfiguration, new: BootConfiguration) -> List[BootDifference]:
    return list(boot_differences([old], [new]))


def test_arguments_that_came_and_went_are_told_in_their_order() -> None:
    assert told(grub("One: a quiet z=1", "Two: a"), grub('One: z=2 a b="x y"', "Two: a")) == [
        BootDifference("/grub.cfg", "One", "changed", ("z=2", 'b="x y"'), ("quiet", "z=1"))]


def test_an_argument_that_is_there_twice_counts_twice() -> None:
    assert told(grub("One: console=a console=b"), grub("One: console=a console=b console=a")) == [
        BootDifference("/grub.cfg", "One", "changed", ("console=a",), ())]


def test_another_order_is_a_difference() -> None:
    """The last console is /dev/console."""
    assert told(grub("One: console=a console=b"), grub("One: console=b console=a")) == [
        BootDifference("/grub.cfg", "One", "changed", (), ())]


def test_blanks_between_arguments_are_none() -> None:
    assert told(grub("One: a  b"), grub("One: a b ")) == []


def test_entries_of_the_same_title_are_held_apart() -> None:
    assert told(grub("One: a", "One: b"), grub("One: a", "One: c")) == [
        BootDifference("/grub.cfg", "One", "changed", ("c",), ("b",))]
    assert told(grub("One: a"), grub("One: a", "One: b")) == [
        BootDifference("/grub.cfg", "One", "added", ("b",), ())]


def test_entries_and_configurations_that_came_or_went_have_all_arguments() -> None:
    assert told(grub("One: a", "Two: b c"), grub("One: a")) == [
        BootDifference("/grub.cfg", "Two", "removed", (), ("b", "c"))]
    assert told(grub("One: a"), grub("One: a", place="/isolinux/grub.conf")) == [
        BootDifference("/grub.cfg", "One", "removed", (), ("a",)),
        BootDifference("/isolinux/grub.conf", "One", "added", ("a",), ())]
