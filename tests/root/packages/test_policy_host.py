"""On a host only plugins are bound: its own upgrades are its administrator's business."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, add_to_shipped_library
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root

UPDATE_FIRST = "Update libvirt first: dnf upgrade libvirt"


def names(root: Path) -> str:
    return " ".join(installed(root))


@pytest.fixture
def known(built: support.Fixtures, host: Path) -> Path:
    """A host that knows, and has off, the repo of a plugin that needs libvirt 10."""
    define_repo(host, "needs-libvirt", f"file://{built.repo('needs-libvirt')}")
    return host


def test_core_packages_are_upgraded_as_ever(built: support.Fixtures, known: Path,
                                            dnf: Dnf) -> None:
    assert dnf.plugin(known, "install", built.bundle("snmp"), "-y", "--trust-keys").status == 0
    answer = dnf(known, "upgrade", "-y")
    assert answer.status == 0, answer.text
    assert answer.err == ""
    assert "libvirt-10.0.0-1.x86_64" in names(known)
    assert dnf.plugin(known, "verify").status == 0


def test_core_packages_are_changed_from_files_and_removed_as_ever(known: Path,
                                                                  dnf: Dnf) -> None:
    answer = dnf(known, "install", "-y", "--nogpgcheck", support.quick_rpm("kernel-rt", "6.0"))
    assert answer.status == 0, answer.text
    answer = dnf(known, "remove", "-y", "kernel-rt")
    assert answer.status == 0, answer.text
    assert "kernel-rt" not in names(known)


def test_a_plugins_package_cannot_bring_a_newer_core_package(known: Path, dnf: Dnf) -> None:
    before = installed(known)
    answer = dnf(known, "install", "-y", "bar", "--repo=needs-libvirt")
    assert answer.status == 1
    assert answer.err.startswith("Core packages do not come from plugins' repositories. Left out"
                                 " of repo needs-libvirt: libvirt-10.0.0-1")
    assert "dnf upgrade libvirt" in answer.err
    answer = dnf(known, "upgrade", "-y", "libvirt", "--repo=needs-libvirt")
    assert answer.status == 1
    assert installed(known) == before


def test_a_plugins_package_cannot_have_one_from_the_systems_repo(known: Path,
                                                                 dnf: Dnf) -> None:
    before = installed(known)
    answer = dnf(known, "install", "-y", "bar", "--enablerepo=needs-libvirt")
    assert answer.status == 1, answer.text
    assert "upgrade libvirt-9.0.0-1 to libvirt-10.0.0-1 from base" in answer.err
    assert "dnf upgrade libvirt" in answer.err
    assert installed(known) == before
    assert dnf(known, "upgrade", "-y", "libvirt").status == 0
    answer = dnf(known, "install", "-y", "bar", "--enablerepo=needs-libvirt", "--nogpgcheck")
    assert answer.status == 0, answer.text


def test_a_plugins_package_cannot_remove_or_obsolete_one(built: support.Fixtures, host: Path,
                                                         tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "evil", "evil")
    repo.add("conflicter", "1.0", conflicts="libvirt")
    repo.add("obsoleter", "1.0", obsoletes="device-mapper-multipath")
    (tmp_path / "node-plugin.xml").write_text(
        support.descriptor_xml("evil", install=["conflicter"], repos=["evil"]))
    repo.finish(descriptor=tmp_path / "node-plugin.xml")
    define_repo(host, "evil", repo.url)
    before = installed(host)
    answer = dnf(host, "install", "-y", "conflicter", "--enablerepo=evil", "--allowerasing")
    assert answer.status == 1
    assert "remove libvirt-9.0.0-1" in answer.err
    assert "Ask the plugin's vendor" in answer.err
    answer = dnf(host, "install", "-y", "obsoleter", "--enablerepo=evil", "--allowerasing")
    assert answer.status == 1
    assert installed(host) == before


def test_a_plugin_that_needs_a_newer_core_package_says_which_to_update(
        built: support.Fixtures, host: Path, dnf: Dnf) -> None:
    before = installed(host)
    answer = dnf.plugin(host, "install", built.bundle("needs-libvirt"), "-y", "--trust-keys")
    assert answer.status == 5
    assert answer.err.splitlines()[0] == (
        "Error: plugin needs-libvirt 2.0 cannot go into Example Enterprise Linux 9.2 (Example):"
        " it needs newer core packages than this system has.")
    assert "the system has libvirt-9.0.0-1; repo base offers libvirt-10.0.0-1." in answer.err
    assert answer.err.splitlines()[-1] == UPDATE_FIRST
    assert installed(host) == before
    assert dnf(host, "upgrade", "-y", "libvirt").status == 0
    answer = dnf.plugin(host, "install", built.bundle("needs-libvirt"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text


def test_a_plugin_upgrades_no_core_package_but_others_may_come(
        built: support.Fixtures, host: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "monitor")
    repo.add("monitor", "1.0", requires=["net-snmp-libs", "libvirt"])
    bundle = support.write_bundle(tmp_path / "bundle", support.descriptor_xml(
        "monitor", repos=["test"]), repo=repo)
    answer = dnf.plugin(host, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "libvirt-9.0.0-1.x86_64" in names(host)
    assert "net-snmp-libs-1:5.9.1-11.el9.x86_64" in names(host)


def test_a_library_bundle_binds_its_repo_in_plain_dnf(built: support.Fixtures, host: Path,
                                                      dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("needs-libvirt"), "needs-libvirt")
    before = installed(host)
    answer = dnf(host, "install", "-y", "libvirt", "--repo=needs-libvirt")
    assert answer.status == 0, answer.text
    assert installed(host) == before


def test_a_plugins_package_may_be_upgraded_by_the_hosts_own_dnf(
        built: support.Fixtures, host: Path, tmp_path: Path, dnf: Dnf) -> None:
    assert dnf.plugin(host, "install", built.bundle("snmp"), "-y", "--trust-keys").status == 0
    updates = support.RpmRepo(tmp_path / "updates", "updates")
    updates.add("net-snmp-utils", "6.0", requires="net-snmp-libs", epoch=1, arch="x86_64")
    define_repo(host, "updates", updates.url)
    answer = dnf(host, "upgrade", "-y", "net-snmp-utils", "--nogpgcheck")
    assert answer.status == 0, answer.text
    answer = dnf.plugin(host, "list")
    assert "snmp is broken: package net-snmp-utils-1:5.9.1-11.el9.x86_64 is there as" in answer.out
    assert dnf(host, "remove", "-y", "net-snmp-utils").status == 0
    assert dnf.plugin(host, "verify").status == 9
