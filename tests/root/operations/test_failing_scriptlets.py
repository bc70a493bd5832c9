"""Scriptlets that fail count as in rpm: a plugin that can be installed can be removed."""
from __future__ import annotations

from pathlib import Path
from typing import Any, List

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

SKIP = "--skip-scriptlets"
FAIL = "echo no server here; exit 1"
# rpm goes on when one of these fails, which run when packages leave.
LENIENT = ("postun", "triggerun -- helper", "triggerpostun -- helper", "filetriggerun -- /opt",
           "filetriggerpostun -- /opt", "transfiletriggerun -- /opt")


def scriptlet_notes(answer: Answer) -> List[str]:
    """Return the notes about scriptlets of a JSON answer, sorted."""
    notes: List[str] = answer.json["notes"]
    return sorted(note for note in notes if note.startswith("The scriptlet "))


def install(dnf: Dnf, root: Path, bundle: Path, *words: str) -> Any:
    return succeeded(dnf.plugin(root, "install", "-y", "--json", UNSIGNED, bundle, *words)).json


def went_on(section: str, nevra: str) -> str:
    return (f"The scriptlet %{section} of {nevra} failed, and the change went on, as rpm does it;"
            f" its output: no server here; warning: %{section}({nevra}) scriptlet failed,"
            " exit status 1")


def test_a_scriptlet_that_rpm_does_not_wait_for_is_told_and_the_change_goes_on(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    repo = support.RpmRepo(tmp_path / "repo", "fails")
    repo.add("fails", "1", requires=["busybox", "helper"], files={"/opt/fails/x": "1"},
             scriptlets=dict.fromkeys(LENIENT, FAIL))
    repo.add("helper", "1", files={"/opt/helper/x": "1"})
    install(dnf, node, support.write_bundle(tmp_path / "fails-1", support.descriptor_xml(
        "fails", "1", repos=["fails"]), repo=repo))
    install(dnf, node, make_plugin(tmp_path, "other", files={"/opt/other/x": "1"}))
    removed = dnf.plugin(node, "remove", "-y", "--json", "other")
    assert succeeded(removed).status == 0
    triggers = [section.split(" ")[0] for section in LENIENT if "/opt" in section]
    assert {note.split(" of ")[0] for note in scriptlet_notes(removed)} == {
        f"The scriptlet %{section}" for section in triggers}
    upgraded = dnf.plugin(node, "install", "-y", "--json", UNSIGNED, make_plugin(
        tmp_path, "fails", "2", requires="busybox", files={"/opt/fails/x": "2"},
        scriptlets={"postun": FAIL}))
    assert went_on("postun", "fails-1-1.noarch") in scriptlet_notes(succeeded(upgraded))
    removed = dnf.plugin(node, "remove", "-y", "--json", "fails")
    assert scriptlet_notes(succeeded(removed)) == [went_on("postun", "fails-2-1.noarch")]
    assert state_differences(before, tree_state(node)) == []


def test_a_scriptlet_that_rpm_stops_at_can_be_skipped(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    first, second = (make_plugin(
        tmp_path, "stays", version, requires="busybox", files={"/opt/stays/x": version},
        scriptlets={"preun": "echo changed >> /etc/passwd\n" + FAIL, "postun": "touch /etc/left"})
        for version in ("1", "2"))
    install(dnf, node, first)
    installed = tree_state(node)
    for words in (("remove", "stays"), ("install", UNSIGNED, second)):
        answer = dnf.plugin(node, *words, "-y")
        assert answer.status == 8
        assert "the scriptlet %preun of stays-1-1.noarch failed\n  no server here" in answer.text
        assert f"add {SKIP}" in answer.text and "is as it was before" in answer.text
        assert state_differences(installed, tree_state(node)) == []
    plan = dnf.plugin(node, "remove", SKIP, "--dry-run", "--json", "stays")
    skipped = [f"The scriptlet %{section} of stays-{version}-1.noarch is not run: what it does is"
               " not done." for version in (1, 2) for section in ("postun", "preun")]
    assert scriptlet_notes(plan) == skipped[:2]
    assert scriptlet_notes(dnf.plugin(
        node, "install", SKIP, "-y", "--json", UNSIGNED, second)) == skipped[:2]
    delta = dnf.plugin(node, "manifest", "--delta", "--json", "stays").json["plugins"][0]["delta"]
    assert delta["scriptlets_skipped"] == ["stays-1-1.noarch:preun", "stays-1-1.noarch:postun"]
    assert dnf.plugin(node, "verify").status == 0
    removed = dnf.plugin(node, "remove", SKIP, "-y", "--json", "stays")
    assert scriptlet_notes(removed) == skipped[2:]
    assert removed.json["deltas"][0]["scriptlets_skipped"] == [
        "stays-2-1.noarch:preun", "stays-2-1.noarch:postun"]
    assert state_differences(before, tree_state(node)) == []
    assert SKIP in dnf(node, "history", "info", "last").out
