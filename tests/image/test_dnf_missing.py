"""The program's runs of dnf, and the messages if dnf is missing."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Container, List, Optional, Sequence

import pytest

import tests.support.program
from ovirt_node_plugin.errors import CommandError
from ovirt_node_plugin.images.dnf_program import Dnf
from ovirt_node_plugin.operations.model.answers import ListAnswer
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests.support.dnf_runner import TOP
from tests.support.program import Program

pytestmark = pytest.mark.root

TARGET = ('"target": {"root": "/r", "kind": "node", "name": "oVirt Node", "version": "4.5.5",'
          ' "live": false, "image_mode": false, "deployed": false, "changes": {"allowed": true,'
          ' "status": 0, "message": "", "hint": "", "lines": []}}')


def test_dnf_3_is_run_with_only_this_plugin() -> None:
    started: List[List[str]] = []

    def recorder(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                 polled: Polled = None) -> str:
        started.append([os.fspath(word) for word in argv])
        return f'{{"format": 1, {TARGET}, "plugins": []}}'

    Dnf(("--enablerepo=x",), recorder).run_json(Path("/r"), "list", ["a"], answer=ListAnswer)
    (argv,) = started
    assert argv[0] == "dnf-3" and argv[1] in ("--config=/etc/dnf/dnf.conf", "--config=/dev/null")
    assert argv[2:] == [
        "--installroot=/r", "--setopt=logdir=/var/cache/dnf", "--disableplugin=*",
        "--enableplugin=node_plugin", "--enablerepo=x", "node-plugin", "--json", "list", "--", "a"]


def test_a_dnf_ended_by_a_signal_is_not_reported_as_missing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dnf-3").write_text("#!/bin/sh\nkill -KILL $$\n")
    (tmp_path / "dnf-3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(CommandError) as caught:
        Dnf((), run).run_json(Path("/r"), "list", [], answer=ListAnswer)
    assert caught.value.message == "dnf-3 ended with signal 9"
    assert caught.value.hint == ""


def refused(program: Program, root: Path, *words: str, status: int = 1) -> str:
    """Return the message of ``inspect`` if ``dnf node-plugin`` cannot be run."""
    answer = program("inspect", root, *words)
    assert answer.status == status and answer.out == "", answer.text
    assert len(answer.err.splitlines()) == 2, answer.err
    return answer.err


def test_a_missing_dnf_plugin_is_reported_with_the_reason(
        node: Path, program: Program, tmp_path: Path) -> None:
    program.dnf.configure(enabled="0")
    message = refused(program, node)
    assert "its plugin is disabled" in message and "enabled = 1" in message
    program.dnf.configure()
    message = refused(program, node, "--setopt=plugins=0")
    assert "plugins=0 in dnf.conf" in message
    (tmp_path / "empty").mkdir()
    message = refused(program, node, f"--setopt=pluginpath={tmp_path / 'empty'}")
    assert "its plugin is not installed" in message and "python3-dnf-plugin-node-plugin" in message
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "node_plugin.py").write_text("import ovirt_node_plugin.absent\n")
    message = refused(program, node, f"--setopt=pluginpath={broken}")
    assert "No module named 'ovirt_node_plugin.absent'" in message


@pytest.mark.parametrize("name, expected", [
    (None, "dnf-3 cannot be started: it is not installed\n"),
    ("dnf5", "dnf on this machine is DNF 5"),
    ("dnf4", "dnf-3 cannot be started: it is not installed\n")])
def test_a_machine_without_dnf_4_is_reported(node: Path, program: Program, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch,
                                             name: Optional[str], expected: str) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for path in Path(folder).iterdir():
            if not path.name.startswith(("dnf", "yum")) and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path)
    if name is not None:
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
        (programs / "dnf").symlink_to(name)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(tests.support.program, "environment",
                        lambda: {**os.environ, "PYTHONPATH": str(TOP), "LC_ALL": "C.UTF-8"})
    text = refused(program, node, status=8)
    assert expected in text and "Install python3-dnf" in text


@pytest.mark.parametrize("printed, message", [
    ("Loaded plugins", "dnf-3 printed no JSON for list"),
    ("[]", "the answer of dnf-3 to list cannot be read: it is not an object"),
    ('{"format": 2}', "the answer of dnf-3 to list cannot be read: its format is 2, not 1"),
    (f'{{"format": 1, {TARGET}}}',
     "the answer of dnf-3 to list cannot be read: /plugins is missing"),
    (f'{{"format": 1, {TARGET}, "plugins": {{}}}}', "/plugins is not a list"),
    ('{"format": 1, "error": {}}', "/error/status is missing")])
def test_an_answer_of_another_form_is_refused(
        node: Path, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        printed: str, message: str) -> None:
    (tmp_path / "answer").write_text(printed)
    (tmp_path / "dnf-3").write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    (tmp_path / "dnf-3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    answer = program("inspect", node, "--json")
    assert answer.status == 1
    error = answer.json["error"]
    assert error["kind"] == "NodePluginError" and message in error["message"] and error["hint"]
