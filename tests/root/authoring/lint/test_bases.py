"""The bases against which ``ovirt-node-plugin lint`` checks: images, saved bases, versions."""
from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

from ovirt_node_plugin.authoring.lint import bases
from ovirt_node_plugin.authoring.lint.lint import lint
from ovirt_node_plugin.cli.main import main
from ovirt_node_plugin.errors import BadImage, BadRoot, UsageError
from ovirt_node_plugin.images import unmounted
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support import schemas
from tests.support.adhoc import quick_rpm
from tests.support.rpms import make_repo

pytestmark = pytest.mark.root

DESCRIPTOR = """<node-plugin schema-version="1">
  <name>agent</name><version>2.0</version><vendor>ACME</vendor>
  <summary>The agent</summary><url>https://example.com/</url><license>MIT</license>
  <requires><node min="99"/></requires>
  <packages><install name="agent"/></packages>
</node-plugin>
"""


@pytest.fixture(name="agent", scope="module")
def _agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin that needs something that the Node has, and something that it has not."""
    folder = tmp_path_factory.mktemp("agent")
    make_repo(folder / "repo", [quick_rpm("agent", "2.0", requires=["vdsm", "nothing"])])
    (folder / "node-plugin.xml").write_text(DESCRIPTOR)
    return folder


@pytest.fixture(name="images", scope="module")
def _images(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the root of the Node as a squashfs, and in an ext4 and an xfs in one."""
    folder = tmp_path_factory.mktemp("images")
    root = built.folder / "roots/node-4.5.5"
    run(["mksquashfs", root, folder / "plain.squashfs", "-quiet", "-no-progress"])
    for kind, options in (("ext4", ["-d", os.fspath(root)]), ("xfs", [])):
        content = folder / kind / "LiveOS"
        content.mkdir(parents=True)
        with open(content / "rootfs.img", "wb") as stream:
            stream.truncate(400 << 20)
        run([f"mkfs.{kind}", "-q", *options, content / "rootfs.img"])
        run(["mksquashfs", folder / kind, folder / f"{kind}.squashfs", "-quiet", "-no-progress"])
        shutil.rmtree(folder / kind)
    return folder


def reasons(agent: Path, base: Path) -> str:
    return "\n".join(finding.reason for finding in lint(agent, run=run, against=[base]).findings)


@pytest.mark.parametrize("name", ["plain.squashfs", "ext4.squashfs"])
def test_an_image_is_a_base_without_a_mount(
        agent: Path, images: Path, name: str, built: support.Fixtures) -> None:
    assert reasons(agent, images / name) == reasons(agent, built.folder / "roots/node-4.5.5")
    assert "requires nothing, which" in reasons(agent, images / name)
    assert "it needs oVirt Node 99" in reasons(agent, images / name)


def test_an_iso_is_a_base(agent: Path, built: support.Fixtures) -> None:
    assert "requires nothing, which" in reasons(agent, built.iso("installer"))


def test_what_cannot_be_read_without_a_mount_is_named(agent: Path, images: Path) -> None:
    with pytest.raises(BadImage, match="contains a filesystem xfs, which cannot be read") as error:
        lint(agent, run=run, against=[images / "xfs.squashfs"])
    assert "ovirt-node-plugin extract" in error.value.hint


def test_a_base_is_saved_once_and_then_named_by_its_version(
        agent: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    image = images / "plain.squashfs"
    assert main(["lint", str(agent), "--against", str(image), "--save-base", "--json"]) == 7
    answer = schemas.validated(json.loads(capsys.readouterr().out), "answer-lint.json")
    saved = tmp_path / "ovirt-node-plugin/bases/4.5.5.base.tar.gz"
    assert answer["base"] == str(saved)
    content = saved.read_bytes()
    assert main(["lint", str(agent), "--against", "4.5.5", "--save-base", "--json"]) == 7
    again = json.loads(capsys.readouterr().out)
    assert (again["plugins"], saved.read_bytes()) == (answer["plugins"], content)
    shutil.move(saved, tmp_path / "elsewhere")
    assert reasons(agent, tmp_path / "elsewhere") == reasons(agent, image)
    with pytest.raises(UsageError, match="no saved base of that version") as error:
        lint(agent, run=run, against=[Path("4.5.5")])
    assert "--save-base" in error.value.hint


@pytest.mark.parametrize("against", [["--save-base"], ["--save-base", "--against", "REPO"]])
def test_only_the_packages_of_a_root_are_saved(
        agent: Path, against: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(agent / "repo") if word == "REPO" else word for word in against]
    assert main(["lint", str(agent), *words]) == 2
    assert "there is no root whose packages could be saved" in capsys.readouterr().err


def test_what_is_no_base_is_refused(agent: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(BadImage, match="neither an image nor a saved base"):
        lint(agent, run=run, against=[tmp_path / "text"])
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(tmp_path / "text", "etc/os-release")
    with pytest.raises(BadImage, match="has no list of packages"):
        lint(agent, run=run, against=[tmp_path / "other.tar"])
    with pytest.raises(UsageError, match="are two roots"):
        lint(agent, run=run, against=[images / "plain.squashfs", images / "ext4.squashfs"])
    run(["mksquashfs", tmp_path / "text", tmp_path / "none.squashfs", "-quiet", "-no-progress"])
    with pytest.raises(BadImage, match="no root with os-release and a package database"):
        lint(agent, run=run, against=[tmp_path / "none.squashfs"])


def test_an_image_with_two_different_package_databases_is_refused(
        agent: Path, tmp_path: Path, built: support.Fixtures) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/os-release").write_text("VARIANT_ID=ovirt-node\n")
    for version, name in (("4.5.5", "var/lib/rpm"), ("4.5.6", "usr/share/rpm")):
        shutil.copytree(built.folder / f"roots/node-{version}/usr/share/rpm", tree / name)
    run(["mksquashfs", tree, tmp_path / "two.squashfs", "-quiet", "-no-progress"])
    with pytest.raises(BadRoot, match="more than one rpm database"):
        lint(agent, run=run, against=[tmp_path / "two.squashfs"])


def test_links_and_devices_of_a_hostile_image_are_not_followed(tmp_path: Path) -> None:
    tree, into = tmp_path / "tree", tmp_path / "into"
    (tree / "usr/share/rpm").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/os-release").symlink_to("/etc/os-release")
    (tree / "usr/share/rpm/rpmdb.sqlite").symlink_to("/etc/passwd")
    os.mkfifo(tree / "usr/share/rpm/Packages")
    run(["mksquashfs", tree, tmp_path / "hostile.squashfs", "-quiet", "-no-progress"])
    into.mkdir()
    with pytest.raises(BadImage, match="no root"):
        unmounted.copy_packages(tmp_path / "hostile.squashfs", into, run=run)
    assert not any(path.is_file() for path in into.rglob("*"))


def test_the_packages_of_an_image_are_read_as_nobody(images: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # every folder above it can be entered
        work = Path(name)
        work.chmod(0o777)
        shutil.copy(images / "plain.squashfs", work)
        child = os.fork()
        if not child:
            status = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                (work / "into").mkdir()
                unmounted.copy_packages(work / "plain.squashfs", work / "into", run=run)
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (work / "into/usr/share/rpm/rpmdb.sqlite").stat().st_uid == 65534


def test_a_version_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no saved base"), \
            bases.opened([Path("../4.5.5")], run=run, own=tmp_path / "bases"):
        pass
