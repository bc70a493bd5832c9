"""The policies in runs of the real DNF 5 on a Node image, a host and the running system."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator, List, Optional

import pytest

from ovirt_node_plugin.system.paths import resolve_inside
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf5 import Dnf5Answer, Dnf5Machine, dnf5_machine
from tests.support.dnf_runner import Dnf
from tests.support.repositories import define_repo, installed, web_server

pytestmark = [pytest.mark.root, pytest.mark.slow]

POLICY_FILE = "usr/libexec/ovirt-node-plugin/dnf5-policy"
CONFIG = "etc/dnf/plugins/node-plugin.conf"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dnf5Machine]:
    with dnf5_machine(tmp_path_factory.mktemp("dnf5") / "machine") as machine:
        yield machine


class Dnf5Root:
    """A root that DNF 5 changes, with one enabled repository of the system."""

    def __init__(self, box: Dnf5Machine, root: Path) -> None:
        self.machine = box
        self.root = root
        self.name = f"/{root.relative_to(box.top)}"
        self.repo = support.RpmRepo(root / "srv/repo", "system")
        self.repo.add("tool", "1.0", files={"/usr/bin/tool": "tool"})
        self.repo.add("chrony", "99.0", arch="x86_64")
        self.repo.add("kernel-rt", "6.0")
        self.repo.finish()
        self.add_rpm_file("usurper", obsoletes="glibc-common")
        self.add_rpm_file("chrony", version="98.0", arch="x86_64")
        for path in (root / "etc/yum.repos.d").iterdir():
            path.unlink()  # their folders do not exist in the machine
        define_repo(root, "system", f"file://{self.name}/srv/repo")

    def __call__(self, *words: object) -> Dnf5Answer:
        return self.machine(f"--installroot={self.name}", "-y", *words)

    def add_rpm_file(self, name: str, *, version: str = "1.0", **attributes: Any) -> None:
        """Create the RPM file ``/srv/NAME.rpm`` in the root."""
        shutil.copy(support.quick_rpm(name, version, **attributes), self.root / f"srv/{name}.rpm")

    def configure(self, text: str) -> None:
        (self.machine.top / CONFIG).write_text(f"[main]\n{text}\n")

    def packages(self) -> List[str]:
        return list(installed(self.root))

    def enabled_repos(self, *words: object) -> List[str]:
        """Return the ids of the enabled repositories, sorted."""
        answer = self(*words, "repolist")
        assert answer.status == 0, answer.text
        return sorted(line.split()[0] for line in answer.text.splitlines()[1:])


def _new_root(box: Dnf5Machine, root: Path) -> Dnf5Root:
    shutil.copy(Path(__file__).parents[3] / CONFIG, box.top / CONFIG)
    return Dnf5Root(box, root)


@pytest.fixture
def node(installation: Dnf5Machine, built: support.Fixtures) -> Iterator[Dnf5Root]:
    """A Node image on the machine."""
    root = built.node_root(installation.top / "node")
    yield _new_root(installation, root)
    shutil.rmtree(root)


@pytest.fixture
def host(installation: Dnf5Machine, built: support.Fixtures) -> Iterator[Dnf5Root]:
    """The root of a host on the machine."""
    root = built.host_root(installation.top / "host")
    yield _new_root(installation, root)
    shutil.rmtree(root)


def assert_refused(dnf5_root: Dnf5Root, *words: object) -> str:
    """Run a command, assert that it is refused and changes nothing, and return its output."""
    before = dnf5_root.packages()
    answer = dnf5_root(*words)
    assert answer.status == 1, answer.text
    assert dnf5_root.packages() == before
    return " ".join(answer.text.split())


def add_plugin_repo(dnf5_root: Dnf5Root, built: support.Fixtures) -> None:
    """Add an enabled repository to the root whose metadata contain a descriptor."""
    shutil.copytree(built.repo("snmp"), dnf5_root.root / "srv/snmp")
    define_repo(dnf5_root.root, "snmp", f"file://{dnf5_root.name}/srv/snmp")


def test_a_plugin_repo_is_disabled_unless_it_is_named(node: Dnf5Root,
                                                      built: support.Fixtures) -> None:
    add_plugin_repo(node, built)
    assert node.enabled_repos() == ["system"]
    assert node.enabled_repos("--enablerepo=snmp") == ["snmp", "system"]
    assert node.enabled_repos("--enable-repo=sn*") == ["snmp", "system"]
    assert node.enabled_repos("--repo=snmp") == ["snmp"]
    assert "net-snmp" not in node("repoquery", "net-snmp").text
    node.configure("enabled = 0")
    assert node.enabled_repos() == ["snmp", "system"]


def test_repos_named_by_records_and_the_library_are_disabled(
        node: Dnf5Root, dnf: Dnf, tmp_path: Path, built: support.Fixtures) -> None:
    answer = dnf.plugin(node.root, "install", built.bundle("tworepos"), "-y", UNSIGNED,
                        "--enablerepo=tworepos*")
    assert answer.status == 0, answer.text
    for repo_id in ("tworepos", "tworepos-extra"):
        define_repo(node.root, repo_id, f"file://{node.name}/srv/repo")
    library = node.machine.top / "etc/ovirt-node-plugin/plugins.d/shelved"
    shutil.copytree(make_plugin(tmp_path, "shelved"), library)
    (library / "shelved.repo").write_text("[shelved-updates]\nname=x\nbaseurl=file:///none\n")
    define_repo(node.root, "shelved-updates", f"file://{node.name}/srv/repo")
    try:
        assert node.enabled_repos() == ["system"]
        assert node.enabled_repos("--enablerepo=tworepos-extra,shelved-*") == [
            "shelved-updates", "system", "tworepos-extra"]
    finally:
        shutil.rmtree(library)


def test_a_remote_plugin_repo_is_detected_when_its_metadata_is_loaded(
        node: Dnf5Root, built: support.Fixtures) -> None:
    with web_server(built.repo("snmp")) as web:
        define_repo(node.root, "remote", web.url)
        text = assert_refused(node, "install", "net-snmp")
        assert "repo remote belongs to a plugin" in text
        assert "Run the command again: remote is off from now on" in text
        assert "No match for argument: net-snmp" in assert_refused(node, "install", "net-snmp")
        assert node("--enablerepo=remote", "install", "net-snmp").status == 0
    assert any(nevra.startswith("net-snmp-1:5") for nevra in node.packages())


def test_other_packages_are_installed_and_removed(node: Dnf5Root) -> None:
    before = node.packages()
    assert node("install", "tool").status == 0
    assert "tool-1.0-1.noarch" in node.packages()
    # on a node a package without a plugin is not removed, as in DNF 4
    assert "remove tool-1.0-1" in assert_refused(node, "remove", "tool")
    node.configure("node_policy = plugins")
    assert node("remove", "tool").status == 0
    assert node.packages() == before


@pytest.mark.parametrize("words, message", [
    (["upgrade"], "upgrade chrony-4.3-1.el9 to chrony-99.0-1 from system"),
    (["upgrade", "chrony"], "upgrade chrony-4.3-1.el9"),
    (["install", "kernel-rt"], "install kernel-rt-6.0-1 from system"),
    (["install", "/node/srv/usurper.rpm"], "obsolete glibc-common-2"),
    (["install", "/node/srv/chrony.rpm"], "to chrony-98.0-1 from @commandline"),
    (["remove", "glibc-common"], "remove glibc-common-2")])
def test_changes_of_core_packages_of_a_node_are_refused(node: Dnf5Root, words: List[str],
                                                        message: str) -> None:
    text = assert_refused(node, "--no-gpgchecks", *words)
    assert "This transaction cannot go into oVirt Node 4.5.5" in text
    assert message in text


def test_node_policy_plugins_allows_changes_of_core_packages(node: Dnf5Root) -> None:
    node.configure("node_policy = plugins")
    assert node("upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in node.packages()


def test_removing_a_package_of_a_plugin_is_refused(node: Dnf5Root, dnf: Dnf,
                                                   tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    assert dnf.plugin(node.root, "install", bundle, "-y", UNSIGNED).status == 0
    text = assert_refused(node, "remove", "agent")
    assert "agent-1.0-1.noarch belongs to plugin agent" in text
    assert f"dnf-3 node-plugin remove agent --installroot={node.name}" in text


def test_a_host_upgrades_core_packages_and_plugins_do_not(host: Dnf5Root) -> None:
    repo = support.RpmRepo(host.root / "srv/plugin", "vendor")
    repo.add("vendor-agent", "1.0", requires="libvirt >= 99")
    repo.add("libvirt", "99.0", arch="x86_64")
    repo.finish(descriptor=_descriptor(host.root, "vendor"))
    define_repo(host.root, "vendor", f"file://{host.name}/srv/plugin")
    text = assert_refused(host, "--enablerepo=vendor", "install", "vendor-agent")
    assert "libvirt-99.0-1 from vendor" in text
    assert "Update libvirt first: dnf upgrade libvirt" in text
    assert host("upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in host.packages()


def _descriptor(folder: Path, name: str) -> Path:
    path = folder / "srv/node-plugin.xml"
    path.write_text(support.descriptor_xml(name, "1.0", repos=[name]))
    return path


def test_transactions_are_refused_while_an_interrupted_change_is_pending(node: Dnf5Root) -> None:
    journal = node.root / "var/lib/ovirt-node-plugin/journal"
    journal.mkdir(parents=True)
    (journal / "journal.json").write_text("{}")
    assert "was interrupted and is not undone yet" in assert_refused(node, "install", "tool")


@pytest.fixture
def booted(node: Dnf5Root) -> Iterator[Dnf5Root]:
    """The machine itself as a booted node."""
    top = node.machine.top
    release, repos = top / "etc/os-release", top / "etc/yum.repos.d"
    link_target = release.readlink()
    release.unlink()
    release.write_text(resolve_inside(node.root, "etc/os-release").read_text())
    repos.mkdir(exist_ok=True)
    systemd = top / "run/systemd/system"
    systemd.mkdir(parents=True)
    node.repo.add("ovirt-node-ng-image-update", "4.5.6",
                  obsoletes="placeholder < 2")
    node.repo.add("placeholder", "1")
    node.repo.finish()
    shutil.copy(node.root / "etc/yum.repos.d/system.repo", repos / "system.repo")
    yield node
    systemd.rmdir()
    (repos / "system.repo").unlink()
    release.unlink()
    release.symlink_to(link_target)


def test_transactions_on_a_booted_node_are_refused_except_image_updates(booted: Dnf5Root) -> None:
    machine = booted.machine
    answer = machine("-y", "install", "tool")
    assert answer.status == 1, answer.text
    assert "this is a booted oVirt Node 4.5.5" in " ".join(answer.text.split())
    assert not (machine.top / "usr/bin/tool").exists()
    assert machine("repoquery", "tool").status == 0
    # the image update is installed and may replace a package that it obsoletes
    placeholder = machine("-y", "--no-plugins", "--setopt=obsoletes=0", "install", "placeholder")
    assert placeholder.status == 0, placeholder.text
    answer = machine("-y", "install", "ovirt-node-ng-image-update")
    assert answer.status == 0 and "placeholder" in answer.text, answer.text
    answer = machine("-y", "install", "ovirt-node-ng-image-update", "tool")
    assert answer.status == 1 and not (machine.top / "usr/bin/tool").exists(), answer.text
    booted.configure("node_policy = plugins\nlive = yes")
    answer = machine("-y", "install", "tool")
    assert answer.status == 0 and (machine.top / "usr/bin/tool").exists(), answer.text
    assert machine("-y", "remove", "tool", "ovirt-node-ng-image-update").status == 0
    booted.configure("node_policy = plugins")
    assert machine("-y", "install", "tool").status == 1
    systemd = machine.top / "run/systemd/system"
    systemd.rmdir()  # as in a container build
    for verb in ("install", "remove"):
        answer = machine("-y", verb, "tool")
        assert answer.status == 0, answer.text
    systemd.mkdir()


@pytest.mark.parametrize("script", [
    "exit 1", "kill -KILL $$", "echo nonsense", "sleep 0; exit 6", None])
def test_a_failing_policy_program_stops_dnf(node: Dnf5Root, script: Optional[str]) -> None:
    program = node.machine.top / POLICY_FILE
    content = program.read_bytes()
    program.unlink()
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    try:
        assert_refused(node, "install", "tool")
    finally:
        program.write_bytes(content)
        program.chmod(0o755)


def test_an_invalid_configuration_or_missing_lists_stop_dnf(node: Dnf5Root) -> None:
    node.configure("live = maybe")
    assert "live = 'maybe', expected yes or no" in assert_refused(node, "install", "tool")
    node.configure("core_lists = /none")
    assert "there is no list of core packages in /none" in assert_refused(node, "install", "tool")
    (node.machine.top / CONFIG).write_text("no section\n")
    assert "node-plugin policy: MissingSectionHeaderError" in assert_refused(
        node, "install", "tool")


def test_no_plugins_disables_the_policies(node: Dnf5Root) -> None:
    assert node("--no-plugins", "upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in node.packages()
