"""The main job: install, list, verify, upgrade and remove plugins with the real dnf."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, add_to_shipped_library, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root, pytest.mark.main_job]


def transactions(dnf: Dnf, root: Path) -> List[str]:
    """Return the lines of dnf's history, the newest first."""
    lines = dnf(root, "history", "list").out.splitlines()
    return [line for line in lines if line[:6].strip().isdigit()]


def listed(dnf: Dnf, root: Path, *words: str) -> List[str]:
    answer = succeeded(dnf.plugin(root, "list", "--json", *words))
    return [f"{plugin['name']} {plugin['version']} {plugin['state']}"
            for plugin in answer.json["plugins"]]


@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz", "tar.xz", "tar.zst"])
def test_a_bundle_is_installed_from_a_path(
        dnf: Dnf, node: Path, built: support.Fixtures, form: str) -> None:
    if form == "tar.zst" and shutil.which("zstd") is None:
        pytest.fail("zstd is missing")
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("snmp", form=form)))
    assert listed(dnf, node) == ["snmp 1.0 installed"]
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "-y", "snmp"))
    assert listed(dnf, node) == []


def test_a_plugin_is_installed_by_name_from_the_library(dnf: Dnf, node: Path,
                                                        built: support.Fixtures) -> None:
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    assert listed(dnf, node, "--available") == ["cim 1.0 available"]
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", "cim"))
    assert listed(dnf, node, "--all") == ["cim 1.0 installed"]
    assert (node / "etc/systemd/system/multi-user.target.wants/sblim-sfcb.service").is_symlink()


def test_a_plugin_is_installed_from_the_metadata_of_a_repository(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    shutil.copy2(built.repo("storage") / "storage.repo", node / "etc/yum.repos.d")
    assert dnf.plugin(node, "install", "-y", "storage").status == 2  # its repo is off
    succeeded(dnf.plugin(node, "install", "-y", "storage", "--enablerepo=storage"))
    assert listed(dnf, node) == ["storage 1.0 installed"]
    succeeded(dnf.plugin(node, "verify"))


def test_a_path_precedes_the_library_which_precedes_metadata(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    newer = built.repo("agent", "1.1")
    (node / "etc/yum.repos.d/vendor.repo").write_text(
        support.repo_file("vendor", f"file://{newer}", key=built.key))

    def version(plugin: object) -> str:
        answer = succeeded(dnf.plugin(node, "install", "--dry-run", "--json", plugin,
                                      "--enablerepo=vendor"))
        return str(answer.json["plugins"][0]["version"])
    assert version("agent") == "1.1"
    add_to_shipped_library(dnf, built.bundle("agent", "1.0"), "agent")
    assert version("agent") == "1.0"
    assert version(built.bundle("agent", "1.1")) == "1.1"


def test_several_plugins_are_changed_in_one_dnf_transaction(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    before = len(transactions(dnf, node))
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys",
                         *(built.bundle(name) for name in ("cim", "snmp", "storage"))))
    lines = transactions(dnf, node)
    assert len(lines) == before + 1
    assert listed(dnf, node) == ["cim 1.0 installed", "snmp 1.0 installed",
                                 "storage 1.0 installed"]
    succeeded(dnf.plugin(node, "remove", "-y", "cim", "snmp", "storage"))
    assert len(transactions(dnf, node)) == before + 2


def test_dnf_records_packages_as_user_installed_or_dependency(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("snmp")))
    info = succeeded(dnf(node, "history", "info", "last")).out
    reasons = {line.split()[1].rsplit("-", 2)[0]: line.split()[0]
               for line in info.splitlines() if "net-snmp" in line and "Install" in line}
    assert set(reasons) == {"net-snmp", "net-snmp-utils", "net-snmp-libs"}
    user_installed = succeeded(dnf(node, "repoquery", "--userinstalled", "--qf",
                                   "%{name}")).out.split()
    assert "net-snmp" in user_installed and "net-snmp-libs" not in user_installed


@pytest.mark.parametrize("option", ["--assumeno", "--dry-run"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_plan_is_shown_and_nothing_is_changed(
        dnf: Dnf, node: Path, built: support.Fixtures, option: str, as_json: bool) -> None:
    before = tree_state(node)
    words = ["install", option, built.bundle("cim"), built.bundle("agent")]
    answer = dnf.plugin(node, *words, *(["--json"] if as_json else []))
    assert answer.status == (1 if option == "--assumeno" else 0), answer.text
    assert state_differences(before, tree_state(node)) == []
    if as_json:
        assert [plugin["name"] for plugin in answer.json["plugins"]] == ["cim", "agent"]
        assert {package["name"] for package in answer.json["packages"]} == {
            "acme-agent", "libvirt-cim", "sblim-sfcb"}
    else:
        for text in (" Installing cim 1.0", "enable service sblim-sfcb.service",
                     " sblim-sfcb ", "Install  3 Packages", " Installing agent 1.0",
                     "set options of kernel module loop: max_loop=64"):
            assert text in answer.text, answer.text


def test_standard_output_has_only_the_json_answer(dnf: Dnf, node: Path,
                                                  built: support.Fixtures) -> None:
    path = built.bundle("cim")
    assert dnf.plugin(node, "install", "-y", "--json", "--trust-keys", path).json["done"] is True
    assert dnf.plugin(node, "install", "-y", "--json", path).json["changes"] is False
    assert dnf.plugin(node, "verify", "--json").json["ok"] is True
    assert dnf.plugin(node, "install", "--json", "-y", "nothing").json["error"]["status"] == 2
    assert dnf.plugin(node, "install", "--json", "--assumeno", built.bundle("agent")).json
    assert dnf.plugin(node, "remove", "-y", "--json", "cim").json["done"] is True


def test_the_answer_no_to_the_question_changes_nothing(dnf: Dnf, node: Path,
                                                       built: support.Fixtures) -> None:
    before = tree_state(node)
    answer = dnf.plugin(node, "install", built.bundle("cim"), stdin="n\n")
    assert answer.status == 1 and "Operation aborted" in answer.text
    assert state_differences(before, tree_state(node)) == []
    succeeded(dnf.plugin(node, "install", "--trust-keys", built.bundle("cim"), stdin="y\n"))


def test_installing_an_installed_plugin_succeeds_and_changes_nothing(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("cim")))
    before, history = tree_state(node), transactions(dnf, node)
    answer = succeeded(dnf.plugin(node, "install", "-y", built.bundle("cim")))
    assert "Plugin cim 1.0 is already installed." in answer.text
    assert state_differences(before, tree_state(node)) == []
    assert transactions(dnf, node) == history


def test_a_newer_version_is_an_upgrade_and_an_older_one_is_refused(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("agent", "1.0")))
    answer = succeeded(dnf.plugin(node, "install", "-y", built.bundle("agent", "1.1")))
    assert " Upgrading agent 1.0 -> 1.1" in answer.text
    assert "undo kernel-module loop:options" in answer.text
    assert "enable service acme-agent.service" in answer.text
    assert listed(dnf, node) == ["agent 1.1 installed"]
    succeeded(dnf.plugin(node, "verify"))
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", built.bundle("agent", "1.0"))
    assert answer.status == 2 and "1.0 is older" in answer.text
    assert state_differences(before, tree_state(node)) == []


def test_upgrade_finds_the_newest_version_in_the_sources(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("agent", "1.0")))
    assert "Nothing to do" in succeeded(dnf.plugin(node, "upgrade", "-y")).text
    add_to_shipped_library(dnf, built.bundle("agent", "1.1"), "agent")
    succeeded(dnf.plugin(node, "upgrade", "-y", "agent"))
    assert listed(dnf, node) == ["agent 1.1 installed"]
    succeeded(dnf.plugin(node, "verify"))
    assert "Nothing to do" in succeeded(dnf.plugin(node, "upgrade", "-y")).text


def test_a_package_of_two_plugins_stays_until_the_last_is_removed(
        dnf: Dnf, node: Path, built: support.Fixtures) -> None:
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("share-a")))
    succeeded(dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("share-b")))
    answer = succeeded(dnf.plugin(node, "remove", "-y", "share-a"))
    assert "libshare-1.0-1.noarch stays: plugin share-b needs it." in answer.text
    assert (node / "opt/example/lib/libshare.so.1").exists()
    succeeded(dnf.plugin(node, "verify"))
    succeeded(dnf.plugin(node, "remove", "-y", "share-b"))
    assert not (node / "opt/example").exists()


def test_a_plugin_is_installed_on_and_removed_from_a_host(dnf: Dnf, host: Path,
                                                          built: support.Fixtures) -> None:
    before = tree_state(host)
    succeeded(dnf.plugin(host, "install", "-y", "--trust-keys", built.bundle("snmp")))
    assert listed(dnf, host) == ["snmp 1.0 installed"]
    succeeded(dnf.plugin(host, "verify"))
    succeeded(dnf.plugin(host, "remove", "-y", "snmp"))
    lines = state_differences(before, tree_state(host))
    assert [line for line in lines if "/lib/dnf" not in line] == []


def test_unsigned_packages_are_refused(
        dnf: Dnf, node: Path, built: support.Fixtures, tmp_path: Path) -> None:
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("unsigned"))
    assert answer.status == 6 and "is not signed" in answer.text
    assert state_differences(before, tree_state(node)) == []


def test_plugins_without_and_with_settings_verify_after_each_step(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    plain = make_plugin(tmp_path, "plain", files={"/opt/plain/data": "x"})
    rich = make_plugin(
        tmp_path, "rich", requires="systemd vdsm",
        files={"/opt/rich/hook": "#!/bin/sh\n",
               "/usr/lib/systemd/system/rich.service":
                   "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
               "/usr/lib/systemd/system/poor.service": "[Service]\nExecStart=/bin/true\n"},
        settings=['<service name="rich.service" state="enabled"/>',
                  '<service name="poor.service" state="masked"/>',
                  '<kernel-module name="rich_mod" load="yes" options="a=1"/>',
                  '<kernel-module name="poor_mod" blacklist="yes"/>',
                  '<vdsm-hook point="before_vm_start" order="05" name="rich"'
                  ' source="/opt/rich/hook"/>'])
    for bundle in (plain, rich):
        succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
        succeeded(dnf.plugin(node, "verify"))
    for name in ("plain", "rich"):
        succeeded(dnf.plugin(node, "remove", "-y", name))
        succeeded(dnf.plugin(node, "verify"))


def test_a_hook_that_cannot_be_started_is_rolled_back_or_reported(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    hook = '<vdsm-hook point="{0}" order="50" name="x" source="/opt/{0}/hook"/>'
    fatal, harmless = (
        make_plugin(tmp_path, point.replace("_", "-"), settings=[hook.format(point)],
                    files={f"/opt/{point}/hook": "#!/usr/bin/env python2\n"})
        for point in ("before_vm_start", "after_vm_start"))
    before = tree_state(node)
    refused = dnf.plugin(node, "install", "-y", UNSIGNED, fatal)
    assert refused.status == 8 and "every vm_start would fail: its interpreter python2" in (
        refused.err)
    assert state_differences(before, tree_state(node)) == []
    reported = succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, harmless))
    assert "Note: VDSM cannot start the hook after_vm_start/50_x" in reported.err
