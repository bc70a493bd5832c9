"""Repairs of installed plugins: what comes back, from where, and what is named as not repaired."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.system.path_sets import FACTORY_ETC
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.repositories import define_repo, remove_package
from tests.support.settings_root import make_firewall
from tests.support.tree_states import state_differences, tree_state

pytestmark = pytest.mark.root

FILES = {"/opt/agent/tool": "tool\n", "/opt/agent/modified": "", "/opt/agent/plain": "",
         "/etc/opt/agent/edited.conf": "x=1\n", "/etc/opt/agent/mode.conf": "x=1\n",
         "/etc/opt/agent/gone.conf": "x=1\n"}
SYSCTL = '<sysctl name="vm.swappiness" value="1"/>'


def agent(folder: Path, version: str = "1.0") -> Path:
    """Return a bundle with files, configuration, a scriptlet and a setting."""
    return make_plugin(
        folder, "agent", version, files=FILES, settings=[SYSCTL],
        attributes={path: "%config(noreplace)" for path in FILES if path.endswith(".conf")},
        scriptlets={"post": "echo made > /etc/opt/agent/made.conf"})


def sysctl_file(root: Path) -> Path:
    (path,) = (root / "etc/sysctl.d").glob("*swappiness*")
    return path


def damage(root: Path) -> None:
    """Damage what the plugin agent brought, by each kind of change."""
    (root / "opt/agent/tool").write_text("another tool\n")
    (root / "opt/agent/modified").chmod(0o777)
    (root / "opt/agent/plain").unlink()
    (root / "etc/opt/agent/gone.conf").unlink()
    (root / "etc/opt/agent/made.conf").unlink()
    sysctl_file(root).write_text("vm.swappiness = 60\n")


def install(dnf: Dnf, root: Path, *words: object) -> Answer:
    return succeeded(dnf.plugin(root, "install", "-y", UNSIGNED, *words))


def repair(dnf: Dnf, root: Path, *words: object) -> Answer:
    return dnf.plugin(root, "repair", "-y", UNSIGNED, *words)


def test_a_repair_restores_all_damage_and_keeps_changed_configuration(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    install(dnf, node, agent(tmp_path))
    assert succeeded(repair(dnf, node)).out.endswith("has no problems.\nNothing to do.\n")
    complete = tree_state(node)
    damage(node)
    (node / "etc/opt/agent/edited.conf").write_text("x=2, and more\n")
    (node / "etc/opt/agent/mode.conf").chmod(0o600)
    damaged = tree_state(node)
    command = f"dnf --installroot={node} node-plugin repair agent"
    answer = dnf.plugin(node, "verify")
    assert (answer.status, answer.out.splitlines()[-1]) == (9, f"To repair: {command}")
    assert dnf.plugin(node, "verify", "--json").json["next_step"] == command
    answer = install(dnf, node, tmp_path / "agent-1.0")
    assert f"   To repair: {command}\nNothing to do.\n" in answer.out
    answer = dnf.plugin(node, "repair", "--dry-run", "agent")
    assert "   repairs: file /opt/agent/plain is missing" in succeeded(answer).out
    assert f"   packages from {tmp_path}/agent-1.0\n" in answer.out
    assert tree_state(node) == damaged
    answer = succeeded(repair(dnf, node, "agent"))
    assert "Repaired plugin agent 1.0." in answer.out
    assert "/etc/opt/agent/edited.conf was changed" in answer.out
    answer = dnf.plugin(node, "verify")
    assert (answer.status, answer.out.splitlines()[0]) == (0, "agent 1.0: ok")
    changed = [line for line in state_differences(complete, tree_state(node))
               if "ovirt.plugins" not in line]
    assert [line for line in changed if "edited.conf" not in line] == []
    assert (node / "etc/opt/agent/edited.conf").read_text() == "x=2, and more\n"
    assert succeeded(dnf.plugin(node, "manifest", "agent", "--delta", "--json")).json[
        "plugins"][0]["delta"]["operation"] == "repair"
    (node / "etc/opt/agent/edited.conf").write_text("x=1\n")
    succeeded(dnf.plugin(node, "remove", "-y", "agent"))
    assert state_differences(before, tree_state(node)) == []


def test_packages_come_from_the_recorded_source_or_a_given_one(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = agent(tmp_path)
    repo = support.RpmRepo(tmp_path / "vendor", "vendor")
    repo.add("tools", "1.0", files={"/opt/tools/tool": "tool\n"})
    define_repo(node, "vendor", repo.url, enabled=False)
    tools = support.write_bundle(tmp_path / "tools", support.descriptor_xml(
        "tools", "1.0", repos=[]))
    install(dnf, node, bundle)
    install(dnf, node, tools, "--enablerepo=vendor")
    repo.add("tools", "2.0", files={"/opt/tools/tool": "newer\n"})
    define_repo(node, "vendor", repo.url, enabled=False)
    shutil.rmtree(tools)  # its record names the repository too
    moved = bundle.rename(tmp_path / "moved")
    damage(node)
    (node / "opt/tools/tool").unlink()
    answer = repair(dnf, node, "--all")
    assert answer.status == 9
    assert "Repaired plugin tools 1.0." in answer.out
    assert (node / "opt/tools/tool").read_text() == "tool\n"
    assert "Not repaired: agent 1.0: package agent-1.0-1.noarch cannot be installed again: no" in (
        answer.out)
    assert f"{bundle} cannot be opened" in answer.out
    assert sysctl_file(node).read_text() != "vm.swappiness = 60\n"  # needs no package
    answer = dnf.plugin(node, "repair", "--dry-run", "--json")
    assert answer.status == 9
    assert [plugin["name"] for plugin in answer.json["unrepaired"]] == ["agent"]
    other = agent(tmp_path, "2.0")
    answer = repair(dnf, node, other)
    assert answer.status == 2 and f"{other} has plugin agent 2.0, and 1.0 is" in answer.text
    answer = repair(dnf, node, moved, "--accept-origin=agent")
    assert "Repaired plugin agent 1.0." in succeeded(answer).out
    assert store.read_record(node, "agent").source == str(moved)
    succeeded(dnf.plugin(node, "verify"))


def test_missing_packages_and_damaged_records_are_repaired_or_named(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    install(dnf, node, agent(tmp_path))
    other = make_plugin(tmp_path, "other", files={"/opt/other/x": ""})
    third = make_plugin(tmp_path, "third", files={"/opt/third/x": ""})
    install(dnf, node, other, third)
    remove_package(node, "agent")
    remove_package(node, "third")
    (node / "usr/lib/ovirt.plugins.d/other").write_text("<plugin-record")
    shutil.rmtree(third / "repo")
    answer = repair(dnf, node)
    assert answer.status == 9
    assert "Repaired plugin agent 1.0." in answer.out
    assert "Not repaired: other: its record is damaged" in answer.out
    assert "Not repaired: third 1.0: package third-1.0-1.noarch cannot be installed again" in (
        answer.out)
    states = {plugin["name"]: plugin["state"]
              for plugin in dnf.plugin(node, "list", "--json").json["plugins"]}
    assert states == {"agent": "installed", "other": "broken", "third": "broken"}
    assert "restore the file from a copy of the root" in answer.out
    (node / store.inventory_path(node, "agent")).unlink()
    for words, status in ((["nothing"], 2), (["--all", "agent"], 2), (["agent"], 0)):
        assert repair(dnf, node, *words).status == status
    succeeded(dnf.plugin(node, "verify", "agent"))
    (node / "opt/agent/tool").unlink()
    (node / "opt/agent/tool").mkdir()
    answer = repair(dnf, node, "agent")
    assert answer.status == 9 and "/opt/agent/tool is a folder now" in answer.out


def test_a_repair_that_fails_is_rolled_back(dnf: Dnf, node: Path, tmp_path: Path) -> None:
    install(dnf, node, make_plugin(tmp_path, "stuck", files={"/opt/stuck/x": "x\n"},
                                   settings=[SYSCTL], scriptlets={"preun": "exit 1"}))
    (node / "opt/stuck/x").write_text("damaged")
    sysctl_file(node).write_text("vm.swappiness = 60\n")
    damaged = tree_state(node)
    answer = repair(dnf, node, "stuck")
    assert answer.status == 8 and "repair of stuck failed and was rolled back" in answer.text
    assert state_differences(damaged, tree_state(node)) == []
    succeeded(repair(dnf, node, "stuck", "--skip-scriptlets"))
    succeeded(dnf.plugin(node, "verify"))


SETTINGS = (
    SYSCTL, '<user name="acme" home="/opt/agent" groups="acmes"/>', '<group name="acmes"/>',
    '<kernel-module name="dummy" options="numdummies=3"/>',
    '<firewall-port port="9100" protocol="tcp"/>',
    '<firewall-service name="site"><port port="5988" protocol="tcp"/></firewall-service>',
    '<kernel-argument name="intel_iommu" value="on"/>',
    '<persistent-path path="/opt/agent/state"/>',
    *(f'<{kind} source="/opt/agent/text" name="{name}"/>' for kind, name in (
        ("udev-rules", "60-acme.rules"), ("tmpfiles", "acme.conf"), ("logrotate", "acme"))),
    '<unit-drop-in unit="sanlock.service" source="/opt/agent/text" name="10-acme.conf"/>',
    '<vdsm-hook point="before_vm_start" order="40" name="acme" source="/opt/agent/hook"/>')


def test_settings_of_each_kind_are_applied_again_and_undone(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    entry = node / "boot/loader/entries/a.conf"
    entry.write_text("title a\noptions root=/dev/sda1 quiet\n")
    make_firewall(node)
    before, group_before = tree_state(node), (node / "etc/group").read_text()
    own_group = "admins:x:4321:root\n"
    install(dnf, node, make_plugin(
        tmp_path, "agent", settings=SETTINGS,
        files={"/opt/agent/text": "# text\n", "/opt/agent/hook": "#!/bin/sh\n",
               "/opt/agent/state/": ""},
        attributes={"/opt/agent/hook": "%attr(0755,root,root)"}))
    complete, record = tree_state(node), store.read_record(node, "agent")
    assert len({setting.kind for setting in record.settings}) >= len(SETTINGS)
    undo = store.read_undo_data(node, "agent").state.settings
    for path in sorted({change.path for setting in undo for change in setting.changes}):
        file = node / path
        if path not in before and (file.is_symlink() or file.is_file()):
            file.unlink()
    for name in ("passwd", "group", "shadow", "gshadow"):
        file = node / "etc" / name
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        if lines:
            file.write_text("".join(
                line for line in lines if not line.startswith(("acme:", "acmes:"))))
    with open(node / "etc/group", "a", encoding="ascii") as stream:
        stream.write(own_group)
    entry.write_text("title a\noptions root=/dev/sda1 quiet\n")
    problems = dnf.plugin(node, "verify", "--json").json["plugins"][0]["problems"]
    assert len(problems) >= len(SETTINGS) - 1
    succeeded(repair(dnf, node))
    assert succeeded(dnf.plugin(node, "verify")).out == "agent 1.0: ok\n"
    groups = (node / "etc/group").read_text()
    assert own_group in groups
    assert (node / FACTORY_ETC / "group").read_text() == groups  # an image has no administrator
    for folder in ("etc", FACTORY_ETC):
        (node / folder / "group").write_text(groups.replace(own_group, ""))
    assert [line for line in state_differences(complete, tree_state(node))
            if "ovirt.plugins" not in line] == []
    for folder in ("etc", FACTORY_ETC):
        (node / folder / "group").write_text(groups)
    succeeded(dnf.plugin(node, "remove", "-y", "agent"))
    assert [line.split(":")[1] for line in state_differences(before, tree_state(node))] == [
        " etc/group"]
    assert (node / "etc/group").read_text() == group_before + own_group
