"""Changes as units of systemd: how they are started, and what is read of what they printed."""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, List, Sequence

import pytest

from ovirt_node_plugin.errors import CommandError, NodePluginError, Refused, UsageError
from ovirt_node_plugin.operations import detached
from ovirt_node_plugin.operations.detached import DetachedChange, Started
from ovirt_node_plugin.system.run import Runner, StrPath

pytestmark = pytest.mark.unit

RESULT = {"event": "result", "format": 1, "done": True}


class Systemd:
    """A runner that has units, all of which run until they are removed from ``alive``."""

    def __init__(self) -> None:
        self.alive: List[str] = []
        self.argvs: List[List[str]] = []
        self.broken = False

    def __call__(self, argv: Sequence[StrPath], **_: object) -> str:
        words = list(map(str, argv))
        self.argvs.append(words)
        if words[0] == "systemctl":
            units = words[words.index("--") + 1:]
            return "\n\n".join(f"Id={unit}\nActiveState="
                               + ("active" if unit in self.alive else "inactive")
                               for unit in units) + "\n"
        if self.broken:
            raise CommandError("no bus", argv=words, returncode=1)
        self.alive.append(words[1].partition("=")[2])
        return ""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setattr(detached, "FOLDER", tmp_path / "run" / "changes")
    monkeypatch.setattr(detached, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(detached, "_is_root", lambda: True)
    monkeypatch.setattr(os, "getpid", iter(range(1000, 2000)).__next__)
    return Systemd()


def started(run: Runner, **environment: str) -> Started:
    return detached.start("install", ["acme"], ["/usr/bin/dnf-3", "install", "a $b"],
                          environment=environment, run=run)


def printed(unit: str, *lines: Any, text: str = "") -> None:
    (detached.FOLDER / unit / "lines").write_text(
        text + "".join(json.dumps(line) + "\n" for line in lines))


def stands(change: Started, run: Runner) -> DetachedChange:
    return detached.change(change.unit, run)


def test_the_unit_has_the_command_its_folder_and_ends_as_with_ctrl_c() -> None:
    change = Started(unit="u.service", operation="install", names=(), started_at="",
                     command=("/usr/bin/dnf-3", "$HOME", "a b"))
    folder = "/run/ovirt-node-plugin/changes/u.service"
    assert detached.unit_argv(change, "/srv") == [
        "systemd-run", "--unit=u.service", "--collect", "--quiet",
        "--description=dnf node-plugin install", "--property=WorkingDirectory=/srv",
        f"--property=EnvironmentFile={folder}/environment",
        f"--property=StandardOutput=file:{folder}/lines", "--property=StandardError=journal",
        "--property=KillSignal=SIGINT", "--property=KillMode=mixed",
        "--property=TimeoutStopSec=infinity", "--", "/usr/bin/dnf-3", "$$HOME", "a b"]


def test_a_password_of_a_proxy_is_in_no_argument_and_no_file_of_others(systemd: Systemd) -> None:
    change = started(systemd, https_proxy='http://me:a"$`\\b@proxy', LC_TIME="C", SSH_TTY="x")
    file = detached.FOLDER / change.unit / "environment"
    assert file.read_text() == (
        'LC_TIME="C"\nhttps_proxy="http://me:a\\"\\$\\`\\\\b@proxy"\n')
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "me:a" not in str(systemd.argvs)


def test_a_change_runs_until_its_unit_ends_and_is_lost_without_an_answer(
        systemd: Systemd) -> None:
    change = started(systemd)
    message = {"event": "message", "level": "info", "text": "one\ntwo"}
    printed(change.unit, {"event": "step", "step": "plan"}, message, text="noise\n[1]\n")
    now = stands(change, systemd)
    assert (now.state, now.exit_status, now.answer, now.log) == (
        "running", None, None, ("one", "two"))
    assert now.step is not None and now.step["step"] == "plan"
    systemd.alive.clear()
    assert (stands(change, systemd).state, stands(change, systemd).ended_at) == ("lost", "")


@pytest.mark.parametrize(("last", "state", "status"), [
    (RESULT, "done", 0), ({**RESULT, "unrepaired": [{}]}, "failed", 9),
    ({"event": "error", "error": {"status": 6}}, "failed", 6),
    ({"event": "error", "error": {"status": "x"}}, "failed", 1)])
def test_the_exit_status_is_that_of_the_answer(
        systemd: Systemd, last: Any, state: str, status: int) -> None:
    change = started(systemd)
    printed(change.unit, last)
    assert stands(change, systemd).state == "running"  # it may still hold its lock
    systemd.alive.clear()
    ended = stands(change, systemd)
    assert (ended.state, ended.exit_status) == (state, status)
    assert ended.answer == {name: value for name, value in last.items() if name != "event"}


def test_the_last_answer_counts_and_may_be_longer_than_one_read(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detached, "CHANGE_OUTPUT_BYTES", 16)
    change = started(systemd)
    printed(change.unit, {"event": "error", "error": {"status": 9, "message": "of a scriptlet"}},
            {**RESULT, "text": "x" * 100})
    systemd.alive.clear()
    assert (stands(change, systemd).state, stands(change, systemd).exit_status) == ("done", 0)


def test_a_very_long_log_and_answer_are_not_in_the_list_of_all_changes(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    change = started(systemd)
    printed(change.unit, {"event": "message", "text": "x" * 100}, RESULT)
    systemd.alive.clear()
    assert detached.changes(systemd) == (stands(change, systemd),)
    monkeypatch.setattr(detached, "LISTED_CHANGE_BYTES", 99)
    [listed] = detached.changes(systemd)
    assert (listed.state, listed.exit_status, listed.log, listed.answer) == ("done", 0, (), None)
    assert stands(change, systemd).log == ("x" * 100,)


def test_another_user_learns_only_which_changes_run(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    change = started(systemd)
    printed(change.unit, RESULT)
    monkeypatch.setattr(detached, "_is_root", lambda: False)
    units = "".join(f"{unit} loaded active running\n" for unit in (change.unit, "x.service"))
    only = detached.change(change.unit, lambda *_, **__: units)
    assert (only.unit, only.state, only.names) == (change.unit, "running", ())
    assert detached.new_lines(change.unit, 0) == ([], 0)


def test_a_folder_with_a_name_of_several_lines_is_in_no_file_of_a_unit(
        systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a\nExecStopPost="
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match="no unit of systemd can be started in"):
        started(systemd)
    folder.rmdir()
    with pytest.raises(UsageError, match="the present folder cannot be used: No such file"):
        started(systemd)
    assert (systemd.argvs, detached.FOLDER.exists()) == ([], False)


def test_the_last_ten_changes_are_kept_and_those_that_run(systemd: Systemd) -> None:
    units = [started(systemd).unit for _ in range(12)]
    assert [one.unit for one in detached.changes(systemd)] == units[::-1]
    systemd.alive.clear()
    units.append(started(systemd).unit)
    assert [one.unit for one in detached.changes(systemd)] == units[:-11:-1]


def test_a_unit_that_cannot_be_started_leaves_no_folder(systemd: Systemd) -> None:
    systemd.broken = True
    with pytest.raises(NodePluginError, match="as a unit of systemd: no bus"):
        started(systemd)
    assert not list(detached.FOLDER.iterdir())
    with pytest.raises(UsageError, match="no change x is known"):
        detached.change("x", systemd)


def test_a_folder_that_others_can_write_is_refused(systemd: Systemd) -> None:
    detached.FOLDER.parent.mkdir()
    detached.FOLDER.symlink_to(detached.FOLDER.parent)
    with pytest.raises(Refused, match="is not a folder that only root can change"):
        started(systemd)
    detached.FOLDER.unlink()
    detached.FOLDER.mkdir()
    detached.FOLDER.chmod(0o777)
    with pytest.raises(Refused, match="is not a folder that only root can change"):
        started(systemd)
    assert systemd.argvs == []


def test_lines_are_read_once_and_only_whole(systemd: Systemd) -> None:
    change = started(systemd)
    assert detached.new_lines(change.unit, 0) == ([], 0)
    printed(change.unit, RESULT)
    lines, offset = detached.new_lines(change.unit, 0)
    assert lines == [RESULT]
    with open(detached.FOLDER / change.unit / "lines", "a") as stream:
        stream.write('{"event": "st')
    assert detached.new_lines(change.unit, offset) == ([], offset)


def test_all_lines_are_read_however_many_there_are(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    change = started(systemd)
    printed(change.unit, RESULT, text="noise of a scriptlet\n" * 9)
    monkeypatch.setattr(detached, "CHANGE_OUTPUT_BYTES", 80)
    systemd.alive.clear()
    assert stands(change, systemd).state == "done"


def test_without_systemd_there_are_no_changes_for_any_user(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    started(systemd)
    asked = len(systemd.argvs)
    monkeypatch.setattr(detached, "_SYSTEMD", detached.FOLDER / "none")
    assert detached.changes(systemd) == ()
    monkeypatch.setattr(detached, "_is_root", lambda: False)
    assert detached.changes(systemd) == ()
    assert not detached.sees_ended()
    assert len(systemd.argvs) == asked
    with pytest.raises(UsageError, match="--detach needs systemd"):
        detached.require_systemd()


def test_a_change_is_not_lost_while_its_unit_is_being_started(
        systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: os.getppid())
    change = started(systemd)
    systemd.alive.clear()
    assert stands(change, systemd).state == "running"
    printed(change.unit)
    assert stands(change, systemd).state == "lost"
