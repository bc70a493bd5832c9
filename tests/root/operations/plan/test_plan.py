"""The plan is what is then done: it is held against the manifest, and that against the tree."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Set, Tuple

import pytest

from ovirt_node_plugin.system.trees import Relative
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import tree_state

pytestmark = [pytest.mark.root]

PLUGINS = ("agent", "cim", "isv-module-foo", "share-a", "share-b", "snmp", "storage", "tworepos",
           "vdsm-hook-nested")
OWN_BOOKS = ("etc/ovirt.plugins.d", "etc/ovirt.plugins-manifests.d")
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
    found: Dict[str, Any] = answer.json
    assert found["done"] is False
    return found


def manifest(dnf: Dnf, root: Path, name: str, *words: str) -> Dict[str, Any]:
    answer = dnf.plugin(root, "manifest", name, *words, "--json")
    assert answer.status == 0, answer.text
    found: Dict[str, Any] = answer.json["plugins"][0]
    return found


def told_files(dnf: Dnf, root: Path, name: str) -> Set[str]:
    """Return the paths in a manifest, with links in their folders resolved."""
    relative = Relative(root)
    return {f"/{relative(one['path'])}" for one in manifest(dnf, root, name, "--files")["files"]}


def settings_in(found: List[Dict[str, str]]) -> List[Tuple[str, ...]]:
    return sorted((one["kind"], one["key"], one["value"]) for one in found)


def words_for(bundle: Path) -> List[object]:
    extra = ["--enablerepo=tworepos-extra"] if "tworepos" in bundle.name else []
    return [bundle, *extra]


def agree(plan: Dict[str, Any], made: Dict[str, Any]) -> None:
    """Hold a plan of one plugin against the manifest of what was done."""
    (plugin,) = plan["plugins"]
    operation = made["operations"][-1]
    coming = {one["nevra"]: one for one in plan["packages"] if one["action"] != "remove"}
    assert sorted(coming) == sorted(operation["packages_added"])
    assert sorted(plugin["packages"]) == sorted(one["nevra"] for one in made["packages"])
    for package in made["packages"]:
        if package["nevra"] in coming:
            assert coming[package["nevra"]]["files"] == package["files"]
    for action in ("on", "again", "off"):
        assert settings_in([one for one in plugin["settings"] if one["action"] == action]) == \
            settings_in(operation[f"settings_{action}"])


def lasting(plan: Dict[str, Any]) -> Dict[str, Any]:
    """Return a plan without what is another thing when it is carried out: the disk moves on."""
    return {**plan, "done": None, "space": plan["space"]["needed_bytes"], "notes": [
        note for note in plan["notes"] if not note.startswith("Scriptlets ")]}


def in_the_tree(before: Dict[str, Any], after: Dict[str, Any]) -> Set[str]:
    """Return every path that is new, gone or another one, but for the registry and folders."""
    paths = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    return {f"/{path}" for path in paths if not path.startswith(OWN_BOOKS) and path not in (
        "etc", ".") and not (path in before and path in after
                             and str(after[path][0]).startswith("d"))}


@pytest.mark.parametrize("name", PLUGINS)
def test_what_is_done_is_what_the_plan_said(name: str, built: support.Fixtures, node: Path,
                                            dnf: Dnf) -> None:
    before = tree_state(node)
    words = words_for(built.bundle(name))
    plan = planned(dnf, node, *words)
    assert tree_state(node) == before
    answer = dnf.plugin(node, "install", *words, "-y", "--trust-keys", "--json")
    assert answer.status == 0, answer.text
    assert lasting(answer.json) == lasting(plan)
    agree(plan, manifest(dnf, node, name))
    assert in_the_tree(before, tree_state(node)) - told_files(dnf, node, name) == set()


@pytest.mark.main_job
def test_a_plugin_with_many_kinds_of_setting_does_what_the_plan_said(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "x", settings=MANY, files=FILES)
    before = tree_state(node)
    plan = planned(dnf, node, bundle, UNSIGNED)
    kinds = {one["kind"] for one in plan["plugins"][0]["settings"]}
    assert {"service", "kernel-module", "sysctl", "group", "user", "group-member",
            "kernel-argument", "tmpfiles", "persistent-path", "leave-out"} <= kinds
    answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED)
    assert answer.status == 0, answer.text
    made = manifest(dnf, node, "x")
    agree(plan, made)
    assert {(one["kind"], one["name"]) for one in made["accounts"]} >= {
        ("user", "acme"), ("group", "acme")}
    assert in_the_tree(before, tree_state(node)) - told_files(dnf, node, "x") == set()


def test_an_upgrade_and_a_repair_do_what_their_plans_said(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    first, second = built.bundle("agent", "1.0"), built.bundle("agent", "1.1")
    assert dnf.plugin(node, "install", first, "-y", "--trust-keys").status == 0
    plan = planned(dnf, node, second)
    assert plan["plugins"][0]["action"] == "upgrade"
    assert dnf.plugin(node, "install", second, "-y", "--trust-keys").status == 0
    agree(plan, manifest(dnf, node, "agent"))


def test_a_plan_names_signers_shares_and_room(built: support.Fixtures, node: Path,
                                              dnf: Dnf) -> None:
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


def test_a_plan_of_unsigned_packages_says_so(node: Path, dnf: Dnf, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "x", files=FILES)
    shown = dnf.plugin(node, "install", bundle, UNSIGNED, "--dry-run")
    assert "Not signed: x-1.0-1.noarch" in shown.out
    assert "3 files: 1 in /opt/x, 1 in /usr/lib, 1 in /usr/share" in shown.out


def test_the_plan_is_of_the_packages_and_not_of_what_the_repository_says(
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


def test_info_of_a_bundle_has_the_plan_or_the_reason_why_there_is_none(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "info", built.bundle("snmp"), built.bundle("needs-libvirt"),
                        "--json")
    fits, not_here = answer.json["plugins"]
    plan = planned(dnf, node, built.bundle("snmp"))
    assert fits["plan"]["plugins"] == plan["plugins"] and fits["refused"] == ""
    assert not_here["plan"] is None and "needs newer core packages" in not_here["refused"]


WANTED = '<sysctl name="net.core.somaxconn" value="4096"/>', '<group name="acme"/>'
STAYING = [("group", "acme"), ("sysctl", "net.core.somaxconn")]


def keys_of(plugin: Dict[str, Any], action: str) -> List[Tuple[str, str]]:
    return sorted((one["kind"], one["key"]) for one in plugin["settings"]
                  if one["action"] == action)


def sharing_plugins(dnf: Dnf, root: Path, folder: Path) -> None:
    """Install x, with a setting of its own, and y, which share WANTED."""
    own = '<sysctl name="net.core.somaxconn6" value="1"/>'
    for bundle in (make_plugin(folder, "x", settings=[*WANTED, own], files={"/opt/x/file": "x"}),
                   make_plugin(folder, "y", settings=WANTED, files={"/opt/y/file": "y"})):
        answer = dnf.plugin(root, "install", bundle, "-y", UNSIGNED)
        assert answer.status == 0, answer.text


def test_a_removal_takes_away_what_its_plan_said_and_shared_settings_stay(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    sharing_plugins(dnf, node, tmp_path)
    answer = dnf.plugin(node, "remove", "x", "--dry-run", "--json")
    (plugin,) = answer.json["plugins"]
    assert keys_of(plugin, "stays") == STAYING
    assert "sysctl net.core.somaxconn (4096) stays: plugin y has it too" in [
        one["text"] for one in plugin["settings"]]
    assert keys_of(plugin, "off") == [("sysctl", "net.core.somaxconn6")]
    done = dnf.plugin(node, "remove", "x", "-y", "--json")
    assert done.status == 0 and done.json["plugins"] == answer.json["plugins"]
    (delta,) = done.json["deltas"]
    assert settings_in(delta["settings"]["off"]) == settings_in(
        [one for one in plugin["settings"] if one["action"] == "off"])
    answer = dnf.plugin(node, "remove", "y", "--dry-run", "--json")
    assert keys_of(answer.json["plugins"][0], "off") == STAYING
    assert "acme" in (node / "etc/group").read_text()


def test_an_upgrade_that_drops_shared_settings_leaves_them_as_its_plan_said(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    sharing_plugins(dnf, node, tmp_path)
    bundle = make_plugin(tmp_path, "x", "1.1", files={"/opt/x/file": "x"})
    before = tree_state(node)
    plan = planned(dnf, node, bundle, UNSIGNED)
    (plugin,) = plan["plugins"]
    assert keys_of(plugin, "stays") == STAYING
    assert keys_of(plugin, "off") == [("sysctl", "net.core.somaxconn6")]
    assert dnf.plugin(node, "install", bundle, "-y", UNSIGNED).status == 0
    agree(plan, manifest(dnf, node, "x"))
    gone = {one["path"] for one in manifest(dnf, node, "x", "--delta")["delta"]["files"][
        "removed"]}
    after = tree_state(node)
    assert {path for path in gone if path[1:] in after} == set()
    assert {f"/{path}" for path in before if path not in after} <= gone
    assert dnf.plugin(node, "verify").status == 0
