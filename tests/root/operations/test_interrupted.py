"""Changes that are killed: the next command undoes them."""
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
UNDONE_TEXT = "was undone"


@pytest.fixture
def interrupted_dnf(dnf: Dnf, node: Path, tmp_path: Path) -> InterruptedDnf:
    return InterruptedDnf(dnf, node, tmp_path / "killing")


def packages(root: Path) -> List[str]:
    output = subprocess.run(
        ["rpm", "--root", str(root), "--dbpath", "/usr/share/rpm", "-qa"],
        check=True, capture_output=True, text=True).stdout
    return sorted(line for line in output.splitlines() if not line.startswith("gpg-pubkey"))


def tree_and_packages(root: Path) -> Tuple[State, List[str]]:
    return tree_state(root), packages(root)


def kill_at_many_changes(interrupted_dnf: InterruptedDnf, words: List[object], *,
                         points: int) -> None:
    """Kill the command ``words`` at ``points`` of its changes, and check what verify restores.

    Without a kill the command succeeds and changes the root. The root is reused while it is
    as before the command.
    """
    root = interrupted_dnf.root
    before = tree_and_packages(root)
    backup = support.copy_tree(root, root.with_name("backup"))
    answer = interrupted_dnf(*words)
    assert answer.status == 0, answer.text
    total, after = len(interrupted_dnf.events()), tree_and_packages(root)
    assert total > points, interrupted_dnf.events()
    outcomes = set()
    undone = False
    for number in evenly_spaced(total, points):
        if not undone:
            subprocess.run(["rm", "-rf", str(root)], check=True)
            support.copy_tree(backup, root)
        assert interrupted_dnf(*words, at=number).status == -signal.SIGKILL
        event = interrupted_dnf.events()[-1]
        pending = (root / JOURNAL / "journal/journal.json").exists()
        answer = interrupted_dnf.dnf.plugin(root, "verify")
        assert (answer.status, UNDONE_TEXT in answer.text) == (0, pending), (
            f"{event}: {answer.text}")
        assert not os.path.lexists(root / JOURNAL), event
        current = tree_and_packages(root)
        undone = current[1] == before[1]
        expected = before if undone else after
        assert (event, state_differences(expected[0], current[0])) == (event, [])
        assert current[1] == expected[1], event
        outcomes.add(undone)
    assert True in outcomes  # at least one change was undone


@pytest.mark.slow
@pytest.mark.main_job
def test_a_killed_install_is_undone_or_complete(interrupted_dnf: InterruptedDnf,
                                                built: support.Fixtures) -> None:
    kill_at_many_changes(interrupted_dnf, ["install", "-y", "--trust-keys", built.bundle("cim")],
                         points=10)


@pytest.mark.slow
def test_a_killed_removal_is_undone_or_complete(interrupted_dnf: InterruptedDnf,
                                                built: support.Fixtures) -> None:
    answer = interrupted_dnf("install", "-y", "--trust-keys", built.bundle("cim"),
                             built.bundle("storage"))
    assert answer.status == 0, answer.text
    kill_at_many_changes(interrupted_dnf, ["remove", "-y", "cim"], points=7)


@pytest.mark.slow
def test_a_killed_upgrade_is_undone_or_complete(interrupted_dnf: InterruptedDnf,
                                                built: support.Fixtures) -> None:
    answer = interrupted_dnf("install", "-y", "--trust-keys", built.bundle("agent", "1.0"))
    assert answer.status == 0, answer.text
    kill_at_many_changes(interrupted_dnf,
                         ["install", "-y", "--trust-keys", built.bundle("agent", "1.1")],
                         points=7)


def test_a_killed_undo_is_completed_by_the_next_command(interrupted_dnf: InterruptedDnf,
                                                        built: support.Fixtures) -> None:
    root = interrupted_dnf.root
    before = tree_and_packages(root)
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    for number in (8, 20):
        interrupted_dnf(*words, at=number_of_record_change(interrupted_dnf, words))
        answer = interrupted_dnf("list", at=number)
        assert answer.status == -signal.SIGKILL, interrupted_dnf.events()
        answer = interrupted_dnf("list")
        assert answer.status == 0 and UNDONE_TEXT in answer.text, answer.text
        assert tree_and_packages(root)[1] == before[1]
        assert state_differences(before[0], tree_state(root)) == []


def number_of_record_change(interrupted_dnf: InterruptedDnf, words: List[object]) -> int:
    """Return the number of the change that writes the record of cim."""
    assert interrupted_dnf(*words).status == 0
    number = next(number for number, line in enumerate(interrupted_dnf.events(), 1)
                  if line.startswith("os.rename 'etc/ovirt.plugins.d/"))
    assert interrupted_dnf("remove", "-y", "cim").status == 0
    return number


def plugin_with_scriptlet(tmp_path: Path, shell: str, section: str = "post") -> Path:
    return make_plugin(tmp_path, "scripted", requires="busybox", scriptlets={section: shell},
                       files={"/opt/scripted/data": "data", "/etc/scripted.conf": "a=1"})


def interrupted_plugin(tmp_path: Path, shell: str, section: str) -> Path:
    """Return a plugin whose scriptlet runs ``shell`` between two changes, the second one late."""
    return plugin_with_scriptlet(
        tmp_path, "exec >/dev/null 2>&1\necho x > /usr/bin/scripted\necho x >> /etc/passwd\n"
        f"{shell}\nsleep 1\necho late > /etc/late\n", section)


def assert_unchanged(before: Tuple[State, List[str]], root: Path) -> None:
    after = tree_and_packages(root)
    assert state_differences(before[0], after[0]) == []
    assert after[1] == before[1]


@pytest.mark.main_job
@pytest.mark.parametrize("section", ["pre", "post", "posttrans"])
def test_a_dnf_killed_by_a_scriptlet_is_undone_after_the_scriptlet_ends(
        dnf: Dnf, node: Path, tmp_path: Path, section: str) -> None:
    bundle = interrupted_plugin(tmp_path, "kill -9 $PPID", section)
    dnf.configure(isolation="off")  # otherwise a scriptlet cannot reach dnf
    before = tree_and_packages(node)
    assert dnf.plugin(node, "install", "-y", UNSIGNED, bundle).status == -signal.SIGKILL
    answer = dnf.plugin(node, "verify")
    assert answer.status == 0 and "An interrupted install of scripted was undone" in answer.text
    assert_unchanged(before, node)


@pytest.mark.main_job
@pytest.mark.parametrize("section", ["pre", "post", "posttrans"])
def test_a_dnf_that_is_killed_while_a_scriptlet_runs_is_undone(
        dnf: Dnf, node: Path, tmp_path: Path, section: str) -> None:
    bundle = interrupted_plugin(tmp_path, ": > /etc/begun", section)
    before = tree_and_packages(node)
    with subprocess.Popen(dnf.argv(node, "node-plugin", "install", "-y", UNSIGNED, bundle),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=environment()) as process:
        while not (node / "etc/begun").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    answer = dnf.plugin(node, "verify")
    assert answer.status == 0 and "An interrupted install of scripted was undone" in answer.text
    assert_unchanged(before, node)


@pytest.mark.parametrize("section", ["pre", "post", "posttrans"])
def test_a_scriptlet_that_kills_the_transaction_is_undone_at_once(
        dnf: Dnf, node: Path, tmp_path: Path, section: str) -> None:
    bundle = interrupted_plugin(tmp_path, "kill -9 $PPID", section)
    before = tree_and_packages(node)
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 8, answer.text
    assert "the sealed process ended with status 137" in answer.text
    assert_unchanged(before, node)


def test_a_scriptlet_that_does_not_end_is_named_in_the_error(node: Path) -> None:
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
def test_sigint_and_sigterm_leave_no_incomplete_change(
        interrupted_dnf: InterruptedDnf, built: support.Fixtures, sent: signal.Signals) -> None:
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    before = tree_and_packages(interrupted_dnf.root)
    number = number_of_record_change(interrupted_dnf, words)
    answer = interrupted_dnf(*words, at=number, sent=sent)
    assert "Traceback" not in answer.text
    verified = interrupted_dnf.dnf.plugin(interrupted_dnf.root, "verify")
    assert verified.status == 0, verified.text
    if answer.status == 0:  # older versions of rpm defer these signals
        interrupted_dnf("remove", "-y", "cim")
    after = tree_and_packages(interrupted_dnf.root)
    assert state_differences(before[0], after[0]) == []
    assert after[1] == before[1]


@pytest.fixture
def interrupted_install(interrupted_dnf: InterruptedDnf, built: support.Fixtures) -> InterruptedDnf:
    """A root in which an install of cim was killed when it began to write the record."""
    words: List[object] = ["install", "-y", "--trust-keys", built.bundle("cim")]
    assert interrupted_dnf(
        *words, at=number_of_record_change(interrupted_dnf, words)).status == -signal.SIGKILL
    return interrupted_dnf


def test_plain_dnf_is_refused_while_an_interrupted_change_is_pending(
        interrupted_install: InterruptedDnf, built: support.Fixtures) -> None:
    rpm = next((built.bundle("vdsm-hook-nested") / "repo").glob("*.rpm"))
    answer = interrupted_install.dnf(interrupted_install.root, "install", "-y", "--nogpgcheck", rpm)
    assert answer.status != 0 and "interrupted" in answer.text, answer.text
    assert f"dnf node-plugin verify --installroot={interrupted_install.root}" in answer.text
    assert interrupted_install.dnf.plugin(interrupted_install.root, "verify").status == 0
    assert interrupted_install.dnf(interrupted_install.root, "install", "-y", "--nogpgcheck",
                                   rpm).status == 0


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def name_a_path_outside(path: Path) -> None:
    path.write_text('{"format": 1, "index": {"../../etc/passwd": null}}')


def set_unknown_format(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))


def make_entry_invalid(path: Path) -> None:
    data = json.loads(path.read_text())
    data["index"]["etc/passwd"]["stat"] = "no"
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("damage",
                         [make_empty, name_a_path_outside, set_unknown_format, make_entry_invalid])
def test_a_damaged_journal_is_reported_and_nothing_is_changed(
        interrupted_install: InterruptedDnf, damage: Callable[[Path], None]) -> None:
    path = interrupted_install.root / JOURNAL / "journal/journal.json"
    damage(path)
    before = tree_state(interrupted_install.root)
    for words in (["verify"], ["list"], ["remove", "-y", "cim"]):
        answer = interrupted_install.dnf.plugin(interrupted_install.root, *words)
        assert answer.status == 9, answer.text
        assert str(path) in answer.text and "Traceback" not in answer.text
    assert state_differences(before, tree_state(interrupted_install.root)) == []


def test_a_journal_that_names_paths_outside_the_root_is_refused(
        interrupted_install: InterruptedDnf, tmp_path: Path) -> None:
    path = interrupted_install.root / JOURNAL / "journal/journal.json"
    outside = tmp_path / "outside"
    outside.write_text("mine")
    valid = json.loads(path.read_text())
    absent = {"stat": [0o100644, 0, 0, 0, 0, 0, 0], "kind": "file", "mtime_ns": 0}
    for entries in ({"../outside": None}, {str(outside): None}, {"etc/../../outside": None},
                    {"etc/x": {**absent, "twin": "../outside"}},
                    {"etc/x": {**absent, "number": "../../../../../outside"}}):
        path.write_text(json.dumps({**valid, "index": {**valid["index"], **entries}}))
        answer = interrupted_install.dnf.plugin(interrupted_install.root, "verify")
        assert answer.status == 9 and str(path) in answer.text, answer.text
        assert outside.read_text() == "mine" and outside.stat().st_nlink == 1


def test_unprivileged_users_cannot_read_the_journals_content(
        interrupted_install: InterruptedDnf) -> None:
    folder = interrupted_install.root / JOURNAL / "journal"
    for path in (interrupted_install.root.parent, *interrupted_install.root.parent.parents):
        if path.stat().st_uid == 0 and path != Path("/") and path != Path("/tmp"):
            path.chmod(0o755)
    script = f"test -f {folder}/journal.json && ! cat {folder}/journal.json {folder}/content"
    completed = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", script],
                               check=False)
    assert completed.returncode == 0


def test_a_second_change_at_once_is_refused_and_a_killed_change_leaves_no_lock(
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
