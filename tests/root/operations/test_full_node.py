"""The full Node: its packages and files, and vendors' agents installed and removed."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.agent_plugins import AGENTS, UNITS, agent_plugin, changes_to_full_node
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, succeeded

pytestmark = [pytest.mark.root]

DATABASE = "/usr/share/rpm"
# Plugins of the small image's fixtures whose dependencies the full Node has.
SMALL = ("agent", "cim", "share-a", "snmp", "storage", "vdsm-hook-nested")
REFUSED = (("tworepos", 4), ("needs-libvirt", 5), ("obsoleter", 5), ("badpost", 8),
           ("badscript", 8))
# The real build of a Node changes these files too: it disables repositories, and
# ovirt-release-host-node makes os-release a symbolic link.
ALTERED = ["/etc/yum.repos.d/centos.repo", "/etc/yum.repos.d/node-optional.repo",
           "/etc/yum.repos.d/ovirt-4.5.repo", "/usr/lib/os-release"]
# Paths created by programs and by the steps of the build. On EL, too, no package owns them.
UNOWNED = ("boot/initramfs-", "etc/pki/ca-trust/extracted/", "etc/systemd/system/", "etc/group-",
           "etc/gshadow-", "etc/passwd-", "etc/shadow-", "etc/udev/hwdb.bin", "etc/.pwd.lock",
           "etc/systemd/user/", "var/cache/", "var/lib/selinux/", "var/log/", "usr/share/factory",
           "usr/share/dnf", "usr/share/rpm", "var/lib/dnf", "var/lib/rpm",
           "boot/loader", "data", "etc/NetworkManager", "usr/lib/os.release.d",
           "usr/lib/python3.9", "usr/lib/systemd/system/multi-user.target.wants/",
           "usr/share/imgbase", "var/lib/ngn-vdsm-need-configure")


def test_rpm_verify_reports_only_the_files_that_the_build_changes(full_root: Path) -> None:
    output = run(["rpm", "--root", full_root, "--dbpath", DATABASE, "--verify", "--all"],
                 ok=(0, 1, 4))
    assert sorted(line.split()[-1] for line in output.splitlines()) == ALTERED


def test_dnf_check_reports_no_problem(full_root: Path, dnf: Dnf) -> None:
    answer = succeeded(dnf(full_root, "check"))
    assert answer.out == ""


def test_only_files_made_by_programs_belong_to_no_package(full_root: Path) -> None:
    packaged = run(["rpm", "--root", full_root, "--dbpath", DATABASE, "-qa", "--list"]).splitlines()
    resolved = {os.path.join(os.path.realpath(f"{full_root}{os.path.dirname(path)}"),
                             os.path.basename(path)) for path in packaged}
    unowned = [
        os.path.relpath(path, full_root) for path in paths_below(full_root) if path not in resolved]
    assert [path for path in unowned if not path.startswith(UNOWNED)] == []


def paths_below(root: Path) -> Iterator[str]:
    """Yield the absolute path of everything below ``root``."""
    for folder, folders, files in os.walk(root):
        yield from (os.path.join(folder, name) for name in (*folders, *files))


def test_the_programs_are_real_and_dev_is_empty(full_root: Path) -> None:
    assert os.listdir(full_root / "dev") == []
    names = run(["rpm", "--root", full_root, "--dbpath", DATABASE, "--query", "--file",
                 "--queryformat", "%{NAME}\\n", *(f"/usr/{name}" for name in (
                     "lib/systemd/systemd", "bin/bash", "bin/ls", "sbin/semodule",
                     "bin/dracut", "sbin/firewalld", "sbin/multipathd", "bin/kmod",
                     "bin/update-ca-trust", "sbin/imgbase"))])
    assert names.split() == ["systemd", "bash", "coreutils", "policycoreutils", "dracut",
                             "firewalld", "device-mapper-multipath", "kmod", "ca-certificates",
                             "imgbased"]


@pytest.mark.parametrize("name", AGENTS)
def test_a_vendors_agent_is_installed_verified_and_removed_without_changes(
        dnf: Dnf, full_root: Path, tmp_path: Path, name: str) -> None:
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, agent_plugin(tmp_path, name)))
    assert changes_to_full_node(full_root) != []
    assert f"{name} 1.0: ok" in succeeded(dnf.plugin(full_root, "verify")).text
    unit = UNITS[AGENTS.index(name)]
    assert run(["systemctl", f"--root={full_root}", "is-enabled", unit]) == "enabled\n"
    succeeded(dnf.plugin(full_root, "remove", "-y", name))
    assert changes_to_full_node(full_root) == []


def test_agents_removed_in_another_order_leave_no_changes(dnf: Dnf, full_root: Path,
                                                          tmp_path: Path) -> None:
    bundles = [agent_plugin(tmp_path, name) for name in AGENTS]
    succeeded(dnf.plugin(full_root, "install", "-y", UNSIGNED, *bundles))
    succeeded(dnf.plugin(full_root, "verify"))
    for name in (AGENTS[1], AGENTS[2], AGENTS[0]):
        succeeded(dnf.plugin(full_root, "remove", "-y", name))
        succeeded(dnf.plugin(full_root, "verify"))
    assert changes_to_full_node(full_root) == []


@pytest.mark.parametrize("name", SMALL)
def test_a_plugin_of_the_small_image_leaves_no_changes_when_removed(
        dnf: Dnf, full_root: Path, built: support.Fixtures, name: str) -> None:
    succeeded(dnf.plugin(full_root, "install", "-y", "--trust-keys", built.bundle(name)))
    succeeded(dnf.plugin(full_root, "verify"))
    succeeded(dnf.plugin(full_root, "remove", "-y", name))
    assert changes_to_full_node(full_root) == []


@pytest.mark.parametrize(("name", "status"), REFUSED)
def test_plugins_refused_by_the_small_image_are_refused_here(
        dnf: Dnf, full_root: Path, built: support.Fixtures, name: str, status: int) -> None:
    answer = dnf.plugin(full_root, "install", "-y", "--trust-keys", built.bundle(name))
    assert answer.status == status, answer.text
    assert changes_to_full_node(full_root) == []


@pytest.mark.parametrize("needs", ["libc.so.6(GLIBC_2.99)(64bit)", "glibc >= 2.99",
                                   "libssl.so.1.1()(64bit)"])
def test_a_package_for_another_system_is_refused_and_its_requirement_named(
        dnf: Dnf, full_root: Path, tmp_path: Path, needs: str) -> None:
    repo = support.RpmRepo(tmp_path / "repo", "other")
    repo.add("other", "1.0", requires=needs)
    bundle = support.write_bundle(tmp_path / "other", support.descriptor_xml(
        "other", repos=["other"]), repo=repo)
    answer = dnf.plugin(full_root, "install", "-y", UNSIGNED, bundle)
    assert answer.status in (4, 5) and needs in answer.text
