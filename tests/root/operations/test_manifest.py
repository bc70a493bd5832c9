"""Manifests after installs, upgrades and removals, and the drift that verify finds with them."""
from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ovirt_node_plugin.registry import store
from ovirt_node_plugin.registry.places import ETC, IMAGE
from tests import support
from tests.support import schemas
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, environment, succeeded
from tests.support.tree_states import tree_state
from tests.support.unprivileged import as_nobody

pytestmark = [pytest.mark.root]


def install(dnf: Dnf, root: Path, *bundles: Path) -> Answer:
    return succeeded(dnf.plugin(root, "install", "-y", "--trust-keys", UNSIGNED, *bundles))


def manifest(dnf: Dnf, root: Path, name: str, *options: str) -> Any:
    (plugin,) = succeeded(dnf.plugin(root, "manifest", name, "--json", *options)).json["plugins"]
    return plugin


def paths(files: List[Dict[str, Any]]) -> List[str]:
    return [file["path"] for file in files]


def rpm(root: Path, *words: str) -> List[str]:
    return subprocess.run(["rpm", "--root", str(root), "--dbpath", "/usr/share/rpm", *words],
                          check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.main_job
def test_the_manifest_of_an_install_lists_all_its_changes(dnf: Dnf, node: Path,
                                                          built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    document = manifest(dnf, node, "cim")
    nevras = [item["nevra"] for item in document["packages"]]
    assert nevras == ["libvirt-cim-0.6.3-33.el9.x86_64", "sblim-sfcb-1.4.9-25.el9.x86_64"]
    files = {item["path"]: item for item in manifest(dnf, node, "cim", "--files")["files"]}
    package_files = rpm(node, "-q", "--queryformat", "[%{FILENAMES} %{FILEDIGESTS}\n]", *nevras)
    assert {line.split()[0] for line in package_files} == {
        path for path, item in files.items() if item["package"]}
    assert f'/usr/sbin/sfcbd {files["/usr/sbin/sfcbd"]["digest"].split(":")[1]}' in package_files
    assert files["/var/lib/sfcb/registration"]["owner"] == "cim"
    assert files["/etc/sfcb/sfcb.cfg"]["marks"] == ["config"]
    changed = {item["path"]: item["by"] for item in document["others"]}
    assert changed["/etc/passwd"] == "scriptlets" and changed["/etc/shadow"] == "scriptlets"
    assert "service sblim-sfcb.service" in changed.values()
    assert not any("digest" in item for item in document["others"] if "shadow" in item["path"])
    assert {(item["kind"], item["name"]) for item in document["accounts"]} == {
        ("user", "cim"), ("group", "sfcb")}
    assert [(item["kind"], item["key"]) for item in document["settings"]] == [
        ("service", "sblim-sfcb.service")]


def test_standard_tools_can_read_the_inventory(dnf: Dnf, node: Path,
                                               built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    path = node / "etc/ovirt.plugins-manifests.d/cim.json.gz"
    assert os.stat(path).st_mode & 0o777 == 0o644
    with gzip.open(path) as stream:
        document = schemas.validated(json.load(stream), schemas.INVENTORY)
    assert document["format"] == 1 and document["name"] == "cim"
    completed = subprocess.run(["zgrep", "-c", '"path":"/usr/sbin/sfcbd"', path], check=True,
                               capture_output=True, text=True)
    assert completed.stdout == "1\n"


@pytest.mark.main_job
def test_the_delta_of_an_upgrade_has_added_and_removed_items(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    first = manifest(dnf, node, "agent", "--delta")["delta"]
    assert first["operation"] == "install" and first["files"]["removed"] == []
    install(dnf, node, built.bundle("agent", "1.1"))
    delta = manifest(dnf, node, "agent", "--delta")["delta"]
    assert (delta["operation"], delta["version_from"], delta["version_to"]) == (
        "upgrade", "1.0", "1.1")
    assert delta["packages"] == {
        "added": ["acme-agent-1.1-1.noarch", "acme-agent-tools-1.1-1.noarch"],
        "removed": ["acme-agent-1.0-1.noarch"], "shared": [],
        "replaced": []}
    (change,) = delta["files"]["changed"]
    assert change["before"]["digest"] != change["after"]["digest"][:len(change["before"]["digest"])]
    assert "/etc/modprobe.d/node-plugin-agent-loop.conf" in paths(delta["files"]["removed"])
    assert [item["kind"] for item in delta["settings"]["on"]] == ["service"]
    assert [item["kind"] for item in delta["settings"]["off"]] == ["kernel-module"]
    operations = manifest(dnf, node, "agent")["operations"]
    assert [item["operation"] for item in operations] == ["install", "upgrade"]
    assert operations[0]["files_added"] == len(first["files"]["added"])


def test_a_removal_returns_its_delta_and_deletes_the_inventory(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    installed = manifest(dnf, node, "cim", "--delta")["delta"]
    answer = succeeded(dnf.plugin(node, "remove", "-y", "cim", "--json")).json
    (delta,) = answer["deltas"]
    assert delta["operation"] == "remove" and delta["version_from"] == "1.0"
    assert delta["packages"]["removed"] == installed["packages"]["added"]
    assert paths(delta["files"]["removed"]) == paths(installed["files"]["added"])
    assert paths([change["after"] for change in delta["files"]["changed"]]) == paths(
        [change["after"] for change in installed["files"]["changed"]])
    assert delta["accounts"]["removed"] == installed["accounts"]["added"]
    assert not (node / "etc/ovirt.plugins-manifests.d").exists()


def test_a_removal_prints_a_one_line_summary(dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    answer = succeeded(dnf.plugin(node, "remove", "-y", "cim"))
    assert "Plugin cim: -2 packages, ~8 -11 files, -1 setting, -2 accounts." in answer.text


def test_a_package_of_two_plugins_is_listed_as_shared(dnf: Dnf, node: Path,
                                                      built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("share-a"))
    install(dnf, node, built.bundle("share-b"))
    delta = manifest(dnf, node, "share-b", "--delta")["delta"]
    assert delta["packages"]["shared"] == ["libshare-1.0-1.noarch"]
    assert "libshare-1.0-1.noarch" not in delta["packages"]["added"]
    files = manifest(dnf, node, "share-b", "--files")["files"]
    shared = paths([file for file in files if file["package"] == "libshare-1.0-1.noarch"])
    assert shared and not set(shared) & set(paths(delta["files"]["added"]))
    answer = succeeded(dnf.plugin(node, "remove", "-y", "share-a", "--json")).json
    assert answer["deltas"][0]["packages"]["removed"] == ["share-a-1.0-1.noarch"]
    succeeded(dnf.plugin(node, "verify"))
    assert manifest(dnf, node, "share-b", "--files")["files"] == files


def test_an_inventory_stays_correct_when_a_shared_file_passes_to_its_plugin(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundles = [make_plugin(tmp_path, name, requires="busybox", files={f"/opt/{name}/x": "x"},
                           scriptlets={"post": f"echo {name} >> /etc/common.list"})
               for name in ("one", "two")]
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, *bundles))
    before = [file for file in manifest(dnf, node, "two", "--files")["files"] if file["package"]]
    succeeded(dnf.plugin(node, "remove", "-y", "one"))
    after = manifest(dnf, node, "two", "--files")["files"]
    assert [file for file in after if file["package"]] == before
    assert "/etc/common.list" in paths(after)
    succeeded(dnf.plugin(node, "verify"))


@pytest.mark.main_job
def test_the_manifest_is_printed_as_text(dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    text = succeeded(dnf.plugin(node, "manifest", "cim")).out
    assert "Packages     : libvirt-cim-0.6.3-33.el9.x86_64, 4 files, 126 B" in text
    assert ": ~ /etc/passwd (scriptlets)" in text and "(service" in text
    files = succeeded(dnf.plugin(node, "manifest", "cim", "--files")).out.splitlines()
    (line,) = [line for line in files if line.endswith("/usr/sbin/sfcbd")]
    assert line.split() == ["-rwxr-xr-x", "root", "root", "82",
                            "sblim-sfcb-1.4.9-25.el9.x86_64", "/usr/sbin/sfcbd"]
    delta = succeeded(dnf.plugin(node, "manifest", "cim", "--delta")).out.splitlines()
    assert delta[0].startswith("install 1.0 at 20")
    assert {"+ package sblim-sfcb-1.4.9-25.el9.x86_64", "+ /usr/sbin/sfcbd",
            "~ /etc/passwd (size, content)"} <= set(delta)
    packages = succeeded(dnf.plugin(node, "manifest", "cim", "--packages")).out
    assert "sblim-sfcb-1.4.9-25.el9.x86_64   6 files" in packages
    settings = succeeded(dnf.plugin(node, "manifest", "cim", "--settings")).out
    assert settings == "service sblim-sfcb.service enabled (before: disabled)\n"


def test_unprivileged_users_can_read_a_manifest(dnf: Dnf, node: Path,
                                                built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim"))
    answer = as_nobody(dnf, node, "manifest", "cim", "--files")
    assert answer.status == 0 and "/usr/sbin/sfcbd" in answer.out, answer.text


@pytest.mark.parametrize("words", [("nothing",), ("../etc",), ("cim", "nothing")])
def test_manifest_of_a_plugin_that_is_not_installed_is_an_error(
        dnf: Dnf, node: Path, built: support.Fixtures, words: List[str]) -> None:
    if "cim" in words:
        install(dnf, node, built.bundle("cim"))
    answer = dnf.plugin(node, "manifest", *words)
    assert answer.status == 2 and "Error: " in answer.err and "Traceback" not in answer.text


@pytest.mark.parametrize("data", [None, b"", b"not gzip", gzip.compress(b"{}")],
                         ids=["missing", "empty", "no gzip", "no inventory"])
def test_a_missing_or_damaged_inventory_is_reported_and_rewritten(
        dnf: Dnf, node: Path, built: support.Fixtures, data: Any) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    path = node / store.inventory_path(node, "agent")
    path.unlink() if data is None else path.write_bytes(data)
    answer = dnf.plugin(node, "manifest", "agent", "--files")
    assert answer.status == 9 and "/usr/lib/ovirt.plugins-manifests.d/agent.json.gz" in answer.text
    succeeded(dnf.plugin(node, "manifest", "agent", "--settings"))
    answer = dnf.plugin(node, "verify")
    assert answer.status == 9 and "agent.json.gz" in answer.text
    install(dnf, node, built.bundle("agent", "1.1"))
    delta = manifest(dnf, node, "agent", "--delta")["delta"]
    assert "/opt/acme/agent/bin/agent" not in paths(delta["files"]["added"])
    succeeded(dnf.plugin(node, "verify"))


def test_a_plugin_recorded_by_an_older_version_needs_no_inventory(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    for place in (ETC, IMAGE):
        (node / place.inventory("agent")).unlink()
        undo_data = node / place.undo_data("agent")
        undo_data.write_text(undo_data.read_text().replace(' inventory="yes"', ""))
    succeeded(dnf.plugin(node, "verify"))
    install(dnf, node, built.bundle("agent", "1.1"))
    operations = manifest(dnf, node, "agent")["operations"]
    assert [operation["operation"] for operation in operations] == ["install", "upgrade"]
    delta = manifest(dnf, node, "agent", "--delta")["delta"]
    assert "/usr/libexec/vdsm/hooks/before_vm_start/40_agent" not in paths(
        delta["files"]["added"])
    succeeded(dnf.plugin(node, "remove", "-y", "agent"))


def test_the_delta_of_a_removal_without_an_inventory_lists_package_files(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    (node / store.inventory_path(node, "agent")).unlink()
    (delta,) = succeeded(dnf.plugin(node, "remove", "-y", "agent", "--json")).json["deltas"]
    assert "/opt/acme/agent/bin/agent" in paths(delta["files"]["removed"])


def test_a_repair_reinstalls_missing_packages(dnf: Dnf, node: Path, built: support.Fixtures,
                                              tmp_path: Path) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    fresh = built.node_root(tmp_path / "fresh")
    for folder in ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d"):
        shutil.copytree(node / folder, fresh / folder)
    install(dnf, fresh, built.bundle("agent", "1.0"))
    delta = manifest(dnf, fresh, "agent", "--delta")["delta"]
    assert delta["operation"] == "repair"
    assert delta["packages"]["added"] == ["acme-agent-1.0-1.noarch"]
    assert "/opt/acme/agent/bin/agent" in paths(delta["files"]["added"])
    succeeded(dnf.plugin(fresh, "verify"))


def change_files_of_agent(root: Path) -> None:
    program = root / "opt/acme/agent/bin/agent"
    program.write_text("other, and longer than it was before, so that its size tells it: 1234567"
                       "89012345678901234567890\n")
    program.chmod(0o700)
    (root / "usr/share/acme-agent/before_vm_start.py").unlink()


def test_verify_reports_changed_files_to_unprivileged_users(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    assert succeeded(as_nobody(dnf, node, "verify")).out == "agent 1.0: ok\n"
    change_files_of_agent(node)
    lines = as_nobody(dnf, node, "verify").out.splitlines()
    assert "agent 1.0: file /opt/acme/agent/bin/agent was changed (size, mode)" in lines
    assert "agent 1.0: file /usr/share/acme-agent/before_vm_start.py is missing" in lines


def test_undo_data_that_only_root_may_read_are_no_damage_to_unprivileged_users(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("cim", "1.0"))
    undo_data = IMAGE.undo_data("cim")
    assert (node / undo_data).stat().st_mode & 0o077 == 0
    assert succeeded(as_nobody(dnf, node, "verify")).out == "cim 1.0: ok\n"
    (node / "usr/sbin/sfcbd").unlink()
    assert as_nobody(dnf, node, "verify").out.splitlines()[0] == (
        "cim 1.0: file /usr/sbin/sfcbd is missing")


def test_verify_reports_each_changed_file_once_to_root(dnf: Dnf, node: Path,
                                                       built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent", "1.0"))
    change_files_of_agent(node)
    text = dnf.plugin(node, "verify").out
    assert text.count("/opt/acme/agent/bin/agent") == 1
    assert text.count("file /usr/share/acme-agent/before_vm_start.py is missing") == 1


def test_verify_reports_a_package_replaced_by_another_build(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "swap", files={"/opt/swap/x": "one"})
    install(dnf, node, bundle)
    other = support.quick_rpm("swap", "1.0", files={"/opt/swap/x": "two", "/opt/swap/y": "y"})
    rpm(node, "-U", "--force", "--nosignature", str(other))
    answer = dnf.plugin(node, "verify")
    assert answer.status == 9
    assert ("swap 1.0: package swap-1.0-1.noarch is another build than the one that was"
            " installed, of the same name and version") in answer.out.splitlines()
    assert "another build" in as_nobody(dnf, node, "verify").out
    (header,) = [package["header"] for package in manifest(dnf, node, "swap")["packages"]]
    assert [(found["package"], difference["what"], difference["was"])
            for found in dnf.plugin(node, "verify", "--json").json["plugins"][0]["findings"]
            if found["kind"] == "package" for difference in found["differences"]] == [
        ("swap-1.0-1.noarch", "header", header)]


def plugin_with_scriptlet_files(folder: Path) -> Path:
    return make_plugin(
        folder, "maker", requires="busybox", files={"/opt/maker/x": "x"}, scriptlets={
            "post": "echo made > /etc/maker.conf; mkdir -p /var/lib/maker /usr/lib/maker;"
                    " echo state > /var/lib/maker/state; echo made > /usr/lib/maker/index;"
                    " echo more >> /etc/fstab.maker.old"})


def test_verify_reports_missing_or_changed_files_made_by_scriptlets(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    (node / "etc/fstab.maker.old").write_text("old\n")
    install(dnf, node, plugin_with_scriptlet_files(tmp_path))
    succeeded(dnf.plugin(node, "verify"))
    (node / "etc/maker.conf").write_text("changed\n")
    (node / "usr/lib/maker/index").unlink()
    (node / "var/lib/maker/state").write_text("changed\n")
    (node / "etc/fstab.maker.old").write_text("others change this too\n")
    lines = dnf.plugin(node, "verify").out.splitlines()
    assert lines == [
        "maker 1.0: /etc/maker.conf, which a scriptlet made, was changed",
        "maker 1.0: /usr/lib/maker/index, which a scriptlet made, is missing",
        f"To repair: dnf --installroot={node} node-plugin repair maker"]


def test_a_later_plugins_change_of_a_shared_file_is_not_drift(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        install(dnf, node, make_plugin(
            tmp_path, name, requires="busybox", files={f"/opt/{name}/x": "x"},
            scriptlets={"post": f"echo {name} >> /etc/common.list"}))
    succeeded(dnf.plugin(node, "verify"))
    with open(node / "etc/common.list", "a") as stream:
        stream.write("by hand\n")
    assert "/etc/common.list, which a scriptlet made, was changed" in dnf.plugin(
        node, "verify").out


def test_a_package_replaced_between_plan_and_install_is_rolled_back(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "swap", files={"/opt/swap/x": "one"})
    other = support.quick_rpm("swap", "1.0", files={"/opt/swap/x": "two"})
    (rpm_file,) = (bundle / "repo").rglob("swap-1.0-1.noarch.rpm")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(f"""
import shutil
import importlib.abc, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "ovirt_node_plugin.operations.apply.inventories":
            sys.meta_path.remove(self)
            from ovirt_node_plugin.packages.session import Session
            run = Session.run
            def swapped(self, *words, **named):
                shutil.copyfile({str(other)!r}, {str(rpm_file)!r})
                return run(self, *words, **named)
            Session.run = swapped
sys.meta_path.insert(0, Finder())
""")
    argv = ["env", f"PYTHONPATH={tmp_path / 'site'}:{environment()['PYTHONPATH']}",
            *dnf.argv(node), "node-plugin", "install", "-y", UNSIGNED, str(bundle)]
    answer = dnf.run(argv)
    assert answer.status == 8, answer.text
    assert "swap-1.0-1.noarch is not the one that was planned" in answer.text
    assert not (node / "opt/swap").exists() and "swap" not in " ".join(rpm(node, "-qa"))


def test_the_records_of_five_thousand_files_take_less_than_300_kib(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    payload = {f"/opt/large/{os.urandom(1).hex()}/{number:04d}{os.urandom(3).hex()}.py":
             os.urandom(8).hex() for number in range(5000)}
    install(dnf, node, make_plugin(tmp_path, "large", files=payload))
    folder = node / "etc/ovirt.plugins-manifests.d"
    files = manifest(dnf, node, "large", "--files")["files"]
    assert len([file for file in files if file["package"]]) == 5000
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300 * 1024


@pytest.mark.parametrize("reverse", [False, True])
def test_plugins_installed_together_have_separate_manifests(
        dnf: Dnf, node: Path, tmp_path: Path, reverse: bool) -> None:
    bundles = [make_plugin(tmp_path, "x", files={"/opt/x/file": "x"}),
               make_plugin(tmp_path, "y", requires="busybox", files={"/opt/y/file": "y"},
                           scriptlets={"post": "echo y > /etc/y-left"})]
    names = ["y", "x"] if reverse else ["x", "y"]
    before = tree_state(node)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, *(bundles[::-1] if reverse else bundles)))
    listed = {name: {item["path"] for item in manifest(dnf, node, name, "--files")["files"]}
              for name in "xy"}
    assert {"/opt/x", "/opt/x/file"} <= listed["x"] and not any("y" in item for item in listed["x"])
    assert {"/opt/y", "/opt/y/file", "/etc/y-left"} <= listed["y"] and "/opt/x" not in listed["y"]
    answer = succeeded(dnf.plugin(node, "remove", "-y", names[0]))
    assert f"stay until plugin {names[1]} goes too." in " ".join(answer.text.split())
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "-y", names[1]))
    assert tree_state(node) == before


def test_a_missing_folder_of_a_package_is_not_reported_as_made_by_a_scriptlet(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED,
                         make_plugin(tmp_path, "x", files={"/opt/x/file": "x"})))
    shutil.rmtree(node / "opt/x")
    assert "/opt/x, which came with its packages, is missing" in dnf.plugin(node, "verify").text


def test_an_inventory_stays_correct_when_another_plugins_lines_leave_a_file(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    def bundle(name: str, version: str) -> Path:
        return make_plugin(tmp_path, name, version, settings=[f'<user name="{name}d"/>'])

    def sizes() -> Dict[str, int]:
        inventory = store.read_inventory(node, "first")
        assert inventory is not None
        return {file.path: file.size_bytes for file in inventory.others
                if file.path in ("/etc/passwd", "/etc/group")}

    install(dnf, node, bundle("first", "1.0"))
    install(dnf, node, bundle("second", "1.0"))
    install(dnf, node, bundle("first", "2.0"))
    succeeded(dnf.plugin(node, "remove", "second", "-y"))
    assert sizes() == {path: (node / path.lstrip("/")).stat().st_size
                       for path in ("/etc/passwd", "/etc/group")}
