"""Changes that are killed: whatever was done so far is undone by the next command."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from ovirt_node_plugin.errors import Refused
from ovirt_node_plugin.operations.apply import change
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment
from tests.support.interrupted_dnf import InterruptedDnf, evenly_spaced
from tests.support.tree_states import State, state_differences, tree_state

pytestmark = [pytest.mark.root]

JOURNAL = "var/lib/ovirt-node-plugin"
MARKED = "was undone"


@pytest.fixture
def killing(dnf: Dnf, node: Path, tmp_path: Path) -> InterruptedDnf:
    return InterruptedDnf(dnf, node, tmp_path / "killing")


def packages(root: Path) -> List[str]:
    said = subprocess.run(
        ["rpm", "--root", str(root), "--dbpath", "/usr/share/rpm", "-qa"],
        check=True, capture_output=True, text=True).stdout
    return sorted(line for line in said.splitlines() if not line.startswith("gpg-pubkey"))


def look(root: Path) -> Tuple[State, List[str]]:
    return tree_state(root), packages(root)


def kill_everywhere(killing: InterruptedDnf, words: List[object], *, points: int) -> None:
    """Kill a command at ``points`` of its changes; ``words`` succeed and change the root.

    The root is reused: it must be as it was after each.
    """
    root = killing.root
    before = look(root)
    backup = support.copy_tree(root, root.with_name("backup"))
    answer = killing(*words)
    assert answer.status == 0, answer.text
    total, after = len(killing.events()), look(root)
    assert total > points, killing.events()
    outcomes = set()
    fresh = False
    for at in evenly_spaced(total, points):
        if not fresh:
            subprocess.run(["rm", "-rf", str(root)], check=True)
            support.copy_tree(backup, root)
        assert killing(*words, at=at).status == -signal.SIGKILL
        where = killing.events()[-1]
        waiting = (root / JOURNAL / "journal/journal.json").exists()
        answer = killing.dnf.plugin(root, "verify")
        assert (answer.status, MARKED in answer.text) == (0, waiting), f"{where}: {answer.text}"
        assert not os.path.lexists(root / JOURNAL), where
        now = look(root)
        fresh = now[1] == before[1]
        expected = before if fresh else after
        assert (where, state_differences(expected[0], now[0])) == (where, [])
        assert now[1] == expected[1], where
        outcomes.add(fresh)
    assert True in outcomes  # at least one was undone


@pytest.mark.slow
@pytest.mark.main_job
def test_an_install_that_is_killed_anywhere_is_undone_or_done(
        killing: InterruptedDnf, built: support.Fixtures) -> None:
    kill_everywhere(killing, ["install", "-y", "--trust-keys", built.bundle("cim")], points=10)


@pytest.mark.slow
def test_a_removal_that_is_killed_anywhere_is_undone_or_done(
        killing: InterruptedDnf, built: support.Fixtures) -> None:
    answer = killing("install", "-y", "--trust-keys", built.bundle("cim"), built.bundle("storage"))
    assert answer.status == 0, answer.text
    kill_everywhere(killing, ["remove", "-y", "cim"], points=7)


@pytest.mark.slow
def test_an_upgrade_that_is_killed_anywhere_is_undone_or_done(
        killing: InterruptedDnf, built: support.Fixtures) -> None:
    answer = killing("install", "-y", "--trust-keys", built.bundle("agent", "1.0"))
    assert answer.status == 0, answer.text
    kill_everywhere(killing, ["install", "-y", "--trust-keys", built.bundle("agent", "1.1")],
                    points=7)


def test_an_undoing_that_is_killed_is_undone_again(
        killing: InterruptedDnf, built: support.Fixtures) -> None:
    root = killing.root
    before = look(root)
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    for at in (8, 20):
        killing(*words, at=record_event(killing, words))
        answer = killing("list", at=at)
        assert answer.status == -signal.SIGKILL, killing.events()
        answer = killing("list")
        assert answer.status == 0 and MARKED in answer.text, answer.text
        assert look(root)[1] == before[1]
        assert state_differences(before[0], tree_state(root)) == []


def record_event(killing: InterruptedDnf, words: List[object]) -> int:
    """Return the number of the change that puts the record in place."""
    assert killing(*words).status == 0
    number = next(number for number, line in enumerate(killing.events(), 1)
                  if line.startswith("os.rename 'etc/ovirt.plugins.d/"))
    assert killing("remove", "-y", "cim").status == 0
    return number


def plugin_with_scriptlet(tmp_path: Path, shell: str, section: str = "post") -> Path:
    return make_plugin(tmp_path, "scripted", requires="busybox", scriptlets={section: shell},
                       files={"/opt/scripted/data": "data", "/etc/scripted.conf": "a=1"})


@pytest.mark.main_job
@pytest.mark.parametrize("section", ["pre", "post", "posttrans"])
def test_a_dnf_killed_by_a_scriptlet_is_undone_when_the_scriptlet_has_ended(
        dnf: Dnf, node: Path, tmp_path: Path, section: str) -> None:
    bundle = plugin_with_scriptlet(
        tmp_path, "exec >/dev/null 2>&1\necho x > /usr/bin/scripted\necho x >> /etc/passwd\n"
        "kill -9 $PPID\nsleep 1\necho late > /etc/late\n", section)
    before = look(node)
    assert dnf.plugin(node, "install", "-y", UNSIGNED, bundle).status == -signal.SIGKILL
    answer = dnf.plugin(node, "verify")
    assert answer.status == 0 and "An interrupted install of scripted was undone" in answer.text
    now = look(node)
    assert state_differences(before[0], now[0]) == []
    assert now[1] == before[1]


def test_a_scriptlet_that_does_not_end_is_named(node: Path) -> None:
    with subprocess.Popen(["chroot", node, "/bin/sleep", "300"]) as process:
        try:
            while os.readlink(f"/proc/{process.pid}/root") != str(node):
                time.sleep(0.01)
            with pytest.raises(Refused) as caught:
                change.wait_for_scriptlets(node, timeout_s=0.2)
            assert f"{process.pid} (sleep)" in str(caught.value)
        finally:
            process.kill()
    change.wait_for_scriptlets(node, timeout_s=0)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_a_polite_end_leave_nothing_half_done(
        killing: InterruptedDnf, built: support.Fixtures, sent: signal.Signals) -> None:
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    before = look(killing.root)
    number = record_event(killing, words)
    answer = killing(*words, at=number, sent=sent)
    assert "Traceback" not in answer.text
    verified = killing.dnf.plugin(killing.root, "verify")
    assert verified.status == 0, verified.text
    if answer.status == 0:  # older rpms hold such signals back, and the change is done
        killing("remove", "-y", "cim")
    now = look(killing.root)
    assert state_differences(before[0], now[0]) == []
    assert now[1] == before[1]


@pytest.fixture
def half_done(killing: InterruptedDnf, built: support.Fixtures) -> InterruptedDnf:
    """A root in which an install of cim was killed when its record was to be written."""
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    assert killing(*words, at=record_event(killing, words)).status == -signal.SIGKILL
    return killing


def test_plain_dnf_is_refused_while_a_change_waits(
        half_done: InterruptedDnf, built: support.Fixtures) -> None:
    rpm = next((built.bundle("vdsm-hook-nested") / "repo").glob("*.rpm"))
    answer = half_done.dnf(half_done.root, "install", "-y", "--nogpgcheck", rpm)
    assert answer.status != 0 and "interrupted" in answer.text, answer.text
    assert f"dnf node-plugin verify --installroot={half_done.root}" in answer.text
    assert half_done.dnf.plugin(half_done.root, "verify").status == 0
    assert half_done.dnf(half_done.root, "install", "-y", "--nogpgcheck", rpm).status == 0


def damage_nothing(path: Path) -> None:
    path.write_bytes(b"")


def damage_text(path: Path) -> None:
    path.write_text('{"format": 1, "index": {"../../etc/passwd": null}}')


def damage_format(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


def damage_kept(path: Path) -> None:
    data = json.loads(path.read_text())
    data["index"]["etc/passwd"]["stat"] = "no"
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("damage", [damage_nothing, damage_text, damage_format, damage_kept])
def test_a_damaged_journal_is_told_and_nothing_is_destroyed(
        half_done: InterruptedDnf, damage: Callable[[Path], None]) -> None:
    path = half_done.root / JOURNAL / "journal/journal.json"
    damage(path)
    before = tree_state(half_done.root)
    for words in (["verify"], ["list"], ["remove", "-y", "cim"]):
        answer = half_done.dnf.plugin(half_done.root, *words)
        assert answer.status == 9, answer.text
        assert str(path) in answer.text and "Traceback" not in answer.text
    assert state_differences(before, tree_state(half_done.root)) == []


def test_a_journal_that_names_paths_outside_the_root_reaches_nothing_there(
        half_done: InterruptedDnf, tmp_path: Path) -> None:
    path = half_done.root / JOURNAL / "journal/journal.json"
    outside = tmp_path / "outside"
    outside.write_text("mine")
    good = json.loads(path.read_text())
    absent = {"stat": [0o100644, 0, 0, 0, 0, 0, 0], "kind": "file", "mtime_ns": 0}
    for bad in ({"../outside": None}, {str(outside): None}, {"etc/../../outside": None},
                {"etc/x": {**absent, "twin": "../outside"}},
                {"etc/x": {**absent, "number": "../../../../../outside"}}):
        path.write_text(json.dumps({**good, "index": {**good["index"], **bad}}))
        answer = half_done.dnf.plugin(half_done.root, "verify")
        assert answer.status == 9 and str(path) in answer.text, answer.text
        assert outside.read_text() == "mine" and outside.stat().st_nlink == 1


def test_others_see_that_a_change_waits_but_not_what_the_journal_keeps(
        half_done: InterruptedDnf) -> None:
    folder = half_done.root / JOURNAL / "journal"
    for path in (half_done.root.parent, *half_done.root.parent.parents):
        if path.stat().st_uid == 0 and path != Path("/") and path != Path("/tmp"):
            path.chmod(0o755)
    script = f"test -f {folder}/journal.json && ! cat {folder}/journal.json {folder}/content"
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", script],
                          check=False)
    assert done.returncode == 0


def test_two_changes_at_once_are_refused_and_a_killed_one_leaves_no_lock(
        dnf: Dnf, node: Path, tmp_path: Path, built: support.Fixtures) -> None:
    bundle = plugin_with_scriptlet(
        tmp_path, "exec >/dev/null 2>&1\n: > /tmp/begun\n"
        "while ! test -e /tmp/go; do sleep 0.1; done\n")
    first = subprocess.Popen(dnf.argv(node, "node-plugin", "install", "-y", UNSIGNED, bundle),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=environment())
    for _ in range(200):
        if (node / "tmp/begun").exists() or first.poll() is not None:
            break
        subprocess.run(["sleep", "0.05"], check=True)
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("cim"))
    assert answer.status == 200 and "another process is changing plugins" in answer.text
    answer = dnf.plugin(node, "list")
    assert answer.status == 0 and "goes on" in answer.text, answer.text
    first.kill()
    first.wait()
    (node / "tmp/go").touch()
    answer = dnf.plugin(node, "install", "-y", "--trust-keys", built.bundle("cim"))
    assert answer.status == 0 and "install of scripted was undone" in answer.text, answer.text
