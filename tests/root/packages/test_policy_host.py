"""On a host only plugins are restricted; its administrator upgrades core packages."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, add_to_shipped_library
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root

UPDATE_FIRST = "Update libvirt first: dnf upgrade libvirt"


def installed_text(root: Path) -> str:
    return " ".join(installed(root))


@pytest.fixture
def host_with_repo(built: support.Fixtures, host: Path) -> Path:
    """A host with the disabled repo of a plugin that needs libvirt 10."""
    define_repo(host, "needs-libvirt", f"file://{built.repo('needs-libvirt')}")
    return host


def test_a_host_upgrades_core_packages(built: support.Fixtures, host_with_repo: Path,
                                       dnf: Dnf) -> None:
    assert dnf.plugin(host_with_repo, "install", built.bundle("snmp"), "-y",
                      "--trust-keys").status == 0
    answer = dnf(host_with_repo, "upgrade", "-y")
    assert answer.status == 0, answer.text
    assert answer.err == ""
    assert "libvirt-10.0.0-1.x86_64" in installed_text(host_with_repo)
    assert dnf.plugin(host_with_repo, "verify").status == 0


def test_a_host_installs_core_packages_from_files_and_removes_them(
        host_with_repo: Path, dnf: Dnf) -> None:
    answer = dnf(host_with_repo, "install", "-y", "--nogpgcheck",
                 support.quick_rpm("kernel-rt", "6.0"))
    assert answer.status == 0, answer.text
    answer = dnf(host_with_repo, "remove", "-y", "kernel-rt")
    assert answer.status == 0, answer.text
    assert "kernel-rt" not in installed_text(host_with_repo)


def test_a_core_package_from_a_plugins_repo_is_refused(host_with_repo: Path, dnf: Dnf) -> None:
    before = installed(host_with_repo)
    answer = dnf(host_with_repo, "install", "-y", "bar", "--repo=needs-libvirt")
    assert answer.status == 1
    assert answer.err.startswith("Core packages do not come from plugins' repositories. Left out"
                                 " of repo needs-libvirt: libvirt-10.0.0-1")
    assert "dnf upgrade libvirt" in answer.err
    answer = dnf(host_with_repo, "upgrade", "-y", "libvirt", "--repo=needs-libvirt")
    assert answer.status == 1
    assert installed(host_with_repo) == before


def test_a_plugins_package_cannot_upgrade_a_core_package_from_a_system_repo(
        host_with_repo: Path, dnf: Dnf) -> None:
    before = installed(host_with_repo)
    answer = dnf(host_with_repo, "install", "-y", "bar", "--enablerepo=needs-libvirt")
    assert answer.status == 1, answer.text
    assert "upgrade libvirt-9.0.0-1 to libvirt-10.0.0-1 from base" in answer.err
    assert "dnf upgrade libvirt" in answer.err
    assert installed(host_with_repo) == before
    assert dnf(host_with_repo, "upgrade", "-y", "libvirt").status == 0
    answer = dnf(host_with_repo, "install", "-y", "bar", "--enablerepo=needs-libvirt",
                 "--nogpgcheck")
    assert answer.status == 0, answer.text


def test_a_plugins_package_cannot_remove_or_obsolete_a_core_package(
        built: support.Fixtures, host: Path, tmp_path: Path, dnf: Dnf) -> None:
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


def test_the_error_for_a_needed_core_package_says_which_to_update(
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


def test_an_install_adds_dependencies_and_upgrades_no_core_package(
        built: support.Fixtures, host: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "monitor")
    repo.add("monitor", "1.0", requires=["net-snmp-libs", "libvirt"])
    bundle = support.write_bundle(tmp_path / "bundle", support.descriptor_xml(
        "monitor", repos=["test"]), repo=repo)
    answer = dnf.plugin(host, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "libvirt-9.0.0-1.x86_64" in installed_text(host)
    assert "net-snmp-libs-1:5.9.1-11.el9.x86_64" in installed_text(host)


def test_core_packages_of_a_library_bundles_repo_are_not_used_by_plain_dnf(
        built: support.Fixtures, host: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("needs-libvirt"), "needs-libvirt")
    before = installed(host)
    answer = dnf(host, "install", "-y", "libvirt", "--repo=needs-libvirt")
    assert answer.status == 0, answer.text
    assert installed(host) == before


def test_plain_dnf_can_upgrade_a_plugins_package_on_a_host(
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
