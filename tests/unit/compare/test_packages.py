"""Package differences between two roots, from the output of rpm."""
from __future__ import annotations

from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import pytest

from ovirt_node_plugin.compare.packages import (
    RootPackage,
    package_differences,
    read_files,
    read_packages,
)
from ovirt_node_plugin.errors import BadImage
from ovirt_node_plugin.system.run import StrPath
from ovirt_node_plugin.target import Target

pytestmark = pytest.mark.unit

ROOT = Path("/mnt/tried")
TARGET = Target(Path("/mnt/node"), "node", "oVirt Node 4.5.5", "4.5.5", "usr/share/rpm")


class FakeRpm:
    """A runner that returns ``text`` and records the argument list."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.argv: List[str] = []

    def __call__(self, argv: Sequence[StrPath], **_: Any) -> str:
        self.argv = [str(word) for word in argv]
        return self.text


def package(text: str, digest: str = "") -> RootPackage:
    """Return the package ``NAME EVR ARCH``."""
    name, evr, arch = text.split()
    return RootPackage(name, evr, arch, digest)


def nevra_changes(old: Sequence[RootPackage], new: Sequence[RootPackage]
         ) -> List[Tuple[str, Optional[str], Optional[str]]]:
    return [(change.kind, change.old.nevra if change.old else None,
             change.new.nevra if change.new else None)
            for change in package_differences(old, new, {})]


def test_packages_are_queried_in_the_database_of_the_root() -> None:
    rpm = FakeRpm("glibc\t0\t2.34\t60.el9\tx86_64\tab12\ngpg-pubkey\t0\t8483c65d\t5ccc5b19\t"
                  "(none)\t(none)\nbind\t32\t9.16\t1\tnoarch\tcd34\n")
    assert read_packages(ROOT, TARGET, run=rpm) == (
        RootPackage("glibc", "2.34-60.el9", "x86_64", "ab12"),
        RootPackage("gpg-pubkey", "8483c65d-5ccc5b19", "", ""),
        RootPackage("bind", "32:9.16-1", "noarch", "cd34"))
    assert rpm.argv == [
        "rpm", "--root", "/mnt/tried", "--dbpath", "/usr/share/rpm", "--query", "--all",
        "--queryformat",
        r"%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SHA256HEADER}\n"]


def test_files_are_queried_with_the_header_digest() -> None:
    rpm = FakeRpm("ab12\t/usr/bin/x\nforged\n(none)\t/etc/y\nab12\tno path\n")
    assert list(read_files(ROOT, TARGET, run=rpm)) == [("ab12", "/usr/bin/x"),
                                                       ("(none)", "/etc/y")]
    assert rpm.argv[3:] == ["--dbpath", "/usr/share/rpm", "--query", "--all", "--queryformat",
                            r"[%{=SHA256HEADER}\t%{FILENAMES}\n]"]


@pytest.mark.parametrize("line", ["glibc", "a\tb\tc\td\te\tf\tg", "", "x\x1b\t0"])
def test_a_malformed_line_is_refused_without_control_characters(line: str) -> None:
    with pytest.raises(BadImage) as caught:
        read_packages(ROOT, TARGET, run=FakeRpm(line + "\n"))
    assert "/usr/share/rpm" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_changed_version_is_one_difference() -> None:
    assert nevra_changes([package("a 1-1 noarch"), package("b 1-1 noarch")],
                         [package("b 2:0-1 noarch"), package("c 1-1 noarch")]) == [
        ("removed", "a-1-1.noarch", None), ("changed", "b-1-1.noarch", "b-2:0-1.noarch"),
        ("added", None, "c-1-1.noarch")]


def test_a_rebuilt_package_of_the_same_version_is_a_change() -> None:
    built = package("a 1-1 noarch", "x")
    assert nevra_changes([built], [package("a 1-1 noarch", "y")]) == [
        ("changed", "a-1-1.noarch", "a-1-1.noarch")]
    assert nevra_changes([built], [built]) == nevra_changes([built],
                                                            [package("a 1-1 noarch")]) == []


def test_packages_of_different_architectures_are_compared_separately() -> None:
    old = [package("a 1-1 i686"), package("a 1-1 x86_64")]
    assert nevra_changes(old, [package("a 2-1 i686"), package("a 2-1 x86_64")]) == [
        ("changed", "a-1-1.i686", "a-2-1.i686"), ("changed", "a-1-1.x86_64", "a-2-1.x86_64")]
    assert nevra_changes(old, [package("a 2-1 x86_64")]) == [
        ("changed", "a-1-1.x86_64", "a-2-1.x86_64"), ("removed", "a-1-1.i686", None)]
    assert nevra_changes([package("a 1-1 noarch")], [package("a 2-1 x86_64")]) == [
        ("changed", "a-1-1.noarch", "a-2-1.x86_64")]


def test_several_versions_of_one_package_are_added_and_removed_separately() -> None:
    assert nevra_changes([package("kernel 1-1 x86_64"), package("kernel 2-1 x86_64")],
                         [package("kernel 2-1 x86_64"), package("kernel 3-1 x86_64")]) == [
        ("removed", "kernel-1-1.x86_64", None), ("added", None, "kernel-3-1.x86_64")]
    assert nevra_changes([RootPackage("gpg-pubkey", "1-1", "", "")],
                         [RootPackage("gpg-pubkey", "2-1", "", "")]) == [
        ("removed", "gpg-pubkey-1-1", None), ("added", None, "gpg-pubkey-2-1")]


def test_the_plugins_that_installed_a_package_are_named() -> None:
    changes = package_differences(
        [package("a 1-1 noarch")], [package("a 2-1 noarch"), package("b 1-1 noarch")],
        {"a-1-1.noarch": ["two", "one"], "a-2-1.noarch": ["two"]})
    assert [change.plugins for change in changes] == [("one", "two"), ()]
