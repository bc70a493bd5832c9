"""Other dnf plugins on the machine: none acts when an image or another root is worked on."""
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


class World:
    """A machine with others' plugins, which dnf loads before ours or after it."""

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
        """Run dnf on the root with all plugins there."""
        return self.dnf(self.root, self.path, *words)

    def install(self, *words: object) -> Answer:
        return self("-y", UNSIGNED, *words, "node-plugin", "install", self.bundle)

    def acted(self) -> Dict[str, str]:
        """Return what plugins did: to the machine, and to the root's repositories."""
        found = {str(path.relative_to(self.machine)): "machine"
                 for path in self.machine.rglob("*") if not path.is_dir()}
        if (self.root / REPO).exists():
            found[REPO] = "root"
        return found


@pytest.fixture(params=["before", "after"])
def world(request: pytest.FixtureRequest, tmp_path: Path, node: Path, dnf: Dnf,
          monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, node, dnf, order=request.param)
    monkeypatch.setenv(MACHINE, str(made.machine))
    return made


ALL = {"uploaded-profile", "var/imgbased/persisted-rpms/agent-1.0-1.noarch.rpm", "packages.db",
       "local/agent-1.0-1.noarch.rpm", "repo-headers", REPO}


def test_without_the_list_each_of_them_acts(world: World) -> None:
    world.dnf.configure(others_off="")
    answer = world.install()
    assert answer.status == 0, answer.text
    assert set(world.acted()) == ALL


def test_the_command_keeps_out_those_that_act_on_the_machine(world: World) -> None:
    answer = world.install()
    assert answer.status == 0, answer.text
    assert set(world.acted()) == {"repo-headers"}
    assert "Subscription" not in answer.text and answer.err == ""
    answer = world("-y", "node-plugin", "remove", "agent")
    assert answer.status == 0, answer.text
    assert set(world.acted()) == {"repo-headers"}


@pytest.mark.parametrize("words", [
    ["node-plugin", "list"], ["node-plugin", "verify"], ["--assumeyes", "node-plugin", "repos"]])
def test_looking_at_a_root_wakes_none_of_them(world: World, words: List[str]) -> None:
    answer = world(*words)
    assert answer.status == 0, answer.text
    assert set(world.acted()) <= {"repo-headers"}


def test_the_option_names_more_of_them_by_globs(world: World) -> None:
    world.dnf.configure(others_off="*")
    assert world.install().status == 0
    assert world.acted() == {}


def test_other_commands_of_dnf_have_all_plugins(world: World) -> None:
    assert world("repoquery", "--installed", "node-plugin").status == 0
    assert {REPO, "packages.db", "repo-headers"} <= set(world.acted())


def test_one_that_was_started_before_is_told_and_the_root_is_not_changed_further(
        world: World) -> None:
    """So it is where --enableplugin names ours: dnf does not ask whether it is enabled."""
    answer = world.install("--enableplugin=node-plugin")
    assert answer.status == 6, answer.text
    assert "dnf started the plugins " in answer.err and "subscription-manager" in answer.err
    assert f"this machine and in {world.root}" in answer.err
    assert not (world.root / "opt/agent").exists()
    assert set(world.acted()) <= {REPO}  # what was written when it was made
    advice = [word.rstrip(".") for word in answer.err.split()
              if word.startswith("--disableplugin=")]
    (world.root / REPO).unlink()
    again = world.install("--enableplugin=node-plugin", *advice)
    assert again.status == 0, again.text
    assert set(world.acted()) == {"repo-headers"}


def test_the_advice_leaves_out_what_dnf_puts_before_disableplugin(world: World) -> None:
    answer = world.install("--enableplugin=*,node-plugin,sub*")
    assert answer.status == 6, answer.text
    assert "Run the command again without --enableplugin=*,sub*, and with --disab" in answer.err
    advice = [word.rstrip(".") for word in answer.err.split()
              if word.startswith("--disableplugin=")]
    (world.root / REPO).unlink(missing_ok=True)
    again = world.install("--enableplugin=node-plugin", *advice)
    assert again.status == 0, again.text
    assert set(world.acted()) == {"repo-headers"}


def test_one_that_was_started_before_is_told_where_nothing_is_changed(world: World) -> None:
    answer = world("--enableplugin=node-plugin", "node-plugin", "list")
    assert answer.status == 0, answer.text
    assert answer.err.count("dnf started the plugins ") == 1
    assert "Run the command again with --disableplugin=" in answer.err
    assert set(world.acted()) <= {REPO, "repo-headers"}


def test_a_merge_has_no_plugin_but_ours(
        built: Fixtures, world: World, program: Program, tmp_path: Path) -> None:
    image = tmp_path / "node.squashfs"
    run(["mksquashfs", world.root, image, "-comp", "zstd", "-Xcompression-level", "1",
         "-no-progress"])
    answer = program("merge", image, world.bundle, "-o", tmp_path / "merged.squashfs", "-y",
                     UNSIGNED, world.path)
    assert answer.status == 0, answer.text
    assert world.acted() == {}
    listed = program("inspect", tmp_path / "merged.squashfs", "--json", world.path)
    assert [plugin["name"] for plugin in listed.json["plugins"]] == ["agent"]
    assert world.acted() == {}


def test_those_that_a_node_image_has_act_by_its_configuration(
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
    kept = tmp_path / "machine/var/imgbased/persisted-rpms" / package.name
    assert kept.exists()
    answer = dnf(node, *words[:-2], "remove", "agent")
    assert answer.status == 0, answer.text
    assert not kept.exists()


@pytest.mark.parametrize("words, asked", [
    (["node-plugin"], True),
    (["--installroot", "/x", "node-plugin", "list"], True),
    (["-y", "--enablerepo=a", "--setopt=a=b", "node-plugin", "install", "x", "--json"], True),
    (["--disableplugin", "node-plugin", "install", "x"], False),
    (["install", "node-plugin"], False),
    (["--enablerepo", "node-plugin", "upgrade"], False),
    (["--installroot=/x"], False), (["--no-such-value", "-d"], False), ([], False)])
def test_whether_the_command_is_asked_for_is_told_as_dnf_reads_its_arguments(
        words: List[str], asked: bool, capfd: pytest.CaptureFixture[str]) -> None:
    assert others.is_asked(words) is asked
    assert capfd.readouterr() == ("", "")
