"""A removed plugin leaves no trace: complete trees before and after are equal."""
from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence, Tuple

import pytest

from ovirt_node_plugin.system.path_sets import FACTORY_ETC, FACTORY_REGISTRY, REGISTRIES
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.tree_states import State, state_differences, tree_state

pytestmark = [pytest.mark.root]

PLUGINS = ("agent", "cim", "isv-module-foo", "share-a", "snmp", "storage", "tworepos",
           "vdsm-hook-nested")
OUTSIDE = "../../../../../../../../../outside"


def install(dnf: Dnf, root: Path, *bundles: Path) -> Answer:
    extra = ["--enablerepo=tworepos-extra" for bundle in bundles if "tworepos" in bundle.name]
    return succeeded(dnf.plugin(root, "install", "-y", "--trust-keys", *extra, *bundles))


def remove(dnf: Dnf, root: Path, *names: str) -> Answer:
    return succeeded(dnf.plugin(root, "remove", "-y", *names))


def packages(root: Path) -> List[str]:
    output = subprocess.run(
        ["rpm", "--root", str(root), "--dbpath", "/usr/share/rpm", "-qa"],
        check=True, capture_output=True, text=True).stdout
    return sorted(line for line in output.splitlines() if not line.startswith("gpg-pubkey"))


def tree_and_packages(root: Path) -> Tuple[State, List[str]]:
    return tree_state(root), packages(root)


def assert_same(before: Tuple[State, List[str]], root: Path) -> None:
    after = tree_and_packages(root)
    assert state_differences(before[0], after[0]) == []
    assert before[1] == after[1]


@pytest.mark.main_job
@pytest.mark.parametrize("name", PLUGINS)
def test_a_removed_plugin_leaves_no_changes(dnf: Dnf, node: Path, built: support.Fixtures,
                                            name: str) -> None:
    before = tree_and_packages(node)
    install(dnf, node, built.bundle(name))
    assert tree_and_packages(node)[1] != before[1]
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, name)
    assert_same(before, node)


@pytest.mark.slow
def test_all_plugins_removed_in_another_order_leave_no_changes(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    before = tree_and_packages(node)
    install(dnf, node, *(built.bundle(name) for name in PLUGINS))
    for names in (PLUGINS[4:5], PLUGINS[:1], PLUGINS[5:], PLUGINS[1:4]):
        remove(dnf, node, *names)
        succeeded(dnf.plugin(node, "verify"))
    assert_same(before, node)


@pytest.mark.parametrize(("first", "second"), [
    ("cim", "snmp"), ("share-a", "share-b"), ("storage", "vdsm-hook-nested")])
@pytest.mark.parametrize("reverse", [False, True])
def test_removing_one_of_two_plugins_leaves_the_other_complete(
        dnf: Dnf, node: Path, built: support.Fixtures, first: str, second: str,
        reverse: bool) -> None:
    before = tree_and_packages(node)
    install(dnf, node, built.bundle(first))
    install(dnf, node, built.bundle(second))
    removed, remaining = (second, first) if reverse else (first, second)
    remove(dnf, node, removed)
    succeeded(dnf.plugin(node, "verify"))
    only_remaining = tree_and_packages(node)
    remove(dnf, node, remaining)
    assert_same(before, node)
    install(dnf, node, built.bundle(remaining))
    assert tree_and_packages(node)[1] == only_remaining[1]
    assert [line for line in state_differences(only_remaining[0], tree_and_packages(node)[0])
            if not any(part in line for part in REGISTRIES)] == []  # they contain times


def test_scriptlet_effects_of_plugins_installed_together_stay_until_the_last_is_removed(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    before = tree_and_packages(node)
    install(dnf, node, built.bundle("snmp"), built.bundle("cim"))
    remove(dnf, node, "snmp")
    assert "cim:" in (node / "etc/passwd").read_text()
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, "cim")
    assert_same(before, node)


@pytest.mark.main_job
def test_an_upgrade_and_a_removal_leave_no_changes(dnf: Dnf, node: Path,
                                                   built: support.Fixtures) -> None:
    before = tree_and_packages(node)
    install(dnf, node, built.bundle("agent", "1.0"))
    hook = node / "usr/libexec/vdsm/hooks/before_vm_start/40_agent"
    info_before = os.stat(hook)
    options = list((node / "etc/modprobe.d").glob("*agent*"))
    assert len(options) == 1
    answer = install(dnf, node, built.bundle("agent", "1.1"))
    assert " Upgrading agent 1.0 -> 1.1" in answer.text
    assert "Upgraded plugin agent 1.1." in answer.text
    assert not options[0].exists()
    assert (node / "etc/systemd/system/multi-user.target.wants/acme-agent.service").is_symlink()
    info_after = os.stat(hook)
    assert (info_after.st_ino, info_after.st_mtime_ns) == (info_before.st_ino,
                                                           info_before.st_mtime_ns)
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, "agent")
    assert_same(before, node)


def test_unowned_files_that_a_package_replaced_are_restored_at_removal(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "taker", files={
        "/etc/taker.conf": "new", "/opt/taker/": "", "/opt/taker/data": "new",
        "/usr/share/taker/deep/file": "new"})
    (node / "etc/taker.conf").write_text("old")
    (node / "etc/taker.conf").chmod(0o600)
    (node / "opt/taker").mkdir(parents=True, mode=0o700)
    (node / "opt/taker/data").write_text("old data")
    os.chown(node / "opt/taker", 12, 34)
    before = tree_and_packages(node)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert (node / "etc/taker.conf").read_text() == "new\n"
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, "taker")
    assert_same(before, node)


def test_changes_by_scriptlets_are_undone_at_removal(dnf: Dnf, node: Path, tmp_path: Path) -> None:
    shell = """[ $1 -eq 1 ] || exit 0
        echo "maker:x:990:990::/:/sbin/nologin" >> /etc/passwd
        mkdir -p /opt/maker/cache/deep /var/lib/maker /srv/maker
        echo x > /opt/maker/cache/deep/x; echo x > /var/lib/maker/state
        ln -s /opt/maker/data /usr/bin/maker
        dd if=/dev/zero of=/opt/maker/huge bs=1 count=1 seek=268435455
        echo x > "/srv/maker/line
feed"; mknod /srv/maker/node c 1 3; chmod 0700 /etc/multipath"""
    os.mknod(node / "dev/zero", 0o20666, os.makedev(1, 5))
    bundle = make_plugin(tmp_path, "maker", requires="busybox", scriptlets={"post": shell},
                         files={"/opt/maker/data": "x"})
    (node / "etc/multipath").mkdir(exist_ok=True)
    before = tree_and_packages(node)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert (node / "usr/bin/maker").is_symlink() and (node / "opt/maker/huge").exists()
    succeeded(dnf.plugin(node, "verify"))
    remove(dnf, node, "maker")
    assert_same(before, node)


@pytest.mark.main_job
def test_a_package_that_another_package_needs_stays_and_is_reported(
        dnf: Dnf, node: Path, built: support.Fixtures, tmp_path: Path) -> None:
    dnf.configure(bind_all="no")
    install(dnf, node, built.bundle("share-a"))
    user = support.quick_rpm("user", "1", requires="libshare.so.1()(64bit)")
    succeeded(dnf(node, "install", "-y", UNSIGNED, "--disablerepo=*", user))
    answer = remove(dnf, node, "share-a")
    assert "libshare-1.0-1.noarch stays: user-1-1.noarch needs it." in answer.text
    assert "libshare-1.0-1" in " ".join(packages(node))
    assert "share-a" not in " ".join(packages(node))


def test_a_modified_file_refuses_the_removal_unless_keep_modified_is_given(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    install(dnf, node, built.bundle("agent"))
    path = next((node / "etc/modprobe.d").glob("*agent*"))
    path.write_text("options loop max_loop=8\n")
    answer = dnf.plugin(node, "verify")
    assert answer.status == 9 and f"/etc/modprobe.d/{path.name} was changed" in answer.text
    before = tree_and_packages(node)
    answer = dnf.plugin(node, "remove", "-y", "agent")
    assert answer.status == 6 and f"/etc/modprobe.d/{path.name}" in answer.text
    assert "--keep-modified" in answer.text
    assert_same(before, node)
    answer = succeeded(dnf.plugin(node, "remove", "-y", "--keep-modified", "agent"))
    assert f"/etc/modprobe.d/{path.name} is left as it is" in answer.text
    assert path.read_text() == "options loop max_loop=8\n"


def test_settings_written_through_symbolic_links_are_undone_at_removal(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    shutil.rmtree(node / "etc/modules-load.d", ignore_errors=True)
    (node / "usr/lib/elsewhere").mkdir()
    os.symlink("/usr/lib/elsewhere", node / "etc/modules-load.d")
    bundle = make_plugin(tmp_path, "linked", files={"/opt/linked/data": "x"},
                         settings=['<kernel-module name="loop" load="yes"/>'])
    before = tree_and_packages(node)
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert len(list((node / "usr/lib/elsewhere").iterdir())) == 1
    remove(dnf, node, "linked")
    assert_same(before, node)


@pytest.mark.parametrize(("folder", "link"), [
    ("etc/ovirt.plugins.d", "/"), ("etc/ovirt.plugins-manifests.d", OUTSIDE),
    ("usr/lib/ovirt.plugins.d", "/"), ("usr/lib/ovirt.plugins-manifests.d", OUTSIDE),
    (FACTORY_REGISTRY, "/"), (FACTORY_ETC, OUTSIDE),
    ("var/lib/ovirt-node-plugin", "/"), ("var/lib/ovirt-node-plugin", OUTSIDE),
    ("etc/modules-load.d", "/"), ("etc/modules-load.d", OUTSIDE),
    ("usr/libexec/vdsm/hooks/before_vm_start", OUTSIDE)])
def test_symbolic_links_in_place_of_folders_change_nothing_outside_the_root(
        dnf: Dnf, node: Path, built: support.Fixtures, folder: str, link: str) -> None:
    outside = Path("/outside")
    assert not outside.exists()
    shutil.rmtree(node / folder, ignore_errors=True)
    os.symlink(link, node / folder)
    before = tree_and_packages(node)
    bundle = built.bundle("isv-module-foo" if "modules" in folder else "agent")
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", bundle)
    assert not outside.exists()
    assert "Traceback" not in answer.text and "internal error" not in answer.text, answer.text
    if answer.status == 0:
        remove(dnf, node, bundle.name.rpartition("-")[0])
    assert_same(before, node)


def test_packages_with_files_in_the_registry_or_the_journal_are_refused(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_and_packages(node)
    for number, path in enumerate((
            "/etc/ovirt.plugins.d/other", "/etc/ovirt.plugins-manifests.d/other.xml",
            "/usr/lib/ovirt.plugins.d/other", "/usr/lib/ovirt.plugins-manifests.d/other.xml",
            f"/{FACTORY_REGISTRY}/other", f"/{FACTORY_ETC}/other",
            "/var/lib/ovirt-node-plugin/journal/journal.json", "/usr/share/rpm/rpmdb.sqlite-wal",
            "/var/lib/rpm/x")):
        bundle = make_plugin(tmp_path, f"evil{number}", files={path: "evil"})
        answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
        assert answer.status == 6 and path in answer.text, answer.text
    assert_same(before, node)


def test_three_plugins_removed_in_different_orders_leave_no_changes(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    """The plugins have files in one folder that only they create, and append to one file."""
    bundles = [make_plugin(
        tmp_path, name, requires="busybox",
        files={f"/etc/common.d/{name}": "x", f"/opt/{name}/hook": "#!/bin/sh\n"},
        scriptlets={"post": f"echo {name} >> /etc/common.list",
                    "postun": "echo gone >> /etc/common.list; true"},
        settings=[f'<vdsm-hook point="after_vm_start" order="50" name="{name}"'
                  f' source="/opt/{name}/hook"/>']) for name in ("one", "two", "three")]
    orders: Sequence[Tuple[str, ...]] = list(itertools.permutations(("one", "two", "three")))[1::3]
    before = tree_and_packages(node)
    for order in orders:
        for bundle in bundles:
            succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
        for name in order:
            remove(dnf, node, name)
        assert_same(before, node)
