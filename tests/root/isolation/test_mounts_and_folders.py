"""What of this machine is mounted in the root, and dnf's folders outside of it."""
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator

import pytest

from ovirt_node_plugin.system import kernel
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]


@contextlib.contextmanager
def mounted(source: str, place: Path, *, kind: str = "") -> Iterator[None]:
    """Mount a folder of this machine at ``place``, read-only, or a filesystem of a ``kind``."""
    place.mkdir(parents=True, exist_ok=True)
    kernel.mount(source, str(place), kind or None, 0 if kind else kernel.MS_BIND)
    try:
        if not kind:
            kernel.mount(None, str(place), None,
                         kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
        yield
    finally:
        kernel.unmount(str(place))


def writer(folder: Path, path: str) -> Path:
    """Return a plugin whose scriptlet writes ``path``."""
    return make_plugin(folder, "writer", requires="busybox",
                       scriptlets={"post": f"exec 2>/dev/null; echo attack > {path} || :"})


@pytest.mark.parametrize("source", ["/etc", "/etc/dnf", "/usr", "/usr/lib", "/boot", "/var",
                                    "/home", "/root", "/opt", "/srv", "/"])
def test_a_folder_of_this_machine_that_is_mounted_in_the_root_is_refused(
        dnf: Dnf, node: Path, tmp_path: Path, source: str) -> None:
    bundle = writer(tmp_path, "/mnt/machine/attack")
    with mounted(source, node / "mnt/machine"):
        answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
        assert answer.status == 6, answer.text
        assert f"a folder of this machine is mounted at {node}/mnt/machine" in answer.text
        assert "Unmount it, then try again." in answer.text
    assert not Path(source, "attack").exists()


@pytest.mark.parametrize("name", ["dev", "proc", "run", "sys"])
def test_what_programs_of_the_root_need_may_be_mounted_and_is_covered(
        dnf: Dnf, node: Path, tmp_path: Path, name: str) -> None:
    bundle = writer(tmp_path, f"/{name}/attack-of-a-scriptlet")
    with mounted(f"/{name}", node / name):
        succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle))
    assert not Path("/", name, "attack-of-a-scriptlet").exists()


def test_a_filesystem_of_its_own_in_the_root_is_part_of_it(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    with mounted("tmpfs", node / "data", kind="tmpfs"):
        succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, writer(tmp_path, "/data/written")))
        assert (node / "data/written").read_text() == "attack\n"


def test_a_folder_of_state_outside_the_root_is_refused(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, f"--setopt=persistdir={tmp_path}/state",
                        writer(tmp_path, "/etc/written"))
    assert answer.status == 6, answer.text
    assert f"dnf keeps its state in {tmp_path}/state, outside of {node}" in answer.text
    assert "Leave out the option persistdir" in answer.text
    assert state_differences(before, tree_state(node)) == []


def test_a_cache_outside_the_root_can_be_read_and_is_not_written_by_scriptlets(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    cache, logs = tmp_path / "cache", tmp_path / "logs"
    logs.mkdir()
    bundle = make_plugin(tmp_path, "writer", requires="busybox", scriptlets={"post": "\n".join((
        "exec 2>/dev/null", "mkdir -p /var/tmp/inner",
        f"for folder in {cache} {logs}; do for top in '' /proc/1/root /proc/2/root; do",
        "echo attack > $top$folder/attack; done; done", "true"))})
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, f"--setopt=cachedir={cache}",
                         f"--setopt=logdir={logs}", bundle))
    assert [path for path in tmp_path.rglob("attack") if node not in path.parents] == []
    assert (logs / "hawkey.log").exists()  # dnf has its other logs in the root
