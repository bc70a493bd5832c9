"""Repositories of plugins are disabled in every dnf command that does not name them."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from tests import support
from tests.support.dnf_library import run_library_program
from tests.support.dnf_runner import Dnf, add_to_shipped_library
from tests.support.repositories import define_repo, enabled_repos, installed, web_server

pytestmark = pytest.mark.root


@pytest.fixture
def host_with_agent_repo(built: support.Fixtures, host: Path, tmp_path: Path) -> Path:
    """A host with the enabled plugin repo ``agent`` and the empty repo ``os``."""
    (host / "etc/yum.repos.d/base.repo").unlink()
    define_repo(host, "os", support.RpmRepo(tmp_path / "os", "os").url)
    define_repo(host, "agent", f"file://{built.repo('agent', '1.0')}")
    return host


@pytest.mark.parametrize("command", [
    ["install", "-y", "acme-agent"], ["repolist"], ["search", "acme-agent"],
    ["repoquery", "acme-agent"], ["list", "--available", "acme-agent"],
    ["module", "list"], ["makecache"]])
def test_a_repo_with_a_descriptor_is_disabled_in_every_command(
        command: List[str], host_with_agent_repo: Path, dnf: Dnf) -> None:
    before = installed(host_with_agent_repo)
    answer = dnf(host_with_agent_repo, *command)
    assert "acme-agent-1.0" not in answer.text
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
    assert installed(host_with_agent_repo) == before


def test_dnf_upgrade_ignores_plugin_repos_that_are_not_named(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    assert dnf(host_with_agent_repo, "install", "-y", "acme-agent",
               "--enablerepo=agent").status == 0
    define_repo(host_with_agent_repo, "agent", f"file://{built.repo('agent', '1.1')}")
    answer = dnf(host_with_agent_repo, "upgrade", "-y")
    assert answer.status == 0
    assert "acme-agent-1.0-1.noarch" in installed(host_with_agent_repo)
    answer = dnf(host_with_agent_repo, "upgrade", "-y", "--enablerepo=agent")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.1-1.noarch" in installed(host_with_agent_repo)


@pytest.mark.parametrize("options", [
    ["--enablerepo=agent"], ["--enablerepo=ag*"], ["--enablerepo=nothing*,agent"],
    ["--enablerepo=xyz*", "--enablerepo=agent"], ["--repo=agent"], ["--repo=ag*"],
    ["--repoid=agent"], ["--disablerepo=*", "--enablerepo=agent"]])
def test_options_that_name_a_plugin_repo_enable_it(options: List[str], host_with_agent_repo: Path,
                                                   dnf: Dnf) -> None:
    assert enabled_repos(dnf(host_with_agent_repo, "repolist", *options,
                             "--setopt=strict=0")) == ["agent"]


@pytest.mark.parametrize("options", [
    ["--enablerepo=agent", "--disablerepo=agent"], ["--setopt=agent.enabled=1"],
    ["--enablerepo=other*", "--setopt=strict=0"]])
def test_other_options_do_not_enable_a_plugin_repo(options: List[str], host_with_agent_repo: Path,
                                                   dnf: Dnf) -> None:
    assert enabled_repos(dnf(host_with_agent_repo, "repolist", *options)) == []


def test_one_option_names_several_plugin_repos(built: support.Fixtures, host_with_agent_repo: Path,
                                               dnf: Dnf) -> None:
    define_repo(host_with_agent_repo, "snmp", f"file://{built.repo('snmp')}")
    define_repo(host_with_agent_repo, "cim", f"file://{built.repo('cim')}")
    assert enabled_repos(dnf(host_with_agent_repo, "repolist",
                             "--enablerepo=agent,snmp")) == ["agent", "snmp"]
    assert enabled_repos(dnf(host_with_agent_repo, "repolist",
                             "--enablerepo=cim agent")) == ["agent", "cim"]


def test_all_repos_that_a_descriptor_names_are_disabled(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    for repo_id in ("tworepos", "tworepos-extra"):
        define_repo(host_with_agent_repo, repo_id,
                    f"file://{built.repo('tworepos', repo_id=repo_id)}")
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
    answer = dnf(host_with_agent_repo, "install", "-y", "tworepos-agent", "--enablerepo=tworepos*")
    assert answer.status == 0, answer.text


def test_a_descriptor_cannot_disable_a_repo_of_the_system(host_with_agent_repo: Path,
                                                          tmp_path: Path, dnf: Dnf) -> None:
    define_repo(host_with_agent_repo, "appstream", support.RpmRepo(tmp_path / "appstream").url)
    repo = support.RpmRepo(tmp_path / "evil", "evil")
    repo.add("evil", "1.0")
    descriptor = tmp_path / "node-plugin.xml"
    descriptor.write_text(support.descriptor_xml("evil", repos=["evil", "appstream"]))
    repo.finish(descriptor=descriptor)
    define_repo(host_with_agent_repo, "evil", repo.url)
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == ["appstream"]
    answer = dnf.plugin(host_with_agent_repo, "install", "evil", "-y", "--enablerepo=evil")
    assert answer.status == 0, answer.text
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == ["appstream"]


def test_a_repo_that_a_record_names_is_disabled(built: support.Fixtures, host_with_agent_repo: Path,
                                                tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "plain", "tool")
    repo.add("tool", "1.0")
    bundle = support.write_bundle(tmp_path / "tool", support.descriptor_xml(
        "tool", repos=["tool"]), repo=repo)
    assert dnf.plugin(host_with_agent_repo, "install", bundle, "-y", "--nogpgcheck").status == 0
    define_repo(host_with_agent_repo, "tool", repo.url)
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
    assert enabled_repos(dnf(host_with_agent_repo, "repolist", "--enablerepo=tool")) == ["tool"]
    (host_with_agent_repo / "etc/ovirt.plugins.d/tool").write_text("<no record")
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == ["tool"]


def test_a_repo_of_a_library_bundle_is_enabled_by_name(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
    assert "snmp" in dnf(host_with_agent_repo, "repolist", "--all").out
    answer = dnf(host_with_agent_repo, "install", "-y", "net-snmp", "--enablerepo=snmp",
                 "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "net-snmp-1:5.9.1-11.el9.x86_64" in installed(host_with_agent_repo)
    assert not (host_with_agent_repo / "etc/yum.repos.d/snmp.repo").exists()


def test_a_library_bundle_that_redefines_a_repo_is_ignored_with_a_warning(
        built: support.Fixtures, host: Path, tmp_path: Path, dnf: Dnf) -> None:
    evil = support.write_bundle(
        tmp_path / "evil", support.descriptor_xml("evil", repos=["base", "evil"]),
        repo_files={"evil.repo": support.repo_file("evil", "file:///nowhere"),
                    "other.repo": support.repo_file("base", "file:///nowhere", gpgcheck=False)})
    add_to_shipped_library(dnf, evil, "evil")
    answer = dnf(host, "repolist", "--all")
    assert [line.split()[0] for line in answer.out.splitlines()[1:]] == ["base"]
    assert answer.err.count("\n") == 1
    assert "plugin evil defines the repo id base" in answer.err
    assert dnf(host, "install", "-y", "net-snmp-libs").status == 0


def test_a_repo_with_a_variable_in_its_id_is_disabled(host_with_agent_repo: Path, tmp_path: Path,
                                                      dnf: Dnf) -> None:
    evil = support.write_bundle(
        tmp_path / "evil", support.descriptor_xml("evil", repos=["evil"]),
        repo_files={"evil.repo": support.repo_file("evil-$basearch", "file:///nowhere"),
                    "odd.repo": "[odd]\nname=odd\nbaseurl=file:///nowhere\nenabled=1\n]\n= x\n"})
    add_to_shipped_library(dnf, evil, "evil")
    assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []


def test_an_install_from_a_path_uses_the_bundles_repo_file(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    answer = dnf.plugin(node, "install", built.bundle("tworepos"), "-y", "--trust-keys",
                        "--enablerepo=tworepos-extra")
    assert answer.status == 0, answer.text
    assert "tworepos-runtime-3.2-1.noarch" in installed(node)


def test_a_bundle_that_redefines_a_repo_is_refused(host: Path, tmp_path: Path, dnf: Dnf) -> None:
    evil = support.write_bundle(
        tmp_path / "evil", support.descriptor_xml("evil", repos=["base"]),
        repo_files={"base.repo": support.repo_file("base", "file:///nowhere", gpgcheck=False)})
    for command in (["install", evil, "-y"], ["add", evil], ["info", evil]):
        answer = dnf.plugin(host, *command)
        assert answer.status == 7, answer.text
        assert "plugin evil defines the repo id base, which " in answer.err
    assert list(dnf.own_library.iterdir()) == []


def test_a_path_precedes_another_version_in_the_library(built: support.Fixtures, node: Path,
                                                        dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("agent", "1.0"), "agent")
    answer = dnf.plugin(node, "install", built.bundle("agent", "1.1"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.1-1.noarch" in installed(node)
    assert "more than once" not in answer.text


def test_a_plugin_repo_recognized_by_its_metadata_is_excluded_from_the_solve(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    with web_server(built.repo("agent", "1.0")) as web:
        define_repo(host_with_agent_repo, "agent", web.url)
        before = installed(host_with_agent_repo)
        answer = dnf(host_with_agent_repo, "install", "-y", "acme-agent")
        assert answer.status == 1
        assert "No match for argument: acme-agent" in answer.out
        assert installed(host_with_agent_repo) == before
        assert any("repomd.xml" in path for path in web.requests)
        web.requests.clear()
        assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
        assert dnf(host_with_agent_repo, "search", "acme").status in (0, 1)
        assert web.requests == []
        assert dnf(host_with_agent_repo, "install", "-y", "acme-agent",
                   "--enablerepo=agent").status == 0


def test_metadata_cached_without_the_plugin_is_reloaded(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    with web_server(built.repo("agent", "1.0")) as web:
        define_repo(host_with_agent_repo, "agent", web.url)
        assert dnf(host_with_agent_repo, "makecache", "--noplugins").status == 0
        assert enabled_repos(dnf(host_with_agent_repo, "repolist")) == []
        answer = dnf.plugin(host_with_agent_repo, "info", "agent", "--enablerepo=agent")
        assert answer.status == 0, answer.text


@pytest.mark.parametrize("omitted_hook", [
    pytest.param("", id="as documented"),
    pytest.param("pre_configure", id="without the first hook"),
    pytest.param("configure", id="without the second hook")])
def test_a_plugin_repo_is_disabled_in_programs_that_use_dnf(
        omitted_hook: str, host_with_agent_repo: Path, dnf: Dnf) -> None:
    from tests.support.dnf_library import LIBRARY_PROGRAM
    program = LIBRARY_PROGRAM
    if omitted_hook:
        program = program.replace(f"base.{omitted_hook}_plugins()\n", "")
        assert program != LIBRARY_PROGRAM
    answer = run_library_program(dnf, host_with_agent_repo, "acme-agent", text=program)
    assert "offered:\n" in answer.out
    assert answer.status != 0
    assert "acme-agent-1.0-1.noarch" not in installed(host_with_agent_repo)


def test_a_program_can_enable_a_plugin_repo(host_with_agent_repo: Path, dnf: Dnf) -> None:
    answer = run_library_program(dnf, host_with_agent_repo, "+agent", "acme-agent")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.0-1.noarch" in installed(host_with_agent_repo)


def test_a_program_cannot_change_core_packages_from_a_plugin_repo(
        built: support.Fixtures, host_with_agent_repo: Path, dnf: Dnf) -> None:
    define_repo(host_with_agent_repo, "needs-libvirt", f"file://{built.repo('needs-libvirt')}")
    before = installed(host_with_agent_repo)
    assert run_library_program(dnf, host_with_agent_repo, "+needs-libvirt", "bar").status != 0
    assert run_library_program(dnf, host_with_agent_repo, "+needs-libvirt",
                               "libvirt").status in (0, 1)
    assert installed(host_with_agent_repo) == before


def test_repos_of_a_node_are_used_only_if_the_run_names_them(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    with web_server(built.host_repo) as web:
        define_repo(node, "base", web.url)
        for command in (["install", built.bundle("snmp"), "-y", "--trust-keys"],
                        ["list", "--all"], ["info", built.bundle("snmp")], ["verify"],
                        ["upgrade", "-y"], ["repos"], ["remove", "snmp", "-y"]):
            answer = dnf.plugin(node, *command)
            assert answer.status == 0, answer.text
        assert web.requests == []
        answer = dnf.plugin(node, "list", "--all", "--enablerepo=base")
        assert answer.status == 0, answer.text
        assert web.requests != []


def test_an_install_from_a_path_needs_no_network(built: support.Fixtures, node: Path,
                                                 tmp_path: Path) -> None:
    define_repo(node, "base", "http://192.0.2.1/nowhere")
    dnf_without_network = Dnf(tmp_path / "alone", prefix=("unshare", "-n"))
    answer = dnf_without_network.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    assert dnf_without_network.plugin(node, "verify").status == 0
    assert dnf_without_network.plugin(node, "remove", "snmp", "-y").status == 0


def test_a_host_installs_dependencies_from_its_own_repos(built: support.Fixtures, host: Path,
                                                         tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "monitor")
    repo.add("monitor", "1.0", requires="net-snmp-libs")
    bundle = support.write_bundle(tmp_path / "bundle", support.descriptor_xml(
        "monitor", repos=["test"]), repo=repo)
    answer = dnf.plugin(host, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "net-snmp-libs-1:5.9.1-11.el9.x86_64" in installed(host)


def test_repos_shows_the_plugin_and_the_state_of_each_repo(
        built: support.Fixtures, host: Path, dnf: Dnf) -> None:
    define_repo(host, "agent", f"file://{built.repo('agent', '1.0')}")
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    add_to_shipped_library(dnf, built.bundle("cim"), "cim")
    answer = dnf.plugin(host, "repos", "--json", "--enablerepo=snmp")
    rows = {row["id"]: (row["plugin"], row["enabled"], row["reason"])
            for row in answer.json["repos"]}
    assert rows == {
        "agent": ("agent", False, "plugin repo, not named in this run"),
        "base": ("", True, "as configured"),
        "cim": ("cim", False, "plugin repo, not named in this run"),
        "snmp": ("snmp", True, "named in this run")}
    table = dnf.plugin(host, "repos").out
    assert "base" in table and "plugin repo, not named in this run" in table
