"""The chapter UPGRADES of ovirt-node-plugin(8): every command in it is run, in order."""
from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.images.rpm.rpm_file import copy_squashfs
from ovirt_node_plugin.system.path_sets import REGISTRY
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support import imgbased, manpages
from tests.support.dnf_runner import Answer, Dnf, environment, succeeded
from tests.support.manpages import Example
from tests.support.program import Program
from tests.support.signing import signing_key
from tests.support.update_rpm import NAME, make_update_rpm

PAGE, REPO_FILE = "ovirt-node-plugin.8", "etc/yum.repos.d/site.repo"
ON_NODE, IN_BUILD, REPO = "upgrade-node", "upgrade-build", "upgrade-repo"


def commands(example: Example) -> List[List[str]]:
    """Return the argument lists of an example."""
    return [shlex.split(line) for line in example.text.replace("\\\n", " ").splitlines()]


@dataclass
class Site:
    """The folder of the build machine, and the root of a node."""

    place: Path
    dnf: Dnf
    key: str
    node: Path

    def build(self, example: Example) -> str:
        """Run the commands of an example on the build machine; return what they print."""
        printed = ""
        for words in commands(example):
            words = [self.key if word == "site@example.com" else word for word in words]
            argv = (Program(self.place, self.dnf).argv(words[1], *words[2:])
                    if words[0] == "ovirt-node-plugin" else words)
            done = subprocess.run(argv, input="y\n", capture_output=True, text=True, check=False,
                                  env=environment(), cwd=self.place)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            printed += done.stdout
        return printed

    def on_node(self, words: List[str]) -> Answer:
        """Run a command of dnf on the node; paths are those in the folder."""
        assert words[:2] == ["dnf", "node-plugin"]
        paths = [str(self.place / word) if (self.place / word).is_file() else word
                 for word in words[2:]]
        return self.dnf.plugin(self.node, *paths)

    def plugins(self, example: Example) -> List[Tuple[str, str]]:
        """Run the commands after an upgrade; return the plugins that the last one lists."""
        *others, listing = commands(example)
        for words in others:
            succeeded(self.on_node(words))
        listed = succeeded(self.on_node([*listing, "--json"])).json["plugins"]
        return [(plugin["name"], plugin["version"]) for plugin in listed]

    def boot(self, name: str) -> None:
        """Make the image in the RPM ``name``, below the folder, the root of the node.

        imgbased copies changes of /etc from the root before, if there is one.
        """
        squashfs, layer = self.place / "layer.squashfs.img", self.node.with_name("layer")
        squashfs.unlink(missing_ok=True)
        copy_squashfs(self.place / "site" / name, squashfs)
        run(["unsquashfs", "-quiet", "-no-progress", "-dest", layer, squashfs])
        if self.node.exists():
            imgbased.remediate_etc(self.node, layer)
            imgbased.migrate_etc(self.node, layer)
            shutil.rmtree(self.node)
        layer.rename(self.node)

    def offered(self, repo_file: str) -> str:
        """Return the release of the newest image that ``repo_file`` offers to a node."""
        text = re.sub(r"https://\S+?/site/", f"file://{self.place}/site/", repo_file)
        assert text != repo_file
        folder = self.place / "repos"
        folder.mkdir(exist_ok=True)
        (folder / "site.repo").write_text(text)
        return run(["dnf-3", "-q", f"--installroot={self.place}/empty", "--releasever=9",
                    f"--setopt=reposdir={folder}", "repoquery", "--latest-limit=1",
                    "--qf=%{version}-%{release}", NAME]).splitlines()[-1]


@pytest.fixture
def site(built: support.Fixtures, dnf: Dnf, tmp_path: Path,
         monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    place = tmp_path / "build"
    place.mkdir()
    for version in ("4.5.5", "4.5.6"):
        iso, image = place / f"node-{version}.iso", tmp_path / f"{version}.squashfs.img"
        shutil.copyfile(built.iso("tree-live", version=version), iso)
        run(["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/LiveOS/squashfs.img", image])
        shutil.move(str(make_update_rpm(tmp_path, [image], version=version)), place)
    for name, version in (("agent", "1.0"), ("agent", "1.1"), ("storage", "1.0")):
        shutil.copyfile(built.bundle(name, version, form="tar.zst"),
                        place / f"{name}-{version}.tar.zst")
    with signing_key(built.key, monkeypatch) as key:
        yield Site(place, dnf, key, tmp_path / "node")


@pytest.mark.root
@pytest.mark.slow
def test_an_administrator_follows_the_chapter(site: Site) -> None:
    first, repo_file, second, check, after, third = [
        example for example in manpages.examples(PAGE) if example.kind.startswith("upgrade-")]
    assert [example.kind for example in (first, repo_file, second, check, after, third)] == [
        IN_BUILD, REPO, IN_BUILD, ON_NODE, ON_NODE, IN_BUILD]
    same = "All 2 images have the same plugins with the same packages: "

    assert f"{same}agent 1.0, storage 1.0." in site.build(first)
    assert site.offered(repo_file.text) == "4.5.5-1.el9.site1"
    site.boot(f"4.5.5/{NAME}-4.5.5-1.el9.site1.noarch.rpm")
    (site.node / REPO_FILE).write_text(repo_file.text)

    assert f"{same}agent 1.1, storage 1.0." in site.build(second)
    assert site.offered(repo_file.text) == "4.5.6-1.el9.site1"
    (command,) = commands(check)
    succeeded(site.on_node(command))
    site.boot(f"4.5.6/{NAME}-4.5.6-1.el9.site1.noarch.rpm")
    assert (site.node / REPO_FILE).read_text() == repo_file.text
    assert site.plugins(after) == [("agent", "1.1"), ("storage", "1.0")]

    assert f"{same}agent 1.1." in site.build(third)
    assert site.offered(repo_file.text) == "4.5.6-1.el9.site2"
    lost = site.on_node(["dnf", "node-plugin", "check-upgrade",
                         f"site/4.5.6-2/{NAME}-4.5.6-1.el9.site2.noarch.rpm"])
    assert lost.status == Status.BROKEN and "storage 1.0: missing" in lost.out
    site.boot(f"4.5.6-2/{NAME}-4.5.6-1.el9.site2.noarch.rpm")
    assert site.plugins(after) == [("agent", "1.1")]
    assert [path.name for path in (site.node / REGISTRY).iterdir()] == ["agent"]
