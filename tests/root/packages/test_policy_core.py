"""Core packages are not changed, whatever the dnf command and its options."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_library import LIBRARY_PROGRAM, run_library_program
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.repositories import define_repo, installed

pytestmark = pytest.mark.root

NEWER_ISO = "You need a newer Node ISO."
BUILDERS = "An image keeps every package that it is made of. If you build images with dnf, set"
MODULES = """---
document: modulemd
version: 2
data:
  name: virt
  stream: "{stream}"
  version: {version}
  context: deadbeef
  arch: noarch
  summary: Virtualization
  description: Virtualization.
  license:
    module: [MIT]
  profiles:
    common:
      rpms: [{package}]
  artifacts:
    rpms: ["{package}-0:{evr}.noarch"]
...
"""


@pytest.fixture
def node_with_repos(built: support.Fixtures, node: Path, tmp_path: Path) -> Path:
    """A node with disabled repos that would change its core packages."""
    for repo_id, folder in {
            "newer": built.image_repo("4.5.6"), "same": built.image_repo("4.5.5"),
            "obsoleter": built.repo("obsoleter"), "bar": built.repo("needs-libvirt")}.items():
        define_repo(node, repo_id, f"file://{folder}", enabled=False)
    mixed = support.RpmRepo(tmp_path / "mixed", "mixed")
    mixed.add("libvirt", "8.0.0", arch="x86_64")
    mixed.add("conflicter", "1.0", conflicts="libvirt")
    mixed.add("harmless", "1.0")
    mixed.add("twin", "1.0", provides="device-mapper-multipath")
    mixed.add("kernel-rt", "6.0")
    define_repo(node, "mixed", mixed.url, enabled=False)
    return node


# per case: the command, the core package in the message, and the advice
REFUSED = {
    "upgrade": (["upgrade", "libvirt", "--repo=newer"], "libvirt-10.0.0-1", NEWER_ISO),
    "upgrade --disableexcludes": (
        ["upgrade", "libvirt", "--repo=newer", "--disableexcludes=all", "--best",
         "--allowerasing"], "libvirt-10.0.0-1", NEWER_ISO),
    "upgrade --skip-broken": (
        ["upgrade", "libvirt", "--repo=newer", "--skip-broken"], "libvirt-10.0.0-1", NEWER_ISO),
    "distro-sync": (["distro-sync", "libvirt", "--repo=newer"], "libvirt-10.0.0-1", NEWER_ISO),
    "install of a version": (
        ["install", "libvirt-10.0.0", "--repo=newer"], "libvirt-10.0.0-1", NEWER_ISO),
    "downgrade": (["downgrade", "libvirt", "--repo=mixed"], "libvirt-8.0.0-1", BUILDERS),
    "reinstall": (["reinstall", "libvirt", "--repo=same"], "libvirt-9.0.0-1", BUILDERS),
    "obsoleting": (["install", "acme-multipath", "--repo=obsoleter", "--allowerasing"],
                   "acme-multipath-1.0-1", NEWER_ISO),
    "dependency": (["install", "bar", "--repo=bar"], "libvirt-10.0.0-1", NEWER_ISO),
    "dependency --best --allowerasing": (
        ["install", "bar", "--repo=bar", "--best", "--allowerasing"], "libvirt-10.0.0-1",
        NEWER_ISO),
    "dependency --disableexcludes": (
        ["install", "bar", "--repo=bar", "--disableexcludes=all"], "libvirt-10.0.0-1", NEWER_ISO),
    "conflict --allowerasing": (
        ["install", "conflicter", "--repo=mixed", "--allowerasing"], "libvirt-9.0.0-1", BUILDERS),
    "second kernel": (
        ["install", "kernel-5.14.0-427.13.1.el9_4", "--repo=newer"], "kernel-5.14.0-427",
        NEWER_ISO),
    "other kernel": (["install", "kernel-rt", "--repo=mixed"], "kernel-rt-6.0-1", NEWER_ISO),
    "removal": (["remove", "libvirt"], "remove libvirt-9.0.0-1", BUILDERS),
    "swap": (["swap", "device-mapper-multipath", "twin", "--repo=mixed", "--allowerasing"],
             "remove device-mapper-multipath-0.8.7", BUILDERS),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_change_of_a_core_package_is_refused_and_named(case: str, node_with_repos: Path,
                                                         dnf: Dnf) -> None:
    command, package, advice = REFUSED[case]
    before = installed(node_with_repos)
    answer = dnf(node_with_repos, *command, "-y")
    assert answer.status == 1, answer.text
    assert package in answer.err
    assert advice in answer.err
    assert installed(node_with_repos) == before


@pytest.mark.parametrize("options", [[], ["--disableexcludes=all"], ["--best", "--allowerasing"]])
def test_an_rpm_file_of_a_core_package_is_refused(options: List[str], node_with_repos: Path,
                                                  dnf: Dnf) -> None:
    before = installed(node_with_repos)
    rpm = support.quick_rpm("sanlock", "99")
    answer = dnf(node_with_repos, "install", "-y", rpm, *options)
    assert answer.status == 1
    assert "upgrade sanlock-" in answer.err and "to sanlock-99-1 from @commandline" in answer.err
    assert NEWER_ISO in answer.err
    answer = dnf(node_with_repos, "install", "-y", support.quick_rpm("kernel-rt-core", "6"),
                 *options)
    assert answer.status == 1
    assert "install kernel-rt-core-6-1" in answer.err
    assert installed(node_with_repos) == before


@pytest.mark.parametrize("command", [["upgrade"], ["distro-sync"], ["install", "kernel"],
                                     ["install", "bar", "--repo=bar", "--skip-broken"]])
def test_a_command_that_needs_no_core_change_omits_core_packages_and_says_so(
        command: List[str], node_with_repos: Path, dnf: Dnf) -> None:
    before = installed(node_with_repos)
    answer = dnf(node_with_repos, *command, "-y", "--enablerepo=newer")
    assert answer.status == 0, answer.text
    assert answer.err.startswith("Core packages stay as they are. Left out of repo ")
    assert NEWER_ISO in answer.err
    assert installed(node_with_repos) == before


def test_a_program_that_upgrades_a_core_package_gets_the_refusal(
        node_with_repos: Path, dnf: Dnf) -> None:
    """Ansible's module reports success for an upgrade that finds nothing to do."""
    before = installed(node_with_repos)
    program = LIBRARY_PROGRAM.replace("base.install(name)", "base.upgrade(name)").replace(
        "    base.resolve()", "    try:\n        base.resolve()\n    except dnf.exceptions.Error as"
        " exc:\n        sys.exit(f'refused: {exc}')").replace("import dnf\n", "import dnf\n"
                                                              "import dnf.exceptions\n")
    for name in ("libvirt", "libvi*"):
        answer = run_library_program(dnf, node_with_repos, name, "+newer", text=program)
        assert answer.status == 1
        assert "refused: This transaction cannot go into oVirt Node" in answer.err
        assert "upgrade libvirt-9.0.0-1 to" in answer.err and NEWER_ISO in answer.err
    answer = run_library_program(dnf, node_with_repos, "net-tools", "+newer", text=program)
    assert (answer.status, "refused" in answer.err) == (0, False), answer.text
    assert installed(node_with_repos) == before


def test_packages_of_a_plugins_repository_become_core_with_a_warning(
        node_with_repos: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "acme", "acme")
    repo.add("acme", "1.0", requires="harmless")
    (tmp_path / "acme.xml").write_text(support.descriptor_xml("acme"))
    repo.finish(descriptor=tmp_path / "acme.xml")
    define_repo(node_with_repos, "acme", repo.url, enabled=False)
    words = ("install", "acme", "--enablerepo=acme,mixed", "-y")
    answer = succeeded(dnf(node_with_repos, *words))
    (line,) = [line for line in answer.err.splitlines() if "acme" in line]
    assert line.startswith("Repo acme belongs to plugin acme, which this command does not install:"
                           " acme-1.0-1.noarch will be core packages of oVirt Node")
    assert line.endswith(f"dnf node-plugin install acme --enablerepo=acme"
                         f" --installroot={node_with_repos}")


def test_other_packages_can_be_installed(node_with_repos: Path, dnf: Dnf) -> None:
    answer = dnf(node_with_repos, "install", "-y", "harmless", "--repo=mixed")
    assert answer.status == 0, answer.text
    assert answer.err == ""
    assert "harmless-1.0-1.noarch" in installed(node_with_repos)


def test_autoremove_removes_no_package_of_the_image(node_with_repos: Path, dnf: Dnf) -> None:
    assert dnf(node_with_repos, "mark", "remove", "sanlock", "net-tools").status in (0, 1)
    before = installed(node_with_repos)
    dnf(node_with_repos, "autoremove", "-y")
    assert installed(node_with_repos) == before


def test_history_undo_of_core_packages_is_refused(node_with_repos: Path, dnf: Dnf) -> None:
    answer = dnf(node_with_repos, "upgrade", "-y", "libvirt*", "--repo=newer", "--noplugins",
                 "--setopt=optional_metadata_types=filelists")
    # Without the plugin Debian's dnf uses a database in the home folder of the root.
    if answer.status != 0 or "libvirt-10.0.0-1.x86_64" not in installed(node_with_repos):
        dnf.configure(node_policy="plugins")
        answer = dnf(node_with_repos, "upgrade", "-y", "libvirt*", "--repo=newer")
        dnf.configure()
    assert "libvirt-10.0.0-1.x86_64" in installed(node_with_repos), answer.text
    before = installed(node_with_repos)
    answer = dnf(node_with_repos, "history", "undo", "last", "-y", "--repo=same")
    assert answer.status == 1
    assert "libvirt-9.0.0-1" in answer.err
    assert installed(node_with_repos) == before


def module_repo(folder: Path, repo_id: str, package: str, versions: List[str]) -> support.RpmRepo:
    """Return a repository with a module ``virt`` that has a stream for each version."""
    repo = support.RpmRepo(folder, repo_id)
    text = ""
    for number, version in enumerate(versions, 1):
        repo.add(package, version)
        text += MODULES.format(stream=version, version=number, package=package,
                               evr=f"{version}-1")
    repo.finish()
    modules = folder / "modules.yaml"
    modules.write_text(text)
    run(["modifyrepo_c", "--mdtype=modules", modules, folder / "repodata"])
    return repo


def test_a_module_that_contains_core_packages_cannot_be_changed(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = module_repo(tmp_path / "virt", "virt", "sanlock", ["50", "60"])
    define_repo(node, "virt", repo.url)
    before = installed(node)
    for command in (["module", "enable", "virt:50"], ["module", "install", "virt:50/common"],
                    ["module", "switch-to", "virt:60"], ["module", "disable", "virt"]):
        answer = dnf(node, *command, "-y")
        assert answer.status == 1, answer.text
        assert "sanlock" in answer.text
    assert "disable module virt: it holds sanlock" in answer.err
    dnf.configure(node_policy="plugins")
    assert dnf(node, "module", "enable", "virt:50", "-y").status == 0
    dnf.configure()
    answer = dnf(node, "module", "switch-to", "virt:60", "-y",
                 "--setopt=module_stream_switch=1")
    assert answer.status == 1
    assert "switch module virt from stream 50 to 60: it holds sanlock" in answer.err
    assert NEWER_ISO[:-1] in answer.err
    assert installed(node) == before
    assert "stream=50" in (node / "etc/dnf/modules.d/virt.module").read_text()


def test_a_module_of_other_packages_can_be_changed(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = module_repo(tmp_path / "virt", "virt", "tool", ["1", "2"])
    define_repo(node, "virt", repo.url)
    assert dnf(node, "module", "enable", "virt:1", "-y").status == 0
    answer = dnf(node, "module", "switch-to", "virt:2", "-y")
    assert answer.status == 0, answer.text


def test_node_policy_plugins_allows_changes_of_core_packages(
        node_with_repos: Path, dnf: Dnf) -> None:
    dnf.configure(node_policy="plugins")
    answer = dnf(node_with_repos, "upgrade", "-y", "libvirt*", "--repo=newer")
    assert answer.status == 0, answer.text
    assert "libvirt-10.0.0-1.x86_64" in installed(node_with_repos)
    assert dnf(node_with_repos, "install", "-y", support.quick_rpm("sanlock", "99")).status == 0
    assert dnf(node_with_repos, "remove", "-y", "kexec-tools").status in (0, 1)


def test_node_policy_plugins_still_protects_core_packages_from_plugins(
        built: support.Fixtures, node_with_repos: Path, dnf: Dnf) -> None:
    dnf.configure(node_policy="plugins")
    before = installed(node_with_repos)
    answer = dnf.plugin(node_with_repos, "install", built.bundle("needs-libvirt"), "-y",
                        "--trust-keys")
    assert answer.status == 5, answer.text
    answer = dnf(node_with_repos, "install", "-y", "bar", "--repo=bar")
    assert answer.status == 1, answer.text
    assert "Left out of repo bar: libvirt-10.0.0-1" in answer.err
    answer = dnf(node_with_repos, "install", "-y", "bar", "--repo=bar,newer")
    assert answer.status == 1, answer.text
    assert installed(node_with_repos) == before


def test_dnf_remove_of_a_plugins_package_is_refused(built: support.Fixtures, node: Path,
                                                    dnf: Dnf) -> None:
    assert dnf.plugin(node, "install", built.bundle("snmp"), "-y", "--trust-keys").status == 0
    before = installed(node)
    answer = dnf(node, "remove", "net-snmp-utils", "-y")
    assert answer.status == 1
    assert "net-snmp-utils-1:5.9.1-11.el9.x86_64 belongs to plugin snmp" in answer.err
    assert f"Run: dnf node-plugin remove snmp --installroot={node}" in answer.err
    assert installed(node) == before
    (node / "usr/lib/ovirt.plugins.d/snmp").write_text("damaged")
    answer = dnf(node, "remove", "net-snmp-utils", "-y")
    assert answer.status == 1
    assert "remove net-snmp-utils-1:5.9.1-11.el9" in answer.err


def test_dnf_upgrade_of_a_plugins_package_is_refused(built: support.Fixtures, node: Path,
                                                     dnf: Dnf) -> None:
    agent = built.bundle("agent", "1.0")
    assert dnf.plugin(node, "install", agent, "-y", "--trust-keys").status == 0
    # the signatures show that its origin is the same
    define_repo(node, "agent", "").write_text(
        support.repo_file("agent", f"file://{built.repo('agent', '1.1')}", gpgcheck=True))
    answer = dnf(node, "upgrade", "-y", "--enablerepo=agent")
    assert answer.status == 1
    assert f"(or dnf node-plugin upgrade agent --installroot={node})" in answer.err
    answer = dnf.plugin(node, "upgrade", "agent", "-y", "--enablerepo=agent")
    assert answer.status == 0, answer.text
    assert "acme-agent-1.1-1.noarch" in installed(node)


def test_the_image_update_package_can_be_installed_and_upgraded(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    placeholder = "ovirt-node-ng-image-update-placeholder"
    dnf.configure(node_policy="plugins")
    assert dnf(node, "install", "-y", support.quick_rpm(placeholder, "4.5.5")).status == 0
    dnf.configure()
    repo = support.RpmRepo(tmp_path / "update", "update")
    repo.add("ovirt-node-ng-image-update", "4.5.6", obsoletes=f"{placeholder} < 5")
    define_repo(node, "update", repo.url)
    answer = dnf(node, "install", "-y", "ovirt-node-ng-image-update")
    assert answer.status == 0, answer.text
    assert f"{placeholder}-4.5.5-1.noarch" not in installed(node)
    repo.add("ovirt-node-ng-image-update", "4.5.7")
    define_repo(node, "update", repo.url)
    answer = dnf(node, "upgrade", "-y", "--refresh")
    assert answer.status == 0, answer.text
    assert "ovirt-node-ng-image-update-4.5.7-1.noarch" in installed(node)
