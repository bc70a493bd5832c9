"""The policies in runs of the real DNF 5, on a Node image, on a host and on the running system."""
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
    with dnf5_machine(tmp_path_factory.mktemp("dnf5") / "machine") as made:
        yield made


class World:
    """A root for DNF 5 to change, and a repository of the system's that is on in it."""

    def __init__(self, box: Dnf5Machine, root: Path) -> None:
        self.machine = box
        self.root = root
        self.name = f"/{root.relative_to(box.top)}"
        self.repo = support.RpmRepo(root / "srv/repo", "system")
        self.repo.add("tool", "1.0", files={"/usr/bin/tool": "tool"})
        self.repo.add("chrony", "99.0", arch="x86_64")
        self.repo.add("kernel-rt", "6.0")
        self.repo.finish()
        self.file("usurper", obsoletes="glibc-common")
        self.file("chrony", version="98.0", arch="x86_64")
        for path in (root / "etc/yum.repos.d").iterdir():
            path.unlink()  # of places that the machine does not see
        define_repo(root, "system", f"file://{self.name}/srv/repo")

    def __call__(self, *words: object) -> Dnf5Answer:
        return self.machine(f"--installroot={self.name}", "-y", *words)

    def file(self, name: str, *, version: str = "1.0", **more: Any) -> None:
        """Put the RPM file ``/srv/NAME.rpm`` into the root."""
        shutil.copy(support.quick_rpm(name, version, **more), self.root / f"srv/{name}.rpm")

    def configure(self, text: str) -> None:
        (self.machine.top / CONFIG).write_text(f"[main]\n{text}\n")

    def packages(self) -> List[str]:
        return list(installed(self.root))

    def on(self, *words: object) -> List[str]:
        """Return the ids of the repositories that are on."""
        answer = self(*words, "repolist")
        assert answer.status == 0, answer.text
        return sorted(line.split()[0] for line in answer.text.splitlines()[1:])


def _world(box: Dnf5Machine, made: Path) -> World:
    shutil.copy(Path(__file__).parents[3] / CONFIG, box.top / CONFIG)
    return World(box, made)


@pytest.fixture
def node(installation: Dnf5Machine, built: support.Fixtures) -> Iterator[World]:
    """A Node image on the machine."""
    root = built.node_root(installation.top / "node")
    yield _world(installation, root)
    shutil.rmtree(root)


@pytest.fixture
def host(installation: Dnf5Machine, built: support.Fixtures) -> Iterator[World]:
    """The root of a host on the machine."""
    root = built.host_root(installation.top / "host")
    yield _world(installation, root)
    shutil.rmtree(root)


def refused(world: World, *words: object) -> str:
    """Return what DNF 5 says where a rule forbids the transaction; nothing may have changed."""
    before = world.packages()
    answer = world(*words)
    assert answer.status == 1, answer.text
    assert world.packages() == before
    return " ".join(answer.text.split())


def add_plugin_repo(world: World, built: support.Fixtures) -> None:
    """Put a repository into the root whose metadata carry a descriptor, switched on."""
    shutil.copytree(built.repo("snmp"), world.root / "srv/snmp")
    define_repo(world.root, "snmp", f"file://{world.name}/srv/snmp")


def test_a_plugin_repo_is_off_unless_it_is_named(node: World, built: support.Fixtures) -> None:
    add_plugin_repo(node, built)
    assert node.on() == ["system"]
    assert node.on("--enablerepo=snmp") == ["snmp", "system"]
    assert node.on("--enable-repo=sn*") == ["snmp", "system"]
    assert node.on("--repo=snmp") == ["snmp"]
    assert "net-snmp" not in node("repoquery", "net-snmp").text
    node.configure("enabled = 0")
    assert node.on() == ["snmp", "system"]


def test_repos_that_records_and_the_library_name_are_off(
        node: World, dnf: Dnf, tmp_path: Path, built: support.Fixtures) -> None:
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
        assert node.on() == ["system"]
        assert node.on("--enablerepo=tworepos-extra,shelved-*") == [
            "shelved-updates", "system", "tworepos-extra"]
    finally:
        shutil.rmtree(library)


def test_a_remote_plugin_repo_is_found_when_its_metadata_is_loaded(
        node: World, built: support.Fixtures) -> None:
    with web_server(built.repo("snmp")) as web:
        define_repo(node.root, "remote", web.url)
        said = refused(node, "install", "net-snmp")
        assert "repo remote belongs to a plugin" in said
        assert "Run the command again: remote is off from now on" in said
        assert "No match for argument: net-snmp" in refused(node, "install", "net-snmp")
        assert node("--enablerepo=remote", "install", "net-snmp").status == 0
    assert any(nevra.startswith("net-snmp-1:5") for nevra in node.packages())


def test_what_is_not_core_is_installed_and_removed_as_ever(node: World) -> None:
    before = node.packages()
    assert node("install", "tool").status == 0
    assert "tool-1.0-1.noarch" in node.packages()
    # a node keeps all that no plugin brought, as in DNF 4
    assert "remove tool-1.0-1" in refused(node, "remove", "tool")
    node.configure("node_policy = plugins")
    assert node("remove", "tool").status == 0
    assert node.packages() == before


@pytest.mark.parametrize("words, said", [
    (["upgrade"], "upgrade chrony-4.3-1.el9 to chrony-99.0-1 from system"),
    (["upgrade", "chrony"], "upgrade chrony-4.3-1.el9"),
    (["install", "kernel-rt"], "install kernel-rt-6.0-1 from system"),
    (["install", "/node/srv/usurper.rpm"], "obsolete glibc-common-2"),
    (["install", "/node/srv/chrony.rpm"], "to chrony-98.0-1 from @commandline"),
    (["remove", "glibc-common"], "remove glibc-common-2")])
def test_core_packages_of_a_node_stay(node: World, words: List[str], said: str) -> None:
    text = refused(node, "--no-gpgchecks", *words)
    assert "This transaction cannot go into oVirt Node 4.5.5" in text
    assert said in text


def test_a_build_of_images_may_change_core_packages(node: World) -> None:
    node.configure("node_policy = plugins")
    assert node("upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in node.packages()


def test_packages_of_plugins_change_with_their_plugin(node: World, dnf: Dnf,
                                                      tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    assert dnf.plugin(node.root, "install", bundle, "-y", UNSIGNED).status == 0
    text = refused(node, "remove", "agent")
    assert "agent-1.0-1.noarch belongs to plugin agent" in text
    assert f"dnf-3 node-plugin remove agent --installroot={node.name}" in text


def test_a_host_upgrades_its_packages_and_plugins_do_not(host: World) -> None:
    bad = support.RpmRepo(host.root / "srv/plugin", "vendor")
    bad.add("vendor-agent", "1.0", requires="libvirt >= 99")
    bad.add("libvirt", "99.0", arch="x86_64")
    bad.finish(descriptor=_descriptor(host.root, "vendor"))
    define_repo(host.root, "vendor", f"file://{host.name}/srv/plugin")
    text = refused(host, "--enablerepo=vendor", "install", "vendor-agent")
    assert "libvirt-99.0-1 from vendor" in text
    assert "Update libvirt first: dnf upgrade libvirt" in text
    assert host("upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in host.packages()


def _descriptor(folder: Path, name: str) -> Path:
    path = folder / "srv/node-plugin.xml"
    path.write_text(support.descriptor_xml(name, "1.0", repos=[name]))
    return path


def test_an_interrupted_change_waits_for_its_command(node: World) -> None:
    journal = node.root / "var/lib/ovirt-node-plugin/journal"
    journal.mkdir(parents=True)
    (journal / "journal.json").write_text("{}")
    assert "was interrupted and is not undone yet" in refused(node, "install", "tool")


@pytest.fixture
def booted(node: World) -> Iterator[World]:
    """The machine itself as a booted node."""
    top = node.machine.top
    release, repos = top / "etc/os-release", top / "etc/yum.repos.d"
    before = release.readlink()
    release.unlink()
    release.write_text(resolve_inside(node.root, "etc/os-release").read_text())
    repos.mkdir(exist_ok=True)
    node.repo.add("ovirt-node-ng-image-update", "4.5.6",
                  obsoletes="placeholder < 2")
    node.repo.add("placeholder", "1")
    node.repo.finish()
    shutil.copy(node.root / "etc/yum.repos.d/system.repo", repos / "system.repo")
    yield node
    (repos / "system.repo").unlink()
    release.unlink()
    release.symlink_to(before)


def test_a_booted_node_is_refused(booted: World) -> None:
    box = booted.machine
    answer = box("-y", "install", "tool")
    assert answer.status == 1, answer.text
    assert "this is a booted oVirt Node 4.5.5" in " ".join(answer.text.split())
    assert not (box.top / "usr/bin/tool").exists()
    assert box("repoquery", "tool").status == 0
    # a new image comes all the same, and takes the place of what it obsoletes
    placed = box("-y", "--no-plugins", "--setopt=obsoletes=0", "install", "placeholder")
    assert placed.status == 0, placed.text
    answer = box("-y", "install", "ovirt-node-ng-image-update")
    assert answer.status == 0 and "placeholder" in answer.text, answer.text
    answer = box("-y", "install", "ovirt-node-ng-image-update", "tool")
    assert answer.status == 1 and not (box.top / "usr/bin/tool").exists(), answer.text
    booted.configure("node_policy = plugins\nlive = yes")
    answer = box("-y", "install", "tool")
    assert answer.status == 0 and (box.top / "usr/bin/tool").exists(), answer.text
    assert box("-y", "remove", "tool", "ovirt-node-ng-image-update").status == 0


@pytest.mark.parametrize("script", [
    "exit 1", "kill -KILL $$", "echo nonsense", "sleep 0; exit 6", None])
def test_a_program_that_fails_stops_dnf(node: World, script: Optional[str]) -> None:
    program = node.machine.top / POLICY_FILE
    kept = program.read_bytes()
    program.unlink()
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    try:
        refused(node, "install", "tool")
    finally:
        program.write_bytes(kept)
        program.chmod(0o755)


def test_a_wrong_configuration_or_missing_lists_stop_dnf(node: World) -> None:
    node.configure("live = maybe")
    assert "live = 'maybe', expected yes or no" in refused(node, "install", "tool")
    node.configure("core_lists = /none")
    assert "there is no list of core packages in /none" in refused(node, "install", "tool")
    (node.machine.top / CONFIG).write_text("no section\n")
    assert "node-plugin policy: MissingSectionHeaderError" in refused(node, "install", "tool")


def test_no_plugins_is_the_way_round(node: World) -> None:
    assert node("--no-plugins", "upgrade", "chrony").status == 0
    assert "chrony-99.0-1.x86_64" in node.packages()
