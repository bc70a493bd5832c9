"""What scriptlets do in paths that programs read by themselves: detected, undone, verified."""
from __future__ import annotations

from pathlib import Path

import pytest

from ovirt_node_plugin.operations.apply import change
from ovirt_node_plugin.operations.drift import effect_findings
from ovirt_node_plugin.system import read_paths
from ovirt_node_plugin.target import HOST, Target
from ovirt_node_plugin.undo import journal, undoing
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import state_differences, tree_state

# In /boot only new entries are undone; these files the system makes anew at any time.
ACTIVE = [path for path in read_paths.active() if not path.startswith("boot/")
          and path not in ("etc/ld.so.cache", "etc/resolv.conf", "usr/lib/udev")]


def plain(glob: str) -> str:
    return glob.replace("lib*", "lib64").replace("*-pack", "site-pack").replace("*", "x")


def begun(root: Path) -> journal.Journal:
    target = Target(root, HOST, "EL 9", "9", "var/lib/rpm")
    scope = change.scope(target, [], plugins=[], settings=[], changes=[])
    return journal.begin(root, journal.Intent("install", ("x",), "test"), scope)


@pytest.mark.parametrize("exists", [True, False])
def test_changes_of_scriptlets_in_every_active_path_are_detected_and_undone(
        tmp_path: Path, exists: bool) -> None:
    files = {plain(path) if path.endswith(".pth") else f"{plain(path)}/old" for path in ACTIVE}
    for path in files:
        folder = (tmp_path / path).parent if exists else (tmp_path / path).parent.parent
        folder.mkdir(parents=True, exist_ok=True)
        if exists:
            (tmp_path / path).write_text("old")
    before = tree_state(tmp_path)
    opened = begun(tmp_path)
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("evil")
        (tmp_path / path).with_name("xnew.pth").write_text("evil")
    changes = {each.path for each in opened.effects(owned=())}
    expected = files | {f"{path.rpartition('/')[0]}/xnew.pth" for path in files}
    assert expected - changes == set()
    undoing.undo(tmp_path)
    assert state_differences(before, tree_state(tmp_path)) == []


@pytest.mark.parametrize("path", [path for path in ACTIVE if path != "var/lib/alternatives"])
def test_verify_reports_files_of_scriptlets_in_every_active_path(tmp_path: Path,
                                                                 path: str) -> None:
    name = plain(path) if path.endswith(".pth") else f"{plain(path)}/made"
    opened = begun(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("made")
    effects = opened.effects(owned=())
    assert [*effect_findings(effects, tmp_path)] == []
    (tmp_path / name).unlink()
    assert f"/{name}, which a scriptlet made, is missing" in [
        finding.text for finding in effect_findings(effects, tmp_path)]


def test_what_a_scriptlet_changes_in_active_paths_is_named_and_goes_with_the_plugin(
        host: Path, dnf: Dnf, tmp_path: Path) -> None:
    sysctl, cron = host / "usr/lib/sysctl.d/50-own.conf", host / "var/spool/cron/root"
    for own in (sysctl, cron):
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text("own\n")
    before = tree_state(host)
    answer = dnf.plugin(host, "install", make_plugin(
        tmp_path, "sly", requires="busybox", scriptlets={"post": """
            echo evil >> /usr/lib/sysctl.d/50-own.conf; echo evil >> /var/spool/cron/root
            echo evil > /root/.bashrc; mkdir -p /usr/lib/bootc/kargs.d
            echo evil > /usr/lib/bootc/kargs.d/evil.toml"""}), "-y", UNSIGNED)
    assert answer.status == 0, answer.err
    for path in ("usr/lib/sysctl.d/50-own.conf", "var/spool/cron/root", "root/.bashrc",
                 "usr/lib/bootc/kargs.d/evil.toml"):
        assert f"/{path}" in answer.out + answer.err
    assert dnf.plugin(host, "verify").status == 0
    cron.write_text("own\n")
    (host / "root/.bashrc").write_text("other\n")
    answer = dnf.plugin(host, "verify")
    assert "/root/.bashrc, which a scriptlet made, was changed" in answer.out + answer.err
    (host / "root/.bashrc").write_text("evil\n")
    cron.write_text("own\nevil\n")
    assert dnf.plugin(host, "remove", "sly", "-y").status == 0
    assert state_differences(before, tree_state(host)) == []
