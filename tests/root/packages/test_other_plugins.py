"""Other dnf plugins of the machine do not act while an image or another root is changed."""
from __future__ import annotations

from pathlib import Path
from typing import Dict, List

import pytest

from ovirt_node_plugin.packages import others
from ovirt_node_plugin.system.run import run
from tests.support import Fixtures
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import TOP, Answer, Dnf
from tests.support.foreign_plugins import MACHINE, place
from tests.support.program import Program

pytestmark = pytest.mark.root

REPO = "etc/yum.repos.d/redhat.repo"


class MachineWithPlugins:
    """A machine with dnf plugins of others, loaded before or after this project's plugin."""

    def __init__(self, folder: Path, root: Path, dnf: Dnf, *, order: str) -> None:
        self.machine = folder / "machine"
        self.machine.mkdir()
        self.root = root
        self.dnf = dnf
        self.bundle = make_plugin(folder, "agent", files={"/opt/agent/text": "hello"})
        folders = [str(place(folder / "others")), str(TOP / "dnf-plugins")]
        self.path = "--setopt=pluginpath=" + ",".join(
            folders if order == "before" else reversed(folders))

    def __call__(self, *words: object) -> Answer:
        """Run dnf on the root with all plugins."""
        return self.dnf(self.root, self.path, *words)

    def install(self, *words: object) -> Answer:
        return self("-y", UNSIGNED, *words, "node-plugin", "install", self.bundle)

    def effects(self) -> Dict[str, str]:
        """Map each file that the plugins wrote to "machine" or "root"."""
        written = {str(path.relative_to(self.machine)): "machine"
                   for path in self.machine.rglob("*") if not path.is_dir()}
        if (self.root / REPO).exists():
            written[REPO] = "root"
        return written


@pytest.fixture(params=["before", "after"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, node: Path, dnf: Dnf,
            monkeypatch: pytest.MonkeyPatch) -> MachineWithPlugins:
    created = MachineWithPlugins(tmp_path, node, dnf, order=request.param)
    monkeypatch.setenv(MACHINE, str(created.machine))
    return created


ALL = {"uploaded-profile", "var/imgbased/persisted-rpms/agent-1.0-1.noarch.rpm", "packages.db",
       "local/agent-1.0-1.noarch.rpm", "repo-headers", REPO}


def test_all_plugins_act_when_none_is_configured_off(machine: MachineWithPlugins) -> None:
    machine.dnf.configure(others_off="", isolation="off")
    answer = machine.install()
    assert answer.status == 0, answer.text
    assert set(machine.effects()) == ALL


def test_the_command_disables_plugins_that_act_on_the_machine(machine: MachineWithPlugins) -> None:
    answer = machine.install()
    assert answer.status == 0, answer.text
    assert set(machine.effects()) == {"repo-headers"}
    assert "Subscription" not in answer.text and answer.err == ""
    answer = machine("-y", "node-plugin", "remove", "agent")
    assert answer.status == 0, answer.text
    assert set(machine.effects()) == {"repo-headers"}


@pytest.mark.parametrize("words", [
    ["node-plugin", "list"], ["node-plugin", "verify"], ["--assumeyes", "node-plugin", "repos"]])
def test_commands_that_only_read_trigger_no_plugin(machine: MachineWithPlugins,
                                                   words: List[str]) -> None:
    answer = machine(*words)
    assert answer.status == 0, answer.text
    assert set(machine.effects()) <= {"repo-headers"}


def test_the_configuration_disables_plugins_by_glob(machine: MachineWithPlugins) -> None:
    machine.dnf.configure(others_off="*")
    assert machine.install().status == 0
    assert machine.effects() == {}


def test_other_commands_of_dnf_load_all_plugins(machine: MachineWithPlugins) -> None:
    assert machine("repoquery", "--installed", "node-plugin").status == 0
    assert {REPO, "packages.db", "repo-headers"} <= set(machine.effects())


def test_a_plugin_that_dnf_started_before_refuses_the_change(machine: MachineWithPlugins) -> None:
    """With --enableplugin=node-plugin dnf starts plugins without a check by this plugin."""
    answer = machine.install("--enableplugin=node-plugin")
    assert answer.status == 6, answer.text
    assert "dnf started the plugins " in answer.err and "subscription-manager" in answer.err
    assert f"this machine and in {machine.root}" in answer.err
    assert not (machine.root / "opt/agent").exists()
    assert set(machine.effects()) <= {REPO}  # written when the plugin was started
    advice = [word.rstrip(".") for word in answer.err.split()
              if word.startswith("--disableplugin=")]
    (machine.root / REPO).unlink()
    retried = machine.install("--enableplugin=node-plugin", *advice)
    assert retried.status == 0, retried.text
    assert set(machine.effects()) == {"repo-headers"}


def test_the_advice_omits_options_that_override_disableplugin(machine: MachineWithPlugins) -> None:
    answer = machine.install("--enableplugin=*,node-plugin,sub*")
    assert answer.status == 6, answer.text
    assert "Run the command again without --enableplugin=*,sub*, and with --disab" in answer.err
    advice = [word.rstrip(".") for word in answer.err.split()
              if word.startswith("--disableplugin=")]
    (machine.root / REPO).unlink(missing_ok=True)
    retried = machine.install("--enableplugin=node-plugin", *advice)
    assert retried.status == 0, retried.text
    assert set(machine.effects()) == {"repo-headers"}


def test_a_plugin_that_dnf_started_before_is_reported_by_list(machine: MachineWithPlugins) -> None:
    answer = machine("--enableplugin=node-plugin", "node-plugin", "list")
    assert answer.status == 0, answer.text
    assert answer.err.count("dnf started the plugins ") == 1
    assert "Run the command again with --disableplugin=" in answer.err
    assert set(machine.effects()) <= {REPO, "repo-headers"}


def test_a_merge_loads_no_other_plugin(built: Fixtures, machine: MachineWithPlugins,
                                       program: Program, tmp_path: Path) -> None:
    image = tmp_path / "node.squashfs"
    run(["mksquashfs", machine.root, image, "-comp", "zstd", "-Xcompression-level", "1",
         "-no-progress"])
    answer = program("merge", image, machine.bundle, "-o", tmp_path / "merged.squashfs", "-y",
                     UNSIGNED, machine.path)
    assert answer.status == 0, answer.text
    assert machine.effects() == {}
    listed = program("inspect", tmp_path / "merged.squashfs", "--json", machine.path)
    assert [plugin["name"] for plugin in listed.json["plugins"]] == ["agent"]
    assert machine.effects() == {}


def test_the_imgbased_plugin_of_a_node_image_acts_in_plain_dnf(
        node: Path, dnf: Dnf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MACHINE, str(tmp_path / "machine"))
    (plugin,) = node.rglob("imgbased-persist.py")
    bundle = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})
    (package,) = bundle.rglob("agent-*.rpm")
    (tmp_path / "conf").mkdir()
    for path in (node / "etc/dnf/plugins").glob("*.conf"):
        text = path.read_text().replace("=/etc/", f"={tmp_path}/machine/etc/")
        (tmp_path / "conf" / path.name).write_text(text)
    words = (f"--setopt=pluginpath={plugin.parent}", f"--setopt=pluginconfpath={tmp_path}/conf",
             "--disablerepo=*", "--nogpgcheck", "-y", "install", package)
    answer = dnf(node, *words)
    assert answer.status == 0, answer.text
    persisted = tmp_path / "machine/var/imgbased/persisted-rpms" / package.name
    assert persisted.exists()
    answer = dnf(node, *words[:-2], "remove", "agent")
    assert answer.status == 0, answer.text
    assert not persisted.exists()


@pytest.mark.parametrize("words, expected", [
    (["node-plugin"], True),
    (["--installroot", "/x", "node-plugin", "list"], True),
    (["-y", "--enablerepo=a", "--setopt=a=b", "node-plugin", "install", "x", "--json"], True),
    (["--disableplugin", "node-plugin", "install", "x"], False),
    (["install", "node-plugin"], False),
    (["--enablerepo", "node-plugin", "upgrade"], False),
    (["--installroot=/x"], False), (["--no-such-value", "-d"], False), ([], False)])
def test_the_node_plugin_command_is_detected_in_dnfs_arguments(
        words: List[str], expected: bool, capfd: pytest.CaptureFixture[str]) -> None:
    assert others.is_asked(words) is expected
    assert capfd.readouterr() == ("", "")
