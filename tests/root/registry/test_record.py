"""The record of an install, and the problems that verify reports."""
from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.system.path_sets import IMAGE_REGISTRY, MANIFESTS, REGISTRY
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

EPOCH = 1700000000


def install(dnf: Dnf, root: Path, *words: object) -> Answer:
    return succeeded(dnf.plugin(root, "install", "-y", "--trust-keys", *words))


def problems(dnf: Dnf, root: Path) -> List[str]:
    """Return the problems that verify reports, of which there must be at least one."""
    answer = dnf.plugin(root, "verify", "--json")
    assert answer.status == 9, answer.text
    document: Dict[str, Any] = answer.json
    assert document["ok"] is False
    return [problem for plugin in document["plugins"] for problem in plugin["problems"]]


def rpm(root: Path, *words: str) -> None:
    subprocess.run(["rpm", "--root", str(root), "--dbpath", "/usr/share/rpm", *words], check=True)


@pytest.mark.main_job
def test_a_record_has_the_packages_settings_and_source_of_the_install(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    dnf.prefix = ("env", f"SOURCE_DATE_EPOCH={EPOCH}")
    install(dnf, node, built.bundle("snmp"), built.bundle("storage"))
    record = store.read_record(node, "snmp")
    assert (record.name, record.version, record.vendor, record.summary) == (
        "snmp", "1.0", "Example Management Inc.", "SNMP monitoring for oVirt Node")
    assert record.installed_at == "2023-11-14T22:13:20Z"
    assert record.tool.startswith("ovirt-node-plugin ")
    assert (record.mode, record.target_kind, record.target_version) == ("offline", "node", "4.5.5")
    assert record.source == str(built.bundle("snmp"))
    assert record.repos == ("snmp",)
    assert record.together == ("storage",)
    assert [(setting.kind, setting.key, setting.value,
             setting.before) for setting in record.settings] == [
        ("service", "snmpd.service", "enabled", "disabled")]
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                 for path in (built.bundle("snmp") / "repo").glob("*.rpm")}
    reasons = {}
    for package in record.packages:
        file = package.nevra.replace("1:", "") + ".rpm"
        assert package.checksum == f"sha256:{checksums[file]}"
        assert package.repo == "bundle:snmp"
        reasons[package.nevra.rsplit("-", 2)[0]] = package.reason
    assert reasons == {"net-snmp": "requested", "net-snmp-utils": "requested",
                       "net-snmp-libs": "dependency"}


@pytest.mark.main_job
def test_a_record_is_reproducible_and_world_readable(dnf: Dnf, built: support.Fixtures,
                                                     tmp_path: Path) -> None:
    dnf.prefix = ("env", f"SOURCE_DATE_EPOCH={EPOCH}")
    contents = []
    for number in range(2):
        root = built.node_root(tmp_path / f"node{number}")
        install(dnf, root, built.bundle("cim"), built.bundle("agent"))
        contents.append({path.relative_to(root): path.read_bytes() for folder in (
            REGISTRY, MANIFESTS) for path in (root / folder).iterdir()})
        record = root / REGISTRY / "cim"
        assert record.stat().st_mode & 0o7777 == 0o644
        assert (root / REGISTRY).stat().st_mode & 0o7777 == 0o755
    assert contents[0] == contents[1]
    assert {path.name for path in contents[0]} == {
        "cim", "agent", "cim.xml", "agent.xml", "cim.json.gz", "agent.json.gz"}


def test_an_unprivileged_user_can_read_records(dnf: Dnf, node: Path,
                                               built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("storage"))
    for path in node.parents:
        if path.name.startswith(("pytest", "popen-", "test_")):
            path.chmod(0o755)
    completed = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", "cat",
         str(node / REGISTRY / "storage"),
         str(node / MANIFESTS / "storage.xml")],
        check=False, capture_output=True)
    assert completed.returncode == 0, completed.stderr


def test_a_shared_package_has_the_same_checksum_and_repo_in_both_records(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("share-a"))
    install(dnf, node, built.bundle("share-b"))
    packages = [{package.nevra: package for package in store.read_record(node, name).packages}
                for name in ("share-a", "share-b")]
    assert packages[0]["libshare-1.0-1.noarch"] == packages[1]["libshare-1.0-1.noarch"]


def test_removing_a_plugin_removes_it_from_records_of_plugins_installed_with_it(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("share-a"), built.bundle("storage"))
    succeeded(dnf.plugin(node, "remove", "-y", "share-a"))
    assert store.read_record(node, "storage").together == ()


@pytest.mark.main_job
def test_a_package_removed_with_rpm_is_reported_and_reinstalled(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    before = tree_state(node)
    rpm(node, "-e", "--nodeps", "libvirt-cim")
    assert "package libvirt-cim-0.6.3-33.el9.x86_64 is not installed" in problems(dnf, node)
    answer = dnf.plugin(node, "list")
    assert answer.status == 0 and "broken" in answer.text
    assert "Repairing cim 1.0" in install(dnf, node, built.bundle("cim")).text
    succeeded(dnf.plugin(node, "verify"))
    assert [line for line in state_differences(before, tree_state(node))
            if "ovirt.plugins" not in line] == []


def test_another_version_of_a_package_is_reported(dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "mine", files={"/opt/mine/data": "x"})
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    rpm(node, "-U", "--nodeps", "--nosignature", str(support.quick_rpm(
        "mine", "2.0", files={"/opt/mine/data": "y"})))
    assert "package mine-1.0-1.noarch is there as mine-2.0-1.noarch" in problems(dnf, node)


@pytest.mark.main_job
def test_a_record_copied_to_a_newer_image_is_broken_and_can_be_repaired(
        dnf: Dnf, node: Path, built: support.Fixtures, tmp_path: Path) -> None:
    install(dnf, node, built.bundle("storage"))
    newer = built.node_root(tmp_path / "newer", "4.5.6")
    before = tree_state(newer)
    for folder in (REGISTRY, MANIFESTS):
        shutil.copytree(node / folder, newer / folder)
    assert any("the image may have been replaced since" in line for line in problems(dnf, newer))
    assert dnf.plugin(newer, "list", "--json").json["plugins"][0]["state"] == "broken"
    answer = install(dnf, newer, built.bundle("storage"))
    assert "Repairing storage 1.0" in answer.text
    succeeded(dnf.plugin(newer, "verify"))
    assert store.read_record(newer, "storage").target_version == "4.5.6"
    succeeded(dnf.plugin(newer, "remove", "-y", "storage"))
    assert state_differences(before, tree_state(newer)) == []


def test_a_broken_plugin_can_be_removed(
        dnf: Dnf, node: Path, built: support.Fixtures, tmp_path: Path) -> None:
    install(dnf, node, built.bundle("storage"))
    newer = built.node_root(tmp_path / "newer", "4.5.6")
    before = tree_state(newer)
    for folder in (REGISTRY, MANIFESTS):
        shutil.copytree(node / folder, newer / folder)
    succeeded(dnf.plugin(newer, "remove", "-y", "storage"))
    assert state_differences(before, tree_state(newer)) == []


def test_settings_and_files_changed_by_hand_are_reported(dnf: Dnf, node: Path,
                                                         built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("storage"))
    succeeded(dnf.plugin(node, "verify"))
    subprocess.run(["systemctl", f"--root={node}", "disable", "acme-storaged.service"],
                   check=True, capture_output=True)
    (node / "opt/acme/storage/bin/acme-storaged").write_text("altered")
    (node / "usr/share/acme-storage/before_vm_start.py").unlink()
    hook = node / "usr/libexec/vdsm/hooks/before_vm_start/60_acme_storage"
    hook.chmod(0o600)
    text = "\n".join(problems(dnf, node))
    assert "service acme-storaged.service is disabled, not enabled" in text
    assert "/opt/acme/storage/bin/acme-storaged" in text
    assert "missing" in text and "/usr/share/acme-storage/before_vm_start.py" in text
    assert "/usr/libexec/vdsm/hooks/before_vm_start/60_acme_storage was changed" in text


def test_a_damaged_record_is_reported_and_other_plugins_are_listed(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("share-a"), built.bundle("storage"))
    (node / IMAGE_REGISTRY / "share-a").write_text("<plugin-record")
    assert any("its record is damaged" in line for line in problems(dnf, node))
    states = {plugin["name"]: plugin["state"]
              for plugin in dnf.plugin(node, "list", "--json").json["plugins"]}
    assert states == {"share-a": "broken", "storage": "installed"}
    answer = dnf.plugin(node, "install", "-y", built.bundle("share-a"))
    assert answer.status == 2 and "is damaged" in answer.text
    succeeded(dnf.plugin(node, "remove", "-y", "storage"))
