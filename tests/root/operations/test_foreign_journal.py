"""Journals in roots that came from elsewhere, and undoing that meets mounts."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from ovirt_node_plugin.system import kernel
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

JOURNAL = "var/lib/ovirt-node-plugin/journal"
SEAL = f"{JOURNAL}/journal.seal"
OPEN = f"{JOURNAL}/journal.json"
COMMANDS = (["list"], ["verify"], ["info", "slow"], ["remove", "-y", "slow"])


def interrupt(dnf: Dnf, root: Path, tmp_path: Path) -> None:
    """Kill dnf while it installs, so that its journal is left in ``root``."""
    bundle = make_plugin(tmp_path, "slow", requires="busybox", files={"/opt/slow/a": "a"},
                         scriptlets={"post": ": > /etc/begun; sleep 600"})
    process = subprocess.Popen(
        dnf.argv(root, "node-plugin", "install", "-y", UNSIGNED, bundle), env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (root / "etc/begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def remove_seal(root: Path) -> None:
    (root / SEAL).unlink()


def change_seal(root: Path) -> None:
    (root / SEAL).write_text("0" * 64)


def change_journal(root: Path) -> None:
    with open(root / OPEN, "a") as file:
        file.write(" ")


@pytest.mark.parametrize("foreign", [remove_seal, change_seal, change_journal])
def test_a_journal_of_another_machine_is_described_and_not_carried_out(
        dnf: Dnf, node: Path, tmp_path: Path, foreign: Callable[[Path], None]) -> None:
    before = tree_state(node)
    interrupt(dnf, node, tmp_path)
    foreign(node)
    left = tree_state(node)
    for words in COMMANDS:
        answer = dnf.plugin(node, *words)
        assert answer.status == 9, answer.text
        assert "was not written by this machine" in answer.text
        assert "install of slow was interrupted" in answer.text
        assert "/etc" in answer.text and "--recover" in answer.text
        assert state_differences(left, tree_state(node)) == []
    answer = succeeded(dnf.plugin(node, "verify", "--recover"))
    assert "An interrupted install of slow was undone" in answer.text
    assert state_differences(before, tree_state(node)) == []


def test_a_journal_of_this_machine_is_carried_out_by_itself(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    interrupt(dnf, node, tmp_path)
    assert "was undone" in succeeded(dnf.plugin(node, "list")).text
    assert state_differences(before, tree_state(node)) == []


def plant(root: Path, change: Callable[[Dict[str, Any]], None]) -> None:
    """Change the journal in ``root`` as somebody would who wants to reach a mount in it."""
    data = json.loads((root / OPEN).read_text())
    change(data)
    (root / OPEN).write_text(json.dumps(data))


def saved(content: int) -> Dict[str, Any]:
    return {"stat": [0o100644, 0, 0, 0, 0, 0, 0], "kind": "file", "mtime_ns": 0,
            "size_bytes": content}


PLANTED: Dict[str, Callable[[Dict[str, Any]], None]] = {
    "removed": lambda data: data["index"].update({"srv/host/precious": None}),
    "written": lambda data: data["index"].update({"srv/host/precious": saved(3)}),
    "made": lambda data: data["index"].update({"srv/host/new": saved(3)}),
    "emptied": lambda data: data["scope"].update({"trees": ["srv/host"]}),
    "names only": lambda data: data["scope"].update({"bare": ["srv/host"]}),
    "near": lambda data: data["near"].append("srv/host"),
    "known as a mount": lambda data: (
        data["index"].update({"srv/host/precious": None}), data["mounts"].append("srv/host"))[0],
}


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_undoing_does_not_reach_what_is_mounted_in_the_root(
        dnf: Dnf, node: Path, tmp_path: Path, name: str) -> None:
    interrupt(dnf, node, tmp_path)
    plant(node, PLANTED[name])
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "precious").write_text("as it was")
    (node / "srv/host").mkdir(parents=True)
    kernel.mount(str(outside), str(node / "srv/host"), None, kernel.MS_BIND)
    try:
        for words in (["list"], ["list", "--recover"]):
            answer = dnf.plugin(node, *words)
            assert answer.status == 9, answer.text
        assert f"umount {node}/srv/host" in answer.text
        assert sorted(os.listdir(outside)) == ["folder", "precious"]
        assert (outside / "precious").read_text() == "as it was"
    finally:
        kernel.unmount(str(node / "srv/host"))


@pytest.mark.parametrize("scope", [".", "", "/", "./", "etc/..", "a//b", "a/./b", "../x"])
@pytest.mark.parametrize("part", ["trees", "bare", "whole"])
def test_a_journal_whose_scope_is_no_folder_of_the_root_is_refused(
        dnf: Dnf, node: Path, tmp_path: Path, scope: str, part: str) -> None:
    folder = node / JOURNAL
    folder.mkdir(parents=True)
    for place in (folder.parent, folder):
        place.chmod(0o711)
    scopes: Dict[str, Any] = {"paths": [], "trees": [], "bare": [], "near": [], "whole": [],
                              "live": False, "spared": [], part: [scope]}
    (folder / "journal.json").write_text(json.dumps({
        "format": 1, "operation": "install", "plugins": ["x"], "tool": "t", "scope": scopes,
        "near": [], "names": [], "index": {}}))
    before = tree_state(node)
    answer = dnf.plugin(node, "verify", "--recover")
    assert answer.status == 9 and "cannot be read" in answer.text, answer.text
    assert state_differences(before, tree_state(node)) == []


def test_a_filesystem_that_is_part_of_the_root_is_undone_too(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    (node / "opt").mkdir(exist_ok=True)
    kernel.mount("tmpfs", str(node / "opt"), "tmpfs", 0)
    try:
        interrupt(dnf, node, tmp_path)
        assert (node / "opt/slow/a").exists()
        assert "was undone" in succeeded(dnf.plugin(node, "list")).text
        assert os.listdir(node / "opt") == []
    finally:
        kernel.unmount(str(node / "opt"))


def test_a_filesystem_that_is_missing_since_has_to_be_mounted_again(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    (node / "opt/slow").mkdir(parents=True)
    kernel.mount("tmpfs", str(node / "opt/slow"), "tmpfs", 0)
    interrupt(dnf, node, tmp_path)
    kernel.unmount(str(node / "opt/slow"))
    (node / "opt/slow/a").write_text("somebody else's")
    answer = dnf.plugin(node, "list")
    assert answer.status == 9, answer.text
    assert f"{node}/opt/slow is not mounted any more" in answer.text
    assert (node / "opt/slow/a").read_text() == "somebody else's"


def test_what_a_foreign_journal_says_does_not_reach_the_terminal_unchanged(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    interrupt(dnf, node, tmp_path)
    plant(node, lambda data: data.update(
        {"operation": "\x1b]0;title\x07install", "plugins": ["\u202eslow"]}))
    answer = dnf.plugin(node, "list")
    assert answer.status == 9
    assert not {"\x1b", "\x07", "\u202e"} & set(answer.text)
