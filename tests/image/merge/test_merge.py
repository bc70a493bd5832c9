"""Plugins merged into images by the program, and inspection of the results."""
from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.images.image import opened
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.iso_contents import superblock
from tests.support.program import Program

pytestmark = pytest.mark.root

@pytest.fixture(scope="module")
def tree(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs that contains the root of a Node."""
    folder = tmp_path_factory.mktemp("tree")
    root = built.node_root(folder / "root")
    run(["mksquashfs", root, folder / "node.squashfs", "-comp", "zstd", "-Xcompression-level", "3",
         "-b", "65536", "-no-progress"])
    return folder / "node.squashfs"


@pytest.fixture(scope="module")
def nested(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs that contains a filesystem image, as in oVirt Node."""
    folder = tmp_path_factory.mktemp("nested")
    root = built.node_root(folder / "root")
    inner = folder / "outer/LiveOS/rootfs.img"
    inner.parent.mkdir(parents=True)
    with open(inner, "wb") as stream:
        stream.truncate(96 << 20)
    run(["mkfs.ext4", "-q", "-L", "LiveOS", "-b", "4096", "-d", root, inner])
    run(["mksquashfs", folder / "outer", folder / "node.squashfs.img", "-comp", "gzip",
         "-no-progress"])
    return folder / "node.squashfs.img"


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """A plugin with one file."""
    return make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def inspect(program: Program, image: Path) -> Dict[str, object]:
    document: Dict[str, object] = succeeded(program("inspect", "--json", image)).json
    return document


@pytest.mark.main_job
@pytest.mark.parametrize("kind", ["tree", "nested"])
def test_a_plugin_is_merged_and_removed_again(
        kind: str, request: pytest.FixtureRequest, program: Program, agent: Path,
        tmp_path: Path) -> None:
    image: Path = request.getfixturevalue(kind)
    before = digest(image)
    merged, bare = tmp_path / "merged.img", tmp_path / "bare.img"
    answer = succeeded(program("merge", image, agent, "-o", merged, "-y", UNSIGNED))
    assert "Installed plugin agent 1.0." in answer.out
    assert answer.out.endswith(f"{merged} is written.\n")
    assert superblock(merged) == superblock(image)
    assert succeeded(program("extract", merged, "/opt/agent/text")).out == "hello\n"
    document = inspect(program, merged)
    assert [(plugin["name"], plugin["state"]) for plugin in document["plugins"]] == [  # type: ignore[attr-defined]
        ("agent", "installed")]
    assert document["merge"]["source_sha256"] == before  # type: ignore[index]
    assert document["nesting"] == inspect(program, image)["nesting"]
    succeeded(program("merge", merged, "--remove", "agent", "-o", bare, "-y"))
    assert inspect(program, bare)["plugins"] == []
    assert digest(image) == before
    assert list(program.work.iterdir()) == []


def test_a_dry_run_prints_the_plan_and_writes_nothing(
        program: Program, tree: Path, agent: Path, tmp_path: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    answer = succeeded(program("merge", tree, agent, "--dry-run", UNSIGNED))
    assert "Installing agent 1.0" in answer.out
    assert sorted(os.listdir(tmp_path)) == before


def test_the_answer_no_changes_nothing(
        program: Program, tree: Path, agent: Path, tmp_path: Path) -> None:
    answer = program("merge", tree, agent, "-o", tmp_path / "out", UNSIGNED, stdin="n\n")
    assert answer.status == 1
    assert "Operation aborted." in answer.err
    assert not (tmp_path / "out").exists()


def test_a_refusal_of_dnf_keeps_its_message_and_status(
        program: Program, tree: Path, built: support.Fixtures, tmp_path: Path) -> None:
    answer = program("merge", tree, built.bundle("needs-libvirt"), "-o", tmp_path / "out", "-y",
                     UNSIGNED)
    assert answer.status == 5
    assert "You need a newer Node ISO." in answer.err
    assert not (tmp_path / "out").exists()


def test_an_existing_output_is_kept(
        program: Program, tree: Path, agent: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    answer = program("merge", tree, agent, "-o", tmp_path / "out", "-y", UNSIGNED)
    assert answer.status == 2
    assert "--force" in answer.err
    assert (tmp_path / "out").read_text() == "mine"


def test_the_input_is_refused_as_output(program: Program, tree: Path, agent: Path) -> None:
    answer = program("merge", tree, agent, "-o", tree, "-y", "--force", UNSIGNED)
    assert answer.status == 2
    assert "never written to" in answer.err


def test_a_full_filesystem_is_enlarged(program: Program, nested: Path, tmp_path: Path) -> None:
    big = make_plugin(tmp_path, "big", files={"/opt/big/data": os.urandom(90 << 19).hex()})
    merged = tmp_path / "merged.img"
    succeeded(program("merge", nested, big, "-o", merged, "-y", UNSIGNED))
    before, after = (inspect(program, image)["filesystem"] for image in (nested, merged))
    assert after["size_bytes"] > before["size_bytes"]  # type: ignore[index]
    assert after["uuid"] == before["uuid"]  # type: ignore[index]
    assert after["label"] == "LiveOS"  # type: ignore[index]


def test_the_free_space_of_a_plan_is_that_of_the_filesystem_image(
        program: Program, nested: Path, tmp_path: Path) -> None:
    big = make_plugin(tmp_path, "big", files={"/opt/big/data": os.urandom(90 << 19).hex()})
    answer = succeeded(program("merge", nested, big, "--dry-run", "--json", UNSIGNED)).lines[-1]
    (tmp_path / "open").mkdir()
    with opened(nested, tmp_path / "open", run=run) as image:
        info = os.statvfs(image.root)
    space = answer["plans"][0]["space"]
    assert space["free_bytes"] == info.f_bavail * info.f_frsize < space["needed_bytes"]
    assert [note for note in answer["notes"] if note.startswith("LiveOS/rootfs.img grows by ")]


def test_a_folder_is_merged_into_a_folder(
        program: Program, node: Path, agent: Path, tmp_path: Path) -> None:
    before = (node / "root").stat().st_mtime_ns  # dnf writes into /root when it starts
    succeeded(program("merge", node, agent, "-o", tmp_path / "out", "-y", UNSIGNED))
    assert (tmp_path / "out/opt/agent/text").read_text() == "hello\n"
    assert not (node / "opt/agent").exists()
    assert (node / "root").stat().st_mtime_ns == before
    assert (tmp_path / "out/root").is_dir()
    mark = json.loads((tmp_path / "out/usr/share/ovirt-node-plugin/image.json").read_text())
    assert [plugin["name"] for plugin in mark["plugins"]] == ["agent"]


def test_messages_name_paths_in_the_image(
        program: Program, node: Path, agent: Path, tmp_path: Path) -> None:
    (node / "var/lib/ovirt-node-plugin").symlink_to("../opt")
    answer = program("merge", node, agent, "-o", tmp_path / "out", "-y", UNSIGNED)
    assert answer.status == 9, answer.text
    assert "\nError: /var/lib/ovirt-node-plugin/journal leads elsewhere" in answer.err
    (node / "var/lib/ovirt-node-plugin").unlink()
    run(["rm", "-r", node / "etc/yum.repos.d"])
    (node / "etc/yum.repos.d").symlink_to("yum.repos.d")
    answer = program("merge", node, agent, "-o", tmp_path / "out", "-y", UNSIGNED)
    assert answer.status == 6, answer.text
    assert "Error: /etc/yum.repos.d in the image leads back to itself" in answer.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_image_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "junk.iso").write_bytes(b"x" * 5000)
    answer = program("inspect", tmp_path / "junk.iso")
    assert answer.status == 10
    assert "junk.iso" in answer.err
