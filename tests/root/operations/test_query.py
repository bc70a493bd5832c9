"""The output of list, info, verify, repos, add and drop, as text and as JSON."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.registry import store
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import (
    Answer,
    Dnf,
    add_to_shipped_library,
    environment,
    succeeded,
)
from tests.support.repositories import define_repo, installed, web_server

pytestmark = pytest.mark.root

SYSCTL = '<sysctl name="vm.swappiness" value="7"/>'


@pytest.fixture
def with_snmp(built: support.Fixtures, node: Path, dnf: Dnf) -> Path:
    """A node with the plugin snmp."""
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    return node


def on_80_columns(dnf: Dnf, root: Path, *words: object) -> Answer:
    """Run ``dnf node-plugin`` on a terminal of 80 columns."""
    argv = ["env", "COLUMNS=80", *dnf.argv(root, "node-plugin", *words)]
    return dnf.run(argv)


def test_list_shows_installed_plugins(with_snmp: Path, dnf: Dnf) -> None:
    for words in (["list"], ["list", "--installed"], ["-q", "list"], ["list", "snmp"]):
        lines = dnf.plugin(with_snmp, *words).out.splitlines()
        assert lines[0] == "Installed Plugins"
        assert lines[1].split()[:2] == ["snmp", "1.0"]
        assert len(lines) == 2


def test_list_shows_the_newest_available_version(built: support.Fixtures, with_snmp: Path,
                                                 dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    for version in ("1.0", "1.1"):
        define_repo(with_snmp, f"agent-{version}", f"file://{built.repo('agent', version)}")
    answer = dnf.plugin(with_snmp, "list", "--available", "--enablerepo=agent-*")
    rows = [line.split()[:2] for line in answer.out.splitlines() if "B/s" not in line]
    assert rows == [["Available", "Plugins"], ["agent", "1.1"], ["cim", "1.0"], ["snmp", "1.0"]]
    answer = dnf.plugin(with_snmp, "list", "--all")
    rows = [line.split()[:2] for line in answer.out.splitlines()]
    assert rows == [["Installed", "Plugins"], ["snmp", "1.0"],
                    ["Available", "Plugins"], ["cim", "1.0"]]


def test_list_and_info_tell_what_an_installed_plugin_is_and_what_upgrades_it(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    def shared(version: str) -> Path:
        return make_plugin(tmp_path, "one", version, settings=[SYSCTL])
    other = make_plugin(tmp_path, "two", settings=[SYSCTL])
    succeeded(dnf.plugin(node, "install", shared("1.0"), other, "-y", UNSIGNED))
    add_to_shipped_library(dnf, shared("1.1"), "one")
    (listed,) = [row for row in dnf.plugin(node, "list", "--json").json["plugins"]
                 if row["name"] == "one"]
    recorded = store.read_record(node, "one")
    assert (listed["installed_at"], listed["trust"], listed["upgrades"]) == (
        recorded.installed_at, "unsigned", "")
    available = dnf.plugin(node, "list", "--available", "--json").json["plugins"]
    assert [(row["version"], row["installed_at"], row["trust"], row["upgrades"])
            for row in available] == [("1.1", "", "", "1.0")]
    shares = [{"kind": "sysctl", "name": "vm.swappiness", "plugins": ["two"]}]
    for word, offered in (("one", ("1.1", "", "1.0")), (shared("0.9"), ("0.9", "", ""))):
        told = dnf.plugin(node, "info", "--json", UNSIGNED, word).json["plugins"]
        assert [(row["version"], row["trust"], row["upgrades"]) for row in told] == [
            ("1.0", "unsigned", ""), offered]
        assert told[0]["shares"] == shares


def test_manifest_tells_of_packages_why_they_are_there_and_who_signed_them(
        with_snmp: Path, dnf: Dnf) -> None:
    (plugin,) = dnf.plugin(with_snmp, "manifest", "snmp", "--packages", "--json").json["plugins"]
    packages = {package.nevra: package for package in store.read_record(
        with_snmp, "snmp").packages}
    for row in plugin["packages"]:
        package = packages[row["nevra"]]
        assert (row["repo"], row["signer"], row["checked"]) == (
            package.repo, package.signer, package.checked)
        assert (row["reason"], row["checksum"]) == (package.reason, package.checksum)
        assert row["checked"] and row["fingerprint"].endswith(row["signer"]) and row["owner"]


def test_list_shows_a_broken_plugin_and_the_reason(with_snmp: Path, dnf: Dnf) -> None:
    dnf.configure(node_policy="plugins")
    assert dnf(with_snmp, "remove", "-y", "net-snmp-utils").status == 0
    dnf.configure()
    (with_snmp / "usr/lib/ovirt.plugins.d/other").write_text("<no record")
    answer = dnf.plugin(with_snmp, "list")
    assert answer.status == 0
    assert ("snmp is broken: package net-snmp-utils-1:5.9.1-11.el9.x86_64 is not installed"
            in answer.out)
    assert "other is broken: " in answer.out
    states = {row["name"]: row["state"]
              for row in dnf.plugin(with_snmp, "list", "--json").json["plugins"]}
    assert states == {"other": "broken", "snmp": "broken"}
    assert dnf.plugin(with_snmp, "verify").status == 9


def test_list_shows_an_invalid_bundle_of_the_library_as_broken(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    bundle = add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    (bundle / "node-plugin.xml").write_text("<x")
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    answer = dnf.plugin(node, "list", "--available")
    assert answer.status == 0, answer.text
    assert "snmp  1.0" in answer.out and "cim is broken: " in answer.out


def test_info_describes_a_bundle_that_is_not_installed(built: support.Fixtures, node: Path,
                                                       dnf: Dnf) -> None:
    before = installed(node)
    out = dnf.plugin(node, "info", built.bundle("snmp", form="tar.xz")).out
    for line in ("Name         : snmp", "Version      : 1.0", "State        : available",
                 "Needs        : oVirt Node >= 4.5.5", "Repos        : snmp",
                 "Packages     : net-snmp", "             : net-snmp-utils",
                 "URL          : https://example.com/snmp",
                 "Installing it here would do this:", "   enable service snmpd.service"):
        assert line in out.splitlines()
    assert installed(node) == before


def test_info_describes_an_installed_plugin_from_its_record(with_snmp: Path, dnf: Dnf) -> None:
    out = dnf.plugin(with_snmp, "info", "snmp").out
    assert "State        : installed" in out
    assert "             : net-snmp-1:5.9.1-11.el9.x86_64" in out or (
        "Packages     : net-snmp-1:5.9.1-11.el9.x86_64" in out)
    assert "snmpd.service" in out
    plugins = dnf.plugin(with_snmp, "info", "snmp", "--json").json["plugins"]
    assert [plugin["name"] for plugin in plugins] == ["snmp"]
    assert plugins[0]["installed_at"].endswith("Z")


def test_info_finds_names_in_library_and_repos(built: support.Fixtures, node: Path,
                                               dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    define_repo(node, "snmp", f"file://{built.repo('snmp')}")
    answer = dnf.plugin(node, "info", "cim", "snmp", "--enablerepo=snmp", "--json")
    assert [plugin["name"] for plugin in answer.json["plugins"]] == ["cim", "snmp"]


def test_info_says_that_the_plan_is_an_estimate_without_the_packages(
        built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> None:
    with web_server(Path(built.repo("snmp"))) as web:
        define_repo(node, "snmp", web.url)
        options = ("--enablerepo=snmp", "--nogpgcheck")
        text = succeeded(dnf.plugin(node, "info", "snmp", *options)).out
        assert "This is an estimate, as packages are not downloaded: net-snmp" in " ".join(
            text.split())
        answer = dnf.plugin(node, "install", "snmp", "--dry-run", *options)
        assert "estimate" not in succeeded(answer).out


def test_verify_reports_changed_files_and_settings(with_snmp: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(with_snmp, "verify")
    assert (answer.status, answer.out) == (0, "snmp 1.0: ok\n")
    (with_snmp / "usr/bin/snmpget").write_text("altered")
    (with_snmp / "etc/systemd/system/multi-user.target.wants/snmpd.service").unlink()
    answer = dnf.plugin(with_snmp, "verify", "snmp")
    assert answer.status == 9
    assert "/usr/bin/snmpget" in answer.out and "snmpd.service" in answer.out
    data = dnf.plugin(with_snmp, "verify", "--json")
    assert data.status == 9
    assert data.json["ok"] is False
    assert len(data.json["plugins"][0]["problems"]) == 2


def test_list_and_verify_say_that_there_are_no_plugins(node: Path, dnf: Dnf) -> None:
    assert dnf.plugin(node, "list").out == "No plugins.\n"
    assert dnf.plugin(node, "verify").out == "No plugins are installed.\n"
    assert dnf.plugin(node, "list", "--json").json["plugins"] == []


def test_add_and_drop_change_only_the_library(built: support.Fixtures, node: Path,
                                              dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.plugin(node, "add", built.bundle("snmp", form="tar.gz"), built.bundle("cim"))
    assert answer.status == 0, answer.text
    assert answer.out == f"Added {dnf.own_library}/snmp.\nAdded {dnf.own_library}/cim.\n"
    assert dnf.plugin(node, "add", built.bundle("cim"), "--json").json == {
        "format": 1, "added": [f"{dnf.own_library}/cim"]}
    assert dnf.plugin(node, "install", "snmp", "-y", "--trust-keys").status == 0
    answer = dnf.plugin(node, "drop", "snmp", "cim")
    assert answer.out == f"Dropped {dnf.own_library}/snmp.\nDropped {dnf.own_library}/cim.\n"
    assert list(dnf.own_library.iterdir()) == []
    assert dnf.plugin(node, "list").out.splitlines()[1].split()[0] == "snmp"
    assert len(installed(node)) == len(before) + 3
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    answer = dnf.plugin(node, "drop", "cim")
    assert answer.status == 6
    assert "which belongs to a package" in answer.err


@pytest.mark.parametrize("words", [["list", "--all"], ["repos"], ["info", "cim"]])
def test_tables_fit_a_terminal_of_80_columns(words: List[str], built: support.Fixtures,
                                             node: Path, tmp_path: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    for name in ("a" * 60, "long-" * 6 + "name"):
        add_to_shipped_library(dnf, support.write_bundle(
            tmp_path / name, support.descriptor_xml(name, "1.2.3.4.5.6.7.8.9", repos=[name]),
            repo_files={"x.repo": support.repo_file(name, "file:///nowhere")}), name)
    answer = on_80_columns(dnf, node, *words)
    assert answer.status == 0, answer.text
    lines = answer.out.splitlines()
    # a path cannot be broken
    assert [line for line in lines if len(line) > 80 and "/" not in line] == []
    if words[0] != "info":
        assert max(map(len, lines)) <= 80
        assert any(line.startswith("long-") for line in lines)


@pytest.mark.parametrize("command", [
    ["list", "--all"], ["info", "snmp"], ["verify"], ["repos"], ["upgrade", "-y"],
    ["remove", "snmp", "--dry-run"], ["remove", "snmp", "--assumeno"], ["remove", "snmp", "-y"],
    ["remove", "nothing", "-y"], ["bogus"], ["install", "x", "-y", "--enablerepo=nosuch"],
    ["list", "-v"], ["--nonsense"]])
def test_json_is_one_document_on_standard_output(command: List[str], with_snmp: Path,
                                                 dnf: Dnf) -> None:
    answer = dnf.plugin(with_snmp, *command, "--json")
    document = answer.json
    assert document["format"] == 1
    failed = "error" in document
    assert failed == (answer.status != 0 and "--assumeno" not in command)
    if failed:
        assert set(document["error"]) >= {"status", "kind", "message", "hint"}


def test_the_json_of_an_install_says_whether_it_was_done(built: support.Fixtures, host: Path,
                                                         dnf: Dnf) -> None:
    for option, status, was_done in (("--dry-run", 0, False), ("--assumeno", 1, False),
                                     ("-y", 0, True), ("-y", 0, False)):
        answer = dnf.plugin(host, "install", built.bundle("snmp"), option, "--trust-keys",
                            "--json")
        assert (answer.status, answer.json["done"]) == (status, was_done), answer.text
    assert answer.json["changes"] is False


def test_the_answer_is_printed_once(built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    for text in ("Installed plugin snmp 1.0.", " Installing snmp 1.0 (Example Management Inc.)",
                 "enable service snmpd.service", "Installing dependencies:"):
        assert answer.text.count(text) == 1, text
    assert "Added bundle:snmp repo" not in answer.text
    answer = dnf.plugin(node, "install", built.bundle("snmp"), "-y")
    assert answer.out == "Plugin snmp 1.0 is already installed.\nNothing to do.\n"
    answer = dnf.plugin(node, "-q", "remove", "snmp", "--dry-run")
    assert answer.out.count(" Removing snmp 1.0") == 1


def test_an_unprivileged_user_cannot_remove_a_plugin(with_snmp: Path, dnf: Dnf) -> None:
    search_path = environment()["PATH"]
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "env", f"PATH={search_path}", "HOME=/nonexistent",
            *dnf.argv(with_snmp, "node-plugin", "remove", "snmp", "-y")]
    answer = dnf.run(argv)
    assert answer.status != 0
    assert "Traceback" not in answer.text
    assert (with_snmp / "etc/ovirt.plugins.d/snmp").is_file()
