"""Copies that rpm makes of configuration files are the administrator's: kept, and named."""
from __future__ import annotations

import json
from pathlib import Path
from typing import List

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

CONFIG, NOREPLACE = "%config", "%config(noreplace)"


def notes(dnf: Dnf, root: Path, *words: object) -> List[str]:
    """Run a command and return its notes about copies, as in its JSON answer."""
    answer = dnf.plugin(root, *words, "-y", "--json")
    assert answer.status == 0, answer.text
    return [note for note in json.loads(answer.out)["notes"] if ".rpm" in note]


def made(*paths: str) -> str:
    return (f"rpm made {', '.join(paths)}: take from it what you need, and remove it yourself;"
            " no change of plugins does.")


def stays(*paths: str) -> str:
    return (f"{', '.join(paths)} stays as it is: such copies of configuration files are the"
            " administrator's.")


def version(tmp_path: Path, number: str, post: str = "true") -> Path:
    """Return a plugin with two configuration files in /etc and one in /opt."""
    return make_plugin(
        tmp_path, "my", number, requires="busybox", scriptlets={"post": post},
        files=dict.fromkeys(("/etc/my.conf", "/etc/my.kept", "/etc/my.new", "/opt/my/my.conf"),
                            f"version {number}"),
        attributes={"/etc/my.conf": CONFIG, "/etc/my.kept": NOREPLACE, "/etc/my.new": CONFIG,
                    "/opt/my/my.conf": CONFIG})


def test_copies_stay_when_plugins_change_and_are_named(dnf: Dnf, node: Path,
                                                       tmp_path: Path) -> None:
    (node / "etc/my.new").write_text("before the plugin\n")
    assert notes(dnf, node, "install", UNSIGNED, version(tmp_path, "1.0")) == [
        made("/etc/my.new.rpmorig")]
    for path in ("etc/my.conf", "etc/my.kept", "opt/my/my.conf"):
        (node / path).write_text("edited\n")
    before = tree_state(node)
    failing = dnf.plugin(node, "install", UNSIGNED, "-y", version(tmp_path, "3.0", post="exit 1"))
    assert failing.status == 8
    assert state_differences(before, tree_state(node)) == []
    assert notes(dnf, node, "install", UNSIGNED, version(tmp_path, "2.0")) == [
        made("/etc/my.conf.rpmsave", "/etc/my.kept.rpmnew", "/opt/my/my.conf.rpmsave"),
        stays("/etc/my.new.rpmorig")]
    answer = dnf.plugin(node, "manifest", "my")
    assert ".rpm" not in answer.out
    (node / "opt/my/my.conf").write_text("edited again\n")
    before = tree_state(node)
    failing = dnf.plugin(node, "install", UNSIGNED, "-y", version(tmp_path, "4.0", post="exit 1"))
    assert failing.status == 8
    assert state_differences(before, tree_state(node)) == []
    (node / "etc/my.new").write_text("edited too\n")
    assert notes(dnf, node, "remove", "my") == [
        made("/etc/my.kept.rpmsave", "/etc/my.new.rpmsave",
             "/opt/my/my.conf.rpmsave (in place of an older one)"),
        stays("/etc/my.conf.rpmsave", "/etc/my.kept.rpmnew", "/etc/my.new.rpmorig")]
    texts = {path.name: path.read_text() for path in node.glob("etc/my.*")}
    assert texts == {
        "my.conf.rpmsave": "edited\n", "my.kept.rpmnew": "version 2.0\n",
        "my.kept.rpmsave": "edited\n", "my.new": "before the plugin\n",
        "my.new.rpmorig": "before the plugin\n", "my.new.rpmsave": "edited too\n"}
    assert (node / "opt/my/my.conf.rpmsave").read_text() == "edited again\n"
