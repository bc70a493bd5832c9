"""The rules and lists that make a package core."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ovirt_node_plugin.errors import UsageError
from ovirt_node_plugin.policy.core_rules import CoreRules, read_patterns
from tests.support.dnf_runner import TOP

pytestmark = pytest.mark.unit

SHIPPED = TOP / "etc/ovirt-node-plugin/core.d"


@dataclass(frozen=True)
class Package:
    """The attributes of a package in dnf's sack that the rules read."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}-1-1.noarch"


@pytest.mark.parametrize("name", [
    "kernel", "kernel-core", "kernel-modules", "kernel-rt", "kernel-rt-core", "glibc", "systemd",
    "libvirt", "libvirt-daemon-kvm", "qemu-kvm-core", "vdsm", "vdsm-jsonrpc", "dracut",
    "imgbased", "grub2-efi-x64", "shim-x64", "ovirt-release-host-node", "sanlock"])
def test_the_shipped_lists_name_the_packages_of_a_node(name: str) -> None:
    assert CoreRules(read_patterns([SHIPPED])).named(name)


@pytest.mark.parametrize("name", [
    "kernel-headers", "kernel-devel", "kmod-isv-foo", "vdsm-hook-nestedvt", "net-snmp",
    "glibc-langpack-de", "libvirt-cim", "ovirt-node-ng-image-update", "openssl", "python3-rpm"])
def test_the_shipped_lists_do_not_name_packages_of_plugins(name: str) -> None:
    assert not CoreRules(read_patterns([SHIPPED])).named(name)


def test_on_a_node_every_unclaimed_package_is_core() -> None:
    rules = CoreRules(("kernel*",), claims=frozenset(["tool-1-1.noarch"]), everything=True,
                      free=("image-update",))
    assert rules.is_core(Package("anything"))
    assert not rules.is_core(Package("tool"))
    assert not rules.is_core(Package("image-update"))


def test_on_a_host_only_listed_packages_are_core() -> None:
    rules = CoreRules(("kernel", "libvirt-daemon-*"))
    assert rules.is_core(Package("kernel")) and rules.is_core(Package("libvirt-daemon-kvm"))
    assert not rules.is_core(Package("kernel2")) and not rules.is_core(Package("anything"))


def test_without_patterns_no_package_matches() -> None:
    assert not CoreRules(()).named("kernel")
    assert not CoreRules(()).named("")


def test_lists_are_read_from_all_folders_without_comments(tmp_path: Path) -> None:
    for name, text in (("a", "# all\nkernel  # the kernel\n\n  glibc\n"), ("b", "vdsm\nkernel\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.conf").write_text(text)
        (tmp_path / name / "x.conf.rpmsave").write_text("old\n")
    assert read_patterns([tmp_path / "a", tmp_path / "b", tmp_path / "c"]) == (
        "glibc", "kernel", "vdsm")


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.conf").mkdir()
    with pytest.raises(UsageError, match="x.conf cannot be read"):
        read_patterns([tmp_path])


def test_a_missing_list_is_an_error_where_one_is_required(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no list of core packages"):
        read_patterns([tmp_path])
    assert read_patterns([tmp_path], needed=False) == ()


def test_the_names_in_all_lists_are_limited(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.conf").write_text(
            "".join(f"name-{number}-{line}\n" for line in range(4000)))
    with pytest.raises(UsageError, match="up to .*/2.conf have more than 10000 names"):
        read_patterns([tmp_path])
