"""Merged plugins in the booted full Node, in a container and in QEMU."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.compare.trees import REMOVED, differences
from tests.support.agent_plugins import AGENTS, UNITS, agent_plugin
from tests.support.container import Container, booted
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.file_contexts import FILE_CONTEXTS, label
from tests.support.full_node import full_node, in_root, writable
from tests.support.full_node.booting import ask_booted
from tests.support.program import Program

pytestmark = [pytest.mark.root, pytest.mark.slow]

NAMES = (*AGENTS, "site")
SITE = ('<sysctl name="vm.swappiness" value="7"/>',
        '<kernel-module name="nbd" load="yes" options="nbds_max=3"/>',
        '<initramfs-driver name="zram" load="yes"/>',
        '<selinux-boolean name="virt_use_nfs" value="on"/>',
        '<selinux-file-context type="bin_t" path="/opt/site(/.*)?"/>',
        '<tmpfiles source="/usr/share/site/tmpfiles.conf" name="site.conf"/>')
# Commands for the booted system; each fails without its plugin.
QUESTIONS = {
    "agents": f"for try in $(seq 60); do systemctl is-active {' '.join(UNITS)} && break;"
              " sleep 1; done",
    "listening": "for port in 9100 10050; do for try in $(seq 60); do"
                 " echo >/dev/tcp/127.0.0.1/$port && break; sleep 1; done || exit 1; done",
    "account": "ps -o user= -C prometheus-node",
    "firewall": "firewall-cmd --query-port=9100/tcp && firewall-cmd --query-port=10050/tcp",
    "registry": "ls -1 /etc/ovirt.plugins.d | grep .",
    "parameter": "sysctl -n vm.swappiness",
    "module": "cat /sys/module/nbd/parameters/nbds_max",
    "initramfs": "ls -d /sys/module/zram",
    "selinux": "getsebool virt_use_nfs",
    "tmpfiles": "stat -c %a /run/site",
}


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the full Node with four merged plugins."""
    folder = tmp_path_factory.mktemp("merged")
    (folder / "work").mkdir()
    program = Program(folder / "work", Dnf(folder / "dnf"))
    bundles = [*(agent_plugin(folder, name) for name in AGENTS), make_plugin(
        folder, "site", settings=SITE,
        files={"/usr/share/site/tmpfiles.conf": "d /run/site 0750 root root -",
               "/opt/site/tool": "x"})]
    answer = program("merge", full_node().tree, *bundles, "-o", folder / "node", "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    return folder / "node"


@pytest.fixture
def root(merged: Path, tmp_path: Path) -> Iterator[Path]:
    """An overlay of the merged image."""
    with writable(merged, tmp_path / "booted") as overlay:
        yield overlay


def test_the_agents_run_when_the_image_is_booted_in_a_container(root: Path) -> None:
    with booted(root, shared=[]) as machine:
        for unit in UNITS:
            assert becomes_active(machine, unit)
        assert machine("systemctl", "is-enabled", *UNITS).split() == ["enabled"] * len(UNITS)
        assert machine("ps", "-o", "user=", "-C", "prometheus-node") == "prometheus"
        assert machine("firewall-cmd", "--query-port=9100/tcp") == "yes"
        assert machine("stat", "-c", "%a", "/run/site") == "750"
        assert machine("cat", "/etc/ovirt.plugins.d/zabbix").startswith("<?xml")
        machine("bash", "-c", "echo >/dev/tcp/127.0.0.1/10050")


def test_what_was_merged_has_the_labels_that_setfiles_of_the_image_gives(root: Path) -> None:
    output = in_root(root, "setfiles", "-F", "-n", "-v", f"/{FILE_CONTEXTS}", "/boot", "/etc",
                     "/opt", "/usr", "/var")
    wrong = {line.split()[2] for line in output.splitlines() if line.startswith("Would relabel ")}
    changed = {f"/{found.path}" for found in differences(
        full_node().tree, root, content_limit_bytes=None) if found.kind != REMOVED}
    # files that were there have labels of EL's policy
    assert "/etc/hosts" in wrong
    assert {"/etc/passwd", "/opt/site/tool", "/usr/share/rpm/rpmdb.sqlite"} <= changed
    assert wrong & changed == set()
    assert label(root / "opt/site/tool") == "bin_t"


def becomes_active(machine: Container, unit: str) -> bool:
    for _ in range(300):
        if machine.state(unit) == "active":
            return True
        time.sleep(0.1)
    return False


def test_settings_of_four_plugins_are_active_when_the_image_boots_its_own_kernel(
        root: Path, tmp_path: Path) -> None:
    answers = ask_booted(root, QUESTIONS, tmp_path)
    assert {name: answer.text for name, answer in answers.items() if answer.status} == {}
    assert sorted(answers) == sorted(QUESTIONS)
    assert answers["agents"].text.split()[-3:] == ["active"] * 3
    assert answers["registry"].text.split() == sorted(NAMES)
    assert answers["account"].text.strip() == "prometheus"
    assert (answers["parameter"].text, answers["module"].text) == ("7\n", "3\n")
    assert answers["tmpfiles"].text == "750\n"
    assert answers["selinux"].text == "virt_use_nfs --> on\n"
