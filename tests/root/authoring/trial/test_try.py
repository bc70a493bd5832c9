"""``ovirt-node-plugin try`` of real plugins in copies of a real root."""
from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from lxml import etree

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, environment
from tests.support.program import Program
from tests.support.tree_states import tree_state

pytestmark = pytest.mark.root

PARAMETER = ('<parameters><parameter name="server" type="address">the server</parameter>'
             "</parameters>")


@dataclass(frozen=True)
class Place:
    """A folder with an unpacked Node and plugins."""

    folder: Path
    program: Program

    def __getitem__(self, name: str) -> Path:
        return self.folder / name

    def tried(self, *words: object) -> Answer:
        """Run the program, which may leave nothing in its work folder and change no image."""
        before = tree_state(self["node"], excluded=())
        answer = self.program("try", UNSIGNED, *words)
        assert list(self.program.work.iterdir()) == []
        assert tree_state(self["node"], excluded=()) == before
        assert "Traceback" not in answer.text
        return answer


def agent(folder: Path, version: str, parameters: str) -> Path:
    """Write a plugin with a setting, and a parameter if there are ``parameters``."""
    made = make_plugin(folder, "agent", version, files={"/opt/agent/text": version},
                       settings=['<sysctl name="vm.swappiness" value="5"/>'])
    text = (made / "node-plugin.xml").read_text()
    (made / "node-plugin.xml").write_text(text.replace("  <settings>", f"{parameters}  <settings>"))
    return made


@pytest.fixture(scope="module")
def place(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Plugins that fit and that do not, beside a Node that no test changes."""
    folder = tmp_path_factory.mktemp("try")
    (folder / "work").mkdir()
    built.node_root(folder / "node")
    (folder / "broken.img").write_text("no image\n")
    agent(folder, "1.0", "")
    agent(folder, "2.0", PARAMETER)
    make_plugin(folder, "other", files={"/opt/other/text": "x"})
    make_plugin(folder, "untidy", requires="busybox", files={"/opt/untidy/text": "x"}, scriptlets={
        "postun": "mkdir -p /usr/share/untidy/deep; echo x > /usr/share/untidy/deep/x"})
    make_plugin(folder, "unfit", files={"/usr/share/doc/x": "x"}, requires="nobody-has-this")
    (folder / "nonsense").mkdir()
    (folder / "nonsense/node-plugin.xml").write_text("<x/>")
    return Place(folder, Program(folder / "work", Dnf(folder / "dnf")))


@pytest.fixture(scope="module")
def fitting(place: Place) -> Tuple[Any, Path]:
    """The answer for a plugin that fits in one of two images, and the file of JUnit XML."""
    answer = place.tried(
        place["agent-2.0"], "--on", place["node"], place["broken.img"], "--from",
        place["agent-1.0"], "--with", place["other-1.0"], "--set", "agent.server=10.0.0.1",
        "--junit", place["results.xml"], "--json")
    assert answer.status == 10, answer.text  # the only reason is the damaged image
    return answer.json, place["results.xml"]


@pytest.fixture(scope="module")
def unfitting(place: Place) -> Answer:
    """The answer for plugins that do not fit."""
    return place.tried(place["untidy-1.0"], place["unfit-1.0"], place["nonsense"], "--on",
                       place["node"], "--json")


def outcomes(cell: Dict[str, Any]) -> Dict[str, List[str]]:
    """Return the steps of each trial, with their outcomes unless they passed."""
    return {trial["trial"]: [step["step"] if step["outcome"] == "passed" else
                             f"{step['step']} {step['outcome']}" for step in trial["steps"]]
            for trial in cell["trials"]}


def test_a_plugin_is_tried_alone_from_an_older_version_and_beside_another(
        place: Place, fitting: Tuple[Any, Path]) -> None:
    answer, _ = fitting
    cell = answer["cells"][0]
    assert outcomes(cell) == {
        "alone": ["install", "verify", "remove", "compare"],
        "upgrade": ["install-older", "upgrade", "verify", "remove", "compare"],
        "beside": ["install-other", "install", "verify", "remove", "verify-other",
                   "remove-other", "compare"]}, cell
    assert cell["ok"] is True
    assert [trial["other"] for trial in cell["trials"]] == [
        "", str(place["agent-1.0"]), str(place["other-1.0"])]
    assert answer["plugins"] == [
        {"path": str(place["agent-2.0"]), "name": "agent", "version": "2.0"}]


def test_an_image_that_cannot_be_read_does_not_end_the_others(
        place: Place, fitting: Tuple[Any, Path]) -> None:
    answer, _ = fitting
    assert answer["ok"] is False
    assert [image["kind"] for image in answer["images"]] == ["node", ""]
    (step,) = answer["cells"][1]["trials"][0]["steps"]
    assert (step["step"], step["outcome"], step["error"]["kind"]) == ("open", "failed", "BadImage")
    assert f"{place['broken.img']} is neither an ISO nor a squashfs" in step["error"]["message"]


def test_an_unsigned_draft_is_said_in_every_form_of_the_result(fitting: Tuple[Any, Path]) -> None:
    answer, results = fitting
    assert answer["notes"] == ["The signatures of packages were not checked: --nogpgcheck."]
    suite = etree.parse(str(results)).getroot()[0]
    assert [each.get("value") for each in suite.iter("property")][-1:] == answer["notes"]


def test_the_file_for_servers_has_a_case_for_each_step(fitting: Tuple[Any, Path]) -> None:
    _, results = fitting
    tree = etree.parse(str(results)).getroot()
    assert [suite.get("tests") for suite in tree] == ["16", "1"]
    assert [suite.get("failures") for suite in tree] == ["0", "1"]


def test_what_a_removal_leaves_is_a_failure_that_names_it(unfitting: Answer) -> None:
    cell = unfitting.json["cells"][0]
    assert outcomes(cell) == {"alone": ["install", "verify", "remove", "compare failed"]}
    step = cell["trials"][0]["steps"][-1]
    assert [each["path"] for each in step["left"]] == [
        "/usr/share/untidy", "/usr/share/untidy/deep", "/usr/share/untidy/deep/x"]
    assert step["error"]["status"] == 9
    assert "/usr/share/untidy/deep/x was added" in step["error"]["message"]


def test_a_refusal_has_the_words_of_the_install(unfitting: Answer) -> None:
    cell = unfitting.json["cells"][1]
    assert outcomes(cell) == {"alone": ["install failed", "verify skipped", "remove skipped",
                                        "compare skipped"]}
    step = cell["trials"][0]["steps"][0]
    assert "nobody-has-this" in step["error"]["message"]
    assert cell["trials"][0]["steps"][1]["because"] == "the step install failed"


def test_a_bundle_that_cannot_be_read_does_not_end_the_others(unfitting: Answer) -> None:
    assert unfitting.status == 6
    (step,) = unfitting.json["cells"][2]["trials"][0]["steps"]
    assert (step["step"], step["error"]["status"]) == ("read", 7)
    assert unfitting.json["plugins"][2]["name"] == ""


@pytest.mark.parametrize(("words", "text"), [
    (("missing", "--on", "node"), "missing cannot be opened"),
    (("other-1.0", "--on", "missing"), "--on: there is no image"),
    (("other-1.0", "--on", "node", "agent-1.0"), "is a bundle and not an image"),
    (("other-1.0", "node", "--on", "node"), "is an image and not a bundle"),
    (("other-1.0", "--on", "node", "--from", "agent-1.0"), "agent, which is not tried"),
    (("agent-2.0", "--on", "node", "--with", "agent-1.0"), "agent, which is tried"),
    (("other-1.0", "--on", "node", "--set", "agent.x=1"), "agent, which is not tried"),
    (("other-1.0", "--on", "node", "--junit", "missing/x.xml"), "there is no folder"),
    (("other-1.0", "--on", "node", "--junit", "node/x.xml"), "which is never written to")])
def test_a_wrong_command_line_is_refused_before_any_work(
        place: Place, words: Tuple[str, ...], text: str) -> None:
    answer = place.tried(*(word if word.startswith("--") or "=" in word else place[word]
                           for word in words))
    assert (answer.status, answer.out) == (2, "") and text in answer.err


def test_a_signal_leaves_no_mounts_and_no_files(place: Place) -> None:
    argv = ["env", "--default-signal=INT", *place.program.argv(
        "try", UNSIGNED, place["other-1.0"], "--on", place["node"], "--junit", place["not.xml"])]
    with subprocess.Popen(argv, env=environment(), stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert "other 1.0: install (node) ..." in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT
    assert "Interrupted; nothing was written." in errors
    assert list(place.program.work.iterdir()) == [] and not place["not.xml"].exists()
    assert str(place.folder) not in Path("/proc/self/mountinfo").read_text()
