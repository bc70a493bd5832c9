"""Plugin repositories are off unless this run names them, in every dnf command."""
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
def agent(built: support.Fixtures, host: Path, tmp_path: Path) -> Path:
    """A host whose yum.repos.d enables the plugin repo ``agent``, and an empty one, ``os``."""
    (host / "etc/yum.repos.d/base.repo").unlink()
    define_repo(host, "os", support.RpmRepo(tmp_path / "os", "os").url)
    define_repo(host, "agent", f"file://{built.repo('agent', '1.0')}")
    return host


@pytest.mark.parametrize("command", [
    ["install", "-y", "acme-agent"], ["repolist"], ["search", "acme-agent"],
    ["repoquery", "acme-agent"], ["list", "--available", "acme-agent"],
    ["module", "list"], ["makecache"]])
def test_a_repo_that_carries_a_descriptor_is_off_in_every_command(
        command: List[str], agent: Path, dnf: Dnf) -> None:
    before = installed(agent)
    answer = dnf(agent, *command)
    assert "acme-agent-1.0" not in answer.text
    assert enabled_repos(dnf(agent, "repolist")) == []
    assert installed(agent) == before


def test_upgrade_takes_nothing_from_a_plugin_repo(built: support.Fixtures, agent: Path,
                                                  dnf: Dnf) -> None:
    assert dnf(agent, "install", "-y", "acme-agent", "--enablerepo=agent").status == 0
    define_repo(agent, "agent", f"file://{built.repo('agent', '1.1')}")
    answer = dnf(agent, "upgrade", "-y")
    assert answer.status == 0
    assert "acme-agent-1.0-1.noarch" in installed(agent)
    answer = dnf(agent, "upgrade", "-y", "--enablerepo=agent")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.1-1.noarch" in installed(agent)


@pytest.mark.parametrize("options", [
    ["--enablerepo=agent"], ["--enablerepo=ag*"], ["--enablerepo=nothing*,agent"],
    ["--enablerepo=xyz*", "--enablerepo=agent"], ["--repo=agent"], ["--repo=ag*"],
    ["--repoid=agent"], ["--disablerepo=*", "--enablerepo=agent"]])
def test_naming_it_lets_it_take_part(options: List[str], agent: Path, dnf: Dnf) -> None:
    assert enabled_repos(dnf(agent, "repolist", *options, "--setopt=strict=0")) == ["agent"]


@pytest.mark.parametrize("options", [
    ["--enablerepo=agent", "--disablerepo=agent"], ["--setopt=agent.enabled=1"],
    ["--enablerepo=other*", "--setopt=strict=0"]])
def test_naming_it_otherwise_does_not(options: List[str], agent: Path, dnf: Dnf) -> None:
    assert enabled_repos(dnf(agent, "repolist", *options)) == []


def test_one_option_names_several_plugin_repos(built: support.Fixtures, agent: Path,
                                               dnf: Dnf) -> None:
    define_repo(agent, "snmp", f"file://{built.repo('snmp')}")
    define_repo(agent, "cim", f"file://{built.repo('cim')}")
    assert enabled_repos(dnf(agent, "repolist", "--enablerepo=agent,snmp")) == ["agent", "snmp"]
    assert enabled_repos(dnf(agent, "repolist", "--enablerepo=cim agent")) == ["agent", "cim"]


def test_the_other_repos_of_its_descriptor_are_off_too(built: support.Fixtures, agent: Path,
                                                       dnf: Dnf) -> None:
    for repo_id in ("tworepos", "tworepos-extra"):
        define_repo(agent, repo_id, f"file://{built.repo('tworepos', repo_id=repo_id)}")
    assert enabled_repos(dnf(agent, "repolist")) == []
    answer = dnf(agent, "install", "-y", "tworepos-agent", "--enablerepo=tworepos*")
    assert answer.status == 0, answer.text


def test_a_descriptor_cannot_switch_off_a_repo_of_the_system(agent: Path, tmp_path: Path,
                                                             dnf: Dnf) -> None:
    define_repo(agent, "appstream", support.RpmRepo(tmp_path / "appstream").url)
    repo = support.RpmRepo(tmp_path / "evil", "evil")
    repo.add("evil", "1.0")
    descriptor = tmp_path / "node-plugin.xml"
    descriptor.write_text(support.descriptor_xml("evil", repos=["evil", "appstream"]))
    repo.finish(descriptor=descriptor)
    define_repo(agent, "evil", repo.url)
    assert enabled_repos(dnf(agent, "repolist")) == ["appstream"]
    answer = dnf.plugin(agent, "install", "evil", "-y", "--enablerepo=evil")
    assert answer.status == 0, answer.text
    assert enabled_repos(dnf(agent, "repolist")) == ["appstream"]


def test_a_repo_that_a_record_names_is_off(built: support.Fixtures, agent: Path,
                                           tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "plain", "tool")
    repo.add("tool", "1.0")
    bundle = support.write_bundle(tmp_path / "tool", support.descriptor_xml(
        "tool", repos=["tool"]), repo=repo)
    assert dnf.plugin(agent, "install", bundle, "-y", "--nogpgcheck").status == 0
    define_repo(agent, "tool", repo.url)
    assert enabled_repos(dnf(agent, "repolist")) == []
    assert enabled_repos(dnf(agent, "repolist", "--enablerepo=tool")) == ["tool"]
    (agent / "etc/ovirt.plugins.d/tool").write_text("<no record")
    assert enabled_repos(dnf(agent, "repolist")) == ["tool"]


def test_a_bundle_in_the_library_takes_part_once_it_is_named(
        built: support.Fixtures, agent: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("snmp"), "snmp")
    assert enabled_repos(dnf(agent, "repolist")) == []
    assert "snmp" in dnf(agent, "repolist", "--all").out
    answer = dnf(agent, "install", "-y", "net-snmp", "--enablerepo=snmp", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "net-snmp-1:5.9.1-11.el9.x86_64" in installed(agent)
    assert not (agent / "etc/yum.repos.d/snmp.repo").exists()


def test_a_bundle_that_redefines_a_repo_is_left_out_and_breaks_nothing(
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


def test_a_variable_in_an_id_hides_no_repo(agent: Path, tmp_path: Path, dnf: Dnf) -> None:
    evil = support.write_bundle(
        tmp_path / "evil", support.descriptor_xml("evil", repos=["evil"]),
        repo_files={"evil.repo": support.repo_file("evil-$basearch", "file:///nowhere"),
                    "odd.repo": "[odd]\nname=odd\nbaseurl=file:///nowhere\nenabled=1\n]\n= x\n"})
    add_to_shipped_library(dnf, evil, "evil")
    assert enabled_repos(dnf(agent, "repolist")) == []


def test_install_by_path_takes_the_bundles_own_repo_file(built: support.Fixtures, node: Path,
                                                         dnf: Dnf) -> None:
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


def test_the_path_counts_where_the_library_has_another_version(
        built: support.Fixtures, node: Path, dnf: Dnf) -> None:
    add_to_shipped_library(dnf, built.bundle("agent", "1.0"), "agent")
    answer = dnf.plugin(node, "install", built.bundle("agent", "1.1"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.1-1.noarch" in installed(node)
    assert "more than once" not in answer.text


def test_metadata_that_shows_a_plugin_repo_late_keeps_it_out_of_the_solve(
        built: support.Fixtures, agent: Path, dnf: Dnf) -> None:
    with web_server(built.repo("agent", "1.0")) as web:
        define_repo(agent, "agent", web.url)
        before = installed(agent)
        answer = dnf(agent, "install", "-y", "acme-agent")
        assert answer.status == 1
        assert "No match for argument: acme-agent" in answer.out
        assert installed(agent) == before
        assert any("repomd.xml" in path for path in web.requests)
        web.requests.clear()
        assert enabled_repos(dnf(agent, "repolist")) == []
        assert dnf(agent, "search", "acme").status in (0, 1)
        assert web.requests == []
        assert dnf(agent, "install", "-y", "acme-agent", "--enablerepo=agent").status == 0


def test_metadata_from_before_this_plugin_is_loaded_anew(
        built: support.Fixtures, agent: Path, dnf: Dnf) -> None:
    with web_server(built.repo("agent", "1.0")) as web:
        define_repo(agent, "agent", web.url)
        assert dnf(agent, "makecache", "--noplugins").status == 0
        assert enabled_repos(dnf(agent, "repolist")) == []
        answer = dnf.plugin(agent, "info", "agent", "--enablerepo=agent")
        assert answer.status == 0, answer.text


@pytest.mark.parametrize("text", [
    pytest.param(None, id="as documented"),
    pytest.param("no pre_configure", id="without the first hook"),
    pytest.param("no configure", id="without the second hook")])
def test_a_program_that_uses_dnf_gets_no_plugin_repo(
        text: str, agent: Path, dnf: Dnf) -> None:
    from tests.support.dnf_library import LIBRARY_PROGRAM
    program = LIBRARY_PROGRAM
    if text is not None:
        program = program.replace(f"base.{text[3:]}_plugins()\n", "")
        assert program != LIBRARY_PROGRAM
    answer = run_library_program(dnf, agent, "acme-agent", text=program)
    assert "offered:\n" in answer.out
    assert answer.status != 0
    assert "acme-agent-1.0-1.noarch" not in installed(agent)


def test_a_program_that_enables_the_repo_itself_names_it(agent: Path, dnf: Dnf) -> None:
    answer = run_library_program(dnf, agent, "+agent", "acme-agent")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.0-1.noarch" in installed(agent)


def test_a_program_cannot_change_core_packages_from_a_plugin_repo(
        built: support.Fixtures, agent: Path, dnf: Dnf) -> None:
    define_repo(agent, "needs-libvirt", f"file://{built.repo('needs-libvirt')}")
    before = installed(agent)
    assert run_library_program(dnf, agent, "+needs-libvirt", "bar").status != 0
    assert run_library_program(dnf, agent, "+needs-libvirt", "libvirt").status in (0, 1)
    assert installed(agent) == before


def test_a_node_uses_no_repo_that_the_run_does_not_name(
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


def test_a_node_needs_no_network(built: support.Fixtures, node: Path, tmp_path: Path) -> None:
    define_repo(node, "base", "http://192.0.2.1/nowhere")
    alone = Dnf(tmp_path / "alone", prefix=("unshare", "-n"))
    answer = alone.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys")
    assert answer.status == 0, answer.text
    assert alone.plugin(node, "verify").status == 0
    assert alone.plugin(node, "remove", "snmp", "-y").status == 0


def test_a_host_takes_dependencies_from_its_own_repos(built: support.Fixtures, host: Path,
                                                      tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "monitor")
    repo.add("monitor", "1.0", requires="net-snmp-libs")
    bundle = support.write_bundle(tmp_path / "bundle", support.descriptor_xml(
        "monitor", repos=["test"]), repo=repo)
    answer = dnf.plugin(host, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == 0, answer.text
    assert "net-snmp-libs-1:5.9.1-11.el9.x86_64" in installed(host)


def test_repos_says_whose_each_is_and_why_it_is_on_or_off(
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
