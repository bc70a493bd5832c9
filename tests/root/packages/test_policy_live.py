"""The root ``/``: a booted node is refused; a host, and a node that systemd has not booted,
are changed."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import Dnf
from tests.support.repositories import define_repo
from tests.support.running_system import RunningSystem

pytestmark = pytest.mark.root

@pytest.fixture
def space(tmp_path: Path) -> Iterator[Path]:
    """A folder on a filesystem that can be the upper layer of an overlay."""
    folder = tmp_path / "space"
    folder.mkdir()
    run(["mount", "-t", "tmpfs", "tmpfs", folder])
    try:
        yield folder
    finally:
        run(["umount", folder])


@pytest.fixture
def running_node(node: Path, space: Path, dnf: Dnf) -> RunningSystem:
    """A node whose root is ``/`` and in which no systemd runs, as in a container build."""
    running = RunningSystem(space, dnf)
    running.take_identity(node, "usr/share/rpm")
    return running


@pytest.fixture
def booted(running_node: RunningSystem) -> RunningSystem:
    """A booted node."""
    boot(running_node)
    return running_node


def boot(node: RunningSystem) -> None:
    (node.changes / "run/systemd/system").mkdir(parents=True)


def verify_damaged(node: RunningSystem) -> str:
    """Return the next step that verify names."""
    (node.changes / "usr/lib/systemd/system/snmpd.service").unlink(missing_ok=True)
    answer = node.dnf.plugin(Path("/"), "verify", "--json")
    assert (answer.status, answer.json["ok"]) == (9, False), answer.text
    return str(answer.json["next_step"])


def test_a_change_of_a_booted_node_is_refused_with_the_offline_command(
        built: support.Fixtures, booted: RunningSystem) -> None:
    before = booted.packages("usr/share/rpm")
    assert "ovirt-release-host-node-4.5.5" in before
    for command in (["install", built.bundle("snmp"), "-y", "--trust-keys"],
                    ["remove", "snmp", "-y"], ["upgrade", "-y"]):
        answer = booted.dnf.plugin(Path("/"), *command)
        assert answer.status == 6, answer.text
        assert "this is a booted oVirt Node 4.5.5" in answer.err
        assert "dnf node-plugin install NAME --installroot=/mnt/node" in answer.err
    assert booted.packages("usr/share/rpm") == before


def test_commands_that_only_read_work_on_a_booted_node(built: support.Fixtures,
                                                       booted: RunningSystem) -> None:
    for command in (["list", "--all"], ["verify"], ["repos"]):
        answer = booted.dnf.plugin(Path("/"), *command)
        assert answer.status == 0, answer.text
    change = booted.dnf.plugin(Path("/"), "install", built.bundle("snmp"), "-y", "--json")
    error = change.json["error"]
    target = booted.dnf.plugin(Path("/"), "list", "--json").json["target"]
    assert target["live"] is True
    assert target["changes"] == {
        "allowed": False, "status": 6, "message": error["message"], "hint": error["hint"],
        "lines": ["dnf node-plugin install NAME --installroot=/mnt/node"]}
    described = booted.dnf.plugin(Path("/"), "info", built.bundle("snmp"))
    assert (described.status, "Summary      : SNMP monitoring" in described.out) == (6, True)
    assert "Refused here : this is a booted oVirt Node" in described.out


def test_plain_dnf_on_a_booted_node_installs_only_the_image_update(
        booted: RunningSystem, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "tools", "tools")
    repo.add("tool", "1.0")
    repo.add("ovirt-node-ng-image-update", "4.5.6")
    define_repo(booted.changes, "tools", repo.url)
    for command in (["install", "tool"], ["install", repo.folder / "tool-1.0-1.noarch.rpm"],
                    ["install", "tool", "ovirt-node-ng-image-update"]):
        answer = booted.dnf(Path("/"), *command, "-y")
        assert answer.status == 1, answer.text
        assert "this is a booted oVirt Node 4.5.5" in answer.err
    answer = booted.dnf(Path("/"), "install", "ovirt-node-ng-image-update", "-y")
    assert answer.status == 0, answer.text
    listing = booted.packages("usr/share/rpm")
    assert "ovirt-node-ng-image-update-4.5.6-1" in listing and "tool-1.0" not in listing


def test_a_node_without_systemd_is_changed_and_repaired_by_the_rules_of_an_image(
        built: support.Fixtures, running_node: RunningSystem) -> None:
    words = (built.bundle("snmp"), "-y", "--trust-keys")
    plan = running_node.dnf.plugin(Path("/"), "install", *words, "--dry-run", "--json").json
    assert plan["target"]["live"] is False
    answer = running_node.dnf.plugin(Path("/"), "install", *words)
    assert answer.status == 0, answer.text
    assert "Nothing of it takes effect now: no systemd runs here" in answer.text
    assert "net-snmp-5.9.1" in running_node.packages("usr/share/rpm")
    record = (running_node.changes / "etc/ovirt.plugins.d/snmp").read_text()
    assert 'mode="offline"' in record
    answer = running_node.dnf.plugin(Path("/"), "install", built.bundle("needs-libvirt"), "-y",
                                     "--trust-keys")
    assert answer.status == 5, answer.text
    assert verify_damaged(running_node) == "dnf node-plugin repair snmp"
    boot(running_node)
    assert verify_damaged(running_node) == (
        "ovirt-node-plugin merge IMAGE-WITHOUT-PLUGINS -o OUTPUT --plugins-from=/")
    answer = running_node.dnf.plugin(Path("/"), "verify")
    assert answer.out.endswith("--plugins-from=/\n") and "repair snmp" not in answer.text


def test_plain_dnf_installs_in_a_node_without_systemd_but_changes_no_core_package(
        running_node: RunningSystem, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "tools", "tools")
    repo.add("tool", "1.0")
    repo.add("libvirt", "99")
    define_repo(running_node.changes, "tools", repo.url)
    answer = running_node.dnf(Path("/"), "install", "tool", "-y")
    assert answer.status == 0, answer.text
    assert "tool-1.0" in running_node.packages("usr/share/rpm")
    answer = running_node.dnf(Path("/"), "upgrade", "libvirt", "-y")
    assert answer.status == 1 and "needs newer core packages" in answer.err, answer.text


def test_a_plugin_is_installed_on_and_removed_from_the_running_host(
        built: support.Fixtures, host: Path, space: Path, dnf: Dnf) -> None:
    running = RunningSystem(space, dnf)
    running.take_identity(host, "var/lib/rpm")
    stray = running.changes / "usr/share/rpm"
    stray.unlink(missing_ok=True)
    stray.mkdir(parents=True)
    os.setxattr(stray, "trusted.overlay.opaque", b"y")  # overlayfs: without this machine's files
    assert running.packages("usr/share/rpm") == ""  # the query makes an empty database
    assert (stray / "rpmdb.sqlite").is_file()
    answer = running.dnf.plugin(Path("/"), "install", built.bundle("snmp"), "-y",
                                "--trust-keys")
    assert answer.status == 0, answer.text
    assert "net-snmp-5.9.1" in running.packages("var/lib/rpm")
    assert (running.changes / "usr/lib/systemd/system/snmpd.service").is_file()
    unit_link = running.changes / "etc/systemd/system/multi-user.target.wants/snmpd.service"
    assert unit_link.is_symlink()
    answer = running.dnf.plugin(Path("/"), "verify")
    assert answer.status == 0, answer.text
    answer = running.dnf.plugin(Path("/"), "remove", "snmp", "-y")
    assert answer.status == 0, answer.text
    assert not unit_link.is_symlink()
    assert "net-snmp" not in running.packages("var/lib/rpm")
