"""The plan is carried out exactly: plan, manifest and tree are compared."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

import pytest

from ovirt_node_plugin.system.path_sets import FACTORY, FACTORY_ETC, REGISTRIES
from ovirt_node_plugin.system.trees import Relative
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import tree_state

pytestmark = [pytest.mark.root]

PLUGINS = ("agent", "cim", "isv-module-foo", "share-a", "share-b", "snmp", "storage", "tworepos",
           "vdsm-hook-nested")
# The beginnings of notes on what a transaction did
DONE = re.compile("%|rpm |DNF |Scriptlets |The transaction |A trigger ")
MANY = (
    '<service name="x.service" state="enabled"/>',
    '<kernel-module name="dummy" load="yes" options="numdummies=2"/>',
    '<sysctl name="net.core.somaxconn" value="4096"/>',
    '<group name="acme"/>', '<user name="acme" group="acme" groups="kvm"/>',
    '<kernel-argument name="iommu" value="pt"/>',
    '<tmpfiles source="/opt/x/tmp.conf" name="x.conf"/>',
    '<persistent-path path="/var/lib/x"/>',
    '<leave-out files="/usr/share/doc/x/**"/>',
)
FILES = {"/usr/lib/systemd/system/x.service":
         "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
         "/opt/x/tmp.conf": "d /var/lib/acme\n", "/var/lib/x/": "",
         "/usr/share/doc/x/README": "words\n"}


def planned(dnf: Dnf, root: Path, *words: object) -> Dict[str, Any]:
    answer = dnf.plugin(root, "install", *words, "--dry-run", "--json")
    assert answer.status == 0, answer.text
    plan: Dict[str, Any] = answer.json
    assert plan["done"] is False
    return plan


def manifest(dnf: Dnf, root: Path, name: str, *words: str) -> Dict[str, Any]:
    answer = dnf.plugin(root, "manifest", name, *words, "--json")
    assert answer.status == 0, answer.text
    document: Dict[str, Any] = answer.json["plugins"][0]
    return document


def manifest_paths(dnf: Dnf, root: Path, name: str) -> Set[str]:
    """Return the paths in a manifest, with links in their folders resolved."""
    relative = Relative(root)
    return {f"/{relative(file['path'])}" for file in manifest(dnf, root, name, "--files")["files"]}


def setting_values(settings: List[Dict[str, str]]) -> List[Tuple[str, ...]]:
    return sorted((setting["kind"], setting["key"], setting["value"]) for setting in settings)


def install_words(bundle: Path) -> List[object]:
    extra = ["--enablerepo=tworepos-extra"] if "tworepos" in bundle.name else []
    return [bundle, *extra]


def assert_plan_matches(plan: Dict[str, Any], document: Dict[str, Any]) -> None:
    """Assert that the plan of one plugin matches its manifest after the change."""
    (plugin,) = plan["plugins"]
    operation = document["operations"][-1]
    installed = {item["nevra"]: item for item in plan["packages"] if item["action"] != "remove"}
    assert sorted(installed) == sorted(operation["packages_added"])
    assert sorted(plugin["packages"]) == sorted(item["nevra"] for item in document["packages"])
    for package in document["packages"]:
        if package["nevra"] in installed:
            assert installed[package["nevra"]]["files"] == package["files"]
    for action in ("on", "again", "off"):
        assert setting_values(
            [item for item in plugin["settings"] if item["action"] == action]) == \
            setting_values(operation[f"settings_{action}"])


def comparable(plan: Dict[str, Any]) -> Dict[str, Any]:
    """Return a plan without the values that differ between a dry run and the change."""
    return {**plan, "done": None, "space": plan["space"]["needed_bytes"], "notes": [
        note for note in plan["notes"] if not DONE.match(note)]}


def shown(path: str) -> str:
    """Return the path that tells of ``path``: for the pristine copy of /etc, that in /etc."""
    return f"/{path[len(FACTORY) + 1:] if path.startswith(f'{FACTORY_ETC}/') else path}"


def changed_paths(before: Dict[str, Any], after: Dict[str, Any]) -> Set[str]:
    """Return all new, removed and changed paths, except the registry and changed folders."""
    paths = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    return {shown(path) for path in paths if not path.startswith(REGISTRIES) and path not in (
        "etc", ".") and not (path in before and path in after
                             and str(after[path][0]).startswith("d"))}


@pytest.mark.parametrize("name", PLUGINS)
def test_an_install_does_what_its_plan_says(name: str, built: support.Fixtures, node: Path,
                                            dnf: Dnf) -> None:
    before = tree_state(node)
    words = install_words(built.bundle(name))
    plan = planned(dnf, node, *words)
    assert tree_state(node) == before
    answer = dnf.plugin(node, "install", *words, "-y", "--trust-keys", "--json")
    assert answer.status == 0, answer.text
    assert comparable(answer.json) == comparable(plan)
    assert_plan_matches(plan, manifest(dnf, node, name))
    assert changed_paths(before, tree_state(node)) - manifest_paths(dnf, node, name) == set()


@pytest.mark.main_job
def test_an_install_with_many_kinds_of_setting_does_what_its_plan_says(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "x", settings=MANY, files=FILES)
    before = tree_state(node)
    plan = planned(dnf, node, bundle, UNSIGNED)
    kinds = {item["kind"] for item in plan["plugins"][0]["settings"]}
    assert {"service", "kernel-module", "sysctl", "group", "user", "group-member",
            "kernel-argument", "tmpfiles", "persistent-path", "leave-out"} <= kinds
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    document = manifest(dnf, node, "x")
    assert_plan_matches(plan, document)
    assert {(item["kind"], item["name"]) for item in document["accounts"]} >= {
        ("user", "acme"), ("group", "acme")}
    assert changed_paths(before, tree_state(node)) - manifest_paths(dnf, node, "x") == set()


def test_an_upgrade_does_what_its_plan_says(built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    first, second = built.bundle("agent", "1.0"), built.bundle("agent", "1.1")
    assert dnf.plugin(node, "install", first, "-y", "--trust-keys").status == 0
    plan = planned(dnf, node, second)
    assert plan["plugins"][0]["action"] == "upgrade"
    assert dnf.plugin(node, "install", second, "-y", "--trust-keys").status == 0
    assert_plan_matches(plan, manifest(dnf, node, "agent"))


def test_a_plan_lists_signers_shared_packages_and_disk_space(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    assert dnf.plugin(node, "install", built.bundle("share-a"), "-y", "--trust-keys").status == 0
    plan = planned(dnf, node, built.bundle("share-b"))
    assert plan["plugins"][0]["shares"] == [
        {"kind": "package", "name": "libshare-1.0-1.noarch", "plugins": ["share-a"]}]
    (signature,) = plan["signatures"]
    assert signature["packages"] == ["share-b-1.0-1.noarch"] and signature["checked"]
    assert signature["owner"] == "Node Plugin Fixtures <fixtures@example.com>"
    assert len(signature["key"]) == 16
    assert plan["packages"][0]["signer"] == signature["key"]
    assert plan["space"]["free_bytes"] > plan["space"]["needed_bytes"] > 0


def test_a_plan_names_unsigned_packages(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "x", files=FILES)
    plan = dnf.plugin(node, "install", bundle, UNSIGNED, "--dry-run")
    assert "Not signed: x-1.0-1.noarch" in plan.out
    assert "3 files: 1 in /opt/x, 1 in /usr/lib, 1 in /usr/share" in plan.out


def test_a_package_that_differs_from_the_metadata_is_refused(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "x", files=FILES)
    for listed in (bundle / "repo/repodata").glob("*filelists*"):
        listed.unlink()
    (rpm,) = (bundle / "repo").rglob("*.rpm")
    other = make_plugin(tmp_path / "other", "x", files={"/opt/y/other": "!"})
    (evil,) = (other / "repo").rglob("*.rpm")
    rpm.write_bytes(evil.read_bytes())
    answer = dnf.plugin(node, "install", bundle, UNSIGNED, "-y")
    assert answer.status != 0
    assert not (node / "opt/y").exists()


def test_info_of_a_bundle_has_the_plan_or_the_reason_of_the_refusal(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "info", built.bundle("snmp"), built.bundle("needs-libvirt"),
                        "--json")
    accepted, refused = answer.json["plugins"]
    plan = planned(dnf, node, built.bundle("snmp"))
    assert accepted["plan"]["plugins"] == plan["plugins"] and accepted["refused"] == ""
    assert refused["plan"] is None and "needs newer core packages" in refused["refused"]
    assert (answer.status, refused["refused_status"], accepted["refused_status"]) == (5, 5, 0)
    assert dnf.plugin(node, "info", built.bundle("snmp")).status == 0
    assert not any("estimate" in note for note in accepted["plan"]["notes"])


WANTED = '<sysctl name="net.core.somaxconn" value="4096"/>', '<group name="acme"/>'
STAYING = [("group", "acme"), ("sysctl", "net.core.somaxconn")]


def setting_keys(plugin: Dict[str, Any], action: str) -> List[Tuple[str, str]]:
    return sorted((setting["kind"], setting["key"]) for setting in plugin["settings"]
                  if setting["action"] == action)


def install_sharing_plugins(dnf: Dnf, root: Path, folder: Path) -> None:
    """Install the plugins x and y, which share WANTED; x has one more setting."""
    own = '<sysctl name="net.core.somaxconn6" value="1"/>'
    for bundle in (make_plugin(folder, "x", settings=[*WANTED, own], files={"/opt/x/file": "x"}),
                   make_plugin(folder, "y", settings=WANTED, files={"/opt/y/file": "y"})):
        answer = dnf.plugin(root, "install", bundle, "-y", UNSIGNED)
        assert answer.status == 0, answer.text


def test_a_removal_does_what_its_plan_says_and_shared_settings_stay(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    install_sharing_plugins(dnf, node, tmp_path)
    answer = dnf.plugin(node, "remove", "x", "--dry-run", "--json")
    (plugin,) = answer.json["plugins"]
    assert setting_keys(plugin, "stays") == STAYING
    assert "sysctl net.core.somaxconn (4096) stays: plugin y has it too" in [
        setting["text"] for setting in plugin["settings"]]
    assert setting_keys(plugin, "off") == [("sysctl", "net.core.somaxconn6")]
    removal = dnf.plugin(node, "remove", "x", "-y", "--json")
    assert removal.status == 0 and removal.json["plugins"] == answer.json["plugins"]
    (delta,) = removal.json["deltas"]
    assert setting_values(delta["settings"]["off"]) == setting_values(
        [setting for setting in plugin["settings"] if setting["action"] == "off"])
    answer = dnf.plugin(node, "remove", "y", "--dry-run", "--json")
    assert setting_keys(answer.json["plugins"][0], "off") == STAYING
    assert "acme" in (node / "etc/group").read_text()


def test_an_upgrade_that_drops_shared_settings_leaves_them_as_its_plan_says(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    install_sharing_plugins(dnf, node, tmp_path)
    bundle = make_plugin(tmp_path, "x", "1.1", files={"/opt/x/file": "x"})
    before = tree_state(node)
    plan = planned(dnf, node, bundle, UNSIGNED)
    (plugin,) = plan["plugins"]
    assert setting_keys(plugin, "stays") == STAYING
    assert setting_keys(plugin, "off") == [("sysctl", "net.core.somaxconn6")]
    assert dnf.plugin(node, "install", bundle, "-y", UNSIGNED).status == 0
    assert_plan_matches(plan, manifest(dnf, node, "x"))
    removed = {file["path"] for file in manifest(dnf, node, "x", "--delta")["delta"]["files"][
        "removed"]}
    after = tree_state(node)
    assert {path for path in removed if path[1:] in after} == set()
    assert {shown(path) for path in before if path not in after} <= removed
    assert dnf.plugin(node, "verify").status == 0
