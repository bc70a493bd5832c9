"""Plugins merged into images by the program, and inspection of the results."""
from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Dict

import pytest

from ovirt_node_plugin.compare.trees import REMOVED, differences
from ovirt_node_plugin.images.image import opened
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import succeeded
from tests.support.file_contexts import add_file_contexts, label
from tests.support.iso_contents import superblock
from tests.support.program import Program

pytestmark = pytest.mark.root

LABEL = "security.selinux"


def labelled_root(built: support.Fixtures, folder: Path) -> Path:
    """Return a Node's root with a policy by which some of its labels are wrong."""
    root = built.node_root(folder / "root")
    add_file_contexts(root)
    for path in ("etc/group", "usr/bin/rpm", "usr/share/factory/etc/group"):
        os.setxattr(root / path, LABEL, b"system_u:object_r:odd_t:s0\0")
    return root


@pytest.fixture(scope="module")
def tree(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs that contains the root of a Node."""
    folder = tmp_path_factory.mktemp("tree")
    root = labelled_root(built, folder)
    run(["mksquashfs", root, folder / "node.squashfs", "-comp", "zstd", "-Xcompression-level", "3",
         "-b", "65536", "-no-progress"])
    return folder / "node.squashfs"


@pytest.fixture(scope="module")
def nested(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A squashfs that contains a filesystem image, as in oVirt Node."""
    folder = tmp_path_factory.mktemp("nested")
    root = labelled_root(built, folder)
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


# the changes of the plugin in the test below, and their types by the policy
LABELS = {
    "etc/.pwd.lock": "etc_t", "etc/group": "etc_t", "etc/gshadow": "etc_t",
    "etc/ovirt.plugins-manifests.d": "record_t",
    "etc/ovirt.plugins-manifests.d/agent.json.gz": "record_t",
    "etc/ovirt.plugins-manifests.d/agent.xml": "record_t", "etc/ovirt.plugins.d": "record_t",
    "etc/ovirt.plugins.d/agent": "record_t", "etc/passwd": "passwd_file_t",
    "etc/shadow": "etc_t", "etc/sysusers.d": "etc_t",
    "etc/sysusers.d/node-plugin-group-agent.conf": "etc_t",
    "etc/sysusers.d/node-plugin-user-agent.conf": "etc_t", "opt/agent": "usr_t",
    "opt/agent/text": "text_t", "opt/site": "site_t", "opt/site/file": "site_t",
    "opt/site/text": "site_t", "usr/lib64/text": "lib_t",
    "usr/share/dnf/history.sqlite": "usr_t", "usr/share/ovirt-node-plugin": "usr_t",
    "usr/share/ovirt-node-plugin/image.json": "usr_t",
    "usr/share/rpm/rpmdb.sqlite": "rpm_var_lib_t",
}


COPIES = ("usr/lib/ovirt.plugins", "usr/share/factory/etc/")


def labels_of_changes(old: Path, new: Path, folder: Path) -> Dict[str, str]:
    """Return the types of the paths that two images differ in.

    The index of a log of SQLite is left out: its bytes tell who opened the database last.
    """
    for name in ("old", "new"):
        (folder / name).mkdir(parents=True)
    with opened(old, folder / "old", run=run) as before, opened(
            new, folder / "new", run=run) as after:
        return {found.path: label(after.root / found.path) for found in differences(
            before.root, after.root, content_limit_bytes=None)
            if found.kind != REMOVED and not found.path.endswith("-shm")}


@pytest.mark.main_job
@pytest.mark.parametrize("kind", ["tree", "nested"])
def test_a_plugin_is_merged_and_removed_again(
        kind: str, request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> None:
    image: Path = request.getfixturevalue(kind)
    agent = make_plugin(
        tmp_path, "agent", files={"/opt/agent/text": "hello", "/opt/site/file": "x"},
        links={"/usr/lib64/text": "nowhere", "/opt/site/text": "nowhere"},
        attributes={"/opt/agent/text": "%caps(cap_net_raw=p)"}, settings=['<user name="agent"/>'])
    before = digest(image)
    merged, bare = tmp_path / "merged.img", tmp_path / "bare.img"
    answer = succeeded(program("merge", image, agent, "-o", merged, "-y", UNSIGNED))
    assert "Installed plugin agent 1.0." in answer.out
    assert answer.out.endswith(f"{merged} is written.\n")
    assert superblock(merged) == superblock(image)
    assert succeeded(program("extract", merged, "/opt/agent/text")).out == "hello\n"
    labels = labels_of_changes(image, merged, tmp_path / "with")
    assert " paths by the image's SELinux policy targeted.\n" in answer.out
    copies = {path: "lib_t" if path.startswith("usr/lib/") else "usr_t"
              for path in labels if path.startswith(COPIES)}
    assert labels == {**LABELS, **copies}
    assert "usr/share/factory/etc/group" in copies
    document = inspect(program, merged)
    assert [(plugin["name"], plugin["state"]) for plugin in document["plugins"]] == [  # type: ignore[attr-defined]
        ("agent", "installed")]
    assert document["merge"]["source_sha256"] == before  # type: ignore[index]
    assert document["nesting"] == inspect(program, image)["nesting"]
    removal = succeeded(program("merge", merged, "--remove", "agent", "-o", bare, "-y", "--json"))
    assert removal.lines[-1]["labels"]["policy"] == "targeted"
    assert removal.lines[-1]["labels"]["compared"] is True
    assert inspect(program, bare)["plugins"] == []
    assert set(labels_of_changes(image, bare, tmp_path / "without")) <= {
        path for path in LABELS if path.startswith("usr/share/")}
    assert digest(image) == before
    assert list(program.work.iterdir()) == []


def test_a_label_that_is_wrong_in_the_output_is_reported(
        program: Program, tree: Path, agent: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/mksquashfs"
    script.write_text("""#!/usr/bin/python3
import os, sys
for path in ("opt/agent/text", "usr/bin/rpm", "etc/ovirt.plugins.d", "var/lib/dnf"):
    os.setxattr(f"{sys.argv[1]}/{path}", "security.selinux",
                b"system_u:object_r:bad_t:s0\\0", follow_symlinks=False)
os.execv("/usr/bin/mksquashfs", sys.argv)
""")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    answer = program("merge", tree, agent, "-o", tmp_path / "merged", "-y", UNSIGNED)
    assert answer.status == 8, answer.text
    actual = "has the SELinux label system_u:object_r:bad_t:s0, not system_u:object_r"
    for line in (f"/opt/agent/text {actual}:text_t:s0",
                 f"/etc/ovirt.plugins.d {actual}:record_t:s0",
                 f"/usr/bin/rpm was changed (xattr {LABEL} system_u:object_r:odd_t:s0 ->"
                 " system_u:object_r:bad_t:s0)",
                 f"/var/lib/dnf was changed (xattr {LABEL} "):
        assert f"  {line}" in answer.err
    assert not (tmp_path / "merged").exists()


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
