"""What a merge prints: the same in every way to run it, and in the log."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.program import Program

pytestmark = [pytest.mark.root]

SCRIPTLET = "Note: Scriptlets made /etc/agent.state."


@pytest.fixture(scope="module")
def place(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image, the folder ``node``, and a plugin with a scriptlet."""
    folder = tmp_path_factory.mktemp("messages")
    built.node_root(folder / "node")
    make_plugin(folder, "agent", files={"/opt/agent/text": "hello"},
                scriptlets={"post": "echo x > /etc/agent.state"})
    return folder


def test_the_report_of_a_merge_is_the_same_with_and_without_a_question(
        place: Path, program: Program, tmp_path: Path) -> None:
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED, "-o", tmp_path / "out")
    log = tmp_path / "log"
    asked = succeeded(program(*words, "--log", log, stdin="y\n"))
    told = succeeded(program(*words[:-1], tmp_path / "told", "-y"))
    plan, _, result = asked.out.partition("Is this ok [y/N]: ")
    assert plan + result.replace(str(tmp_path / "out"), str(tmp_path / "told")) == told.out
    assert result == f"Installed plugin agent 1.0.\n{SCRIPTLET}\n{tmp_path}/out is written.\n"
    assert f"Plugins for oVirt Node 4.5.5 in {place}/node:" in plan
    assert f"Disk space in {place}/node: " in plan
    assert "\nCopying the folder ...\nCopying the folder: done in" in told.err
    assert str(program.work) not in asked.text + told.text
    lines = log.read_text().splitlines()
    assert lines[0] == "# Log of ovirt-node-plugin"
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines[1:])
    bare = [line[21:] for line in lines[1:]]
    assert re.fullmatch(r"ovirt-node-plugin [\d.]+: merge .*--log .*", bare[0])
    for line in [*plan.splitlines(), SCRIPTLET, "step: Copying the folder",
                 f"{tmp_path}/out is written."]:
        assert line in bare
    assert any(re.fullmatch(r"program: cp --archive .*: done \(\d+\.\d s\)", line)
               for line in bare)


def test_quiet_verbose_and_no_as_the_answer(
        place: Path, program: Program, tmp_path: Path) -> None:
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED)
    quiet = succeeded(program(*words, "-o", tmp_path / "out", "-q", "-y", "--no-check"))
    assert quiet.text == ""
    refused = program(*words, "--assumeno", "-v")
    assert refused.status == 1 and "Installing agent 1.0" in refused.out
    assert refused.err.endswith("Error: Operation aborted.\n")
    assert re.search(r"^program: dnf-3 .*: done \(\d+\.\d s\)$", refused.err, re.MULTILINE)
    answer = program(*words, "--assumeno", "--json")
    assert (answer.status, answer.lines[-1]["event"], answer.lines[-1]["done"]) == (
        1, "result", False)
    assert answer.lines[-1]["plans"][0]["target"]["root"] == f"{place}/node"


def test_a_file_that_is_no_log_and_standard_output_are_refused(
        place: Path, program: Program, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "link").symlink_to("notes")
    words = ("merge", place / "node", place / "agent-1.0", UNSIGNED, "-y")
    for log, message in (("notes", "is no log of"), ("link", "is no log of"),
                         (".", "is no log of"), ("none/log", "No such file or directory")):
        answer = program(*words, "-o", tmp_path / "out", "--log", tmp_path / log)
        assert answer.status == 2 and message in answer.err, answer.text
    assert (tmp_path / "notes").read_text() == "mine"
    answer = program(*words, "-o", "-")
    assert answer.status == 2 and "cannot be written to standard output" in answer.err
    inside = program(*words, "-o", tmp_path / "out", "--log", place / "node/log")
    assert inside.status == 2 and "which is never written to" in inside.err
    assert not (tmp_path / "out").exists() and not (place / "node/log").exists()


def test_a_failed_merge_is_in_the_log(place: Path, program: Program, dnf: Dnf, tmp_path: Path
                                      ) -> None:
    log = tmp_path / "log"
    for _ in range(2):  # the second is appended
        answer = program("merge", place / "node", "missing", "-o", tmp_path / "out", "-y", "--log",
                         log)
        assert answer.status == 2
    text = log.read_text()
    assert text.count("# Log of ovirt-node-plugin") == 1
    assert text.count(" Error: there is no plugin missing") == 2
    assert text.count(" step: Planning: not done (") == 2
