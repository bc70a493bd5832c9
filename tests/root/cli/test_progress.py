"""Progress as lines of JSON, and plans that may not change between the look and the change."""
from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, succeeded

pytestmark = [pytest.mark.root]

LINES = ("--json", "--progress", UNSIGNED)


def steps(lines: Sequence[Any]) -> List[str]:
    """Return the steps that began, in order; each has ended."""
    names = [line["step"] for line in lines if line["event"] == "step"]
    assert sorted(names) == sorted(
        line["step"] for line in lines if line["event"] == "step-done")
    return names


def messages(answer: Answer) -> List[str]:
    return [line["text"] for line in answer.lines if line["event"] == "message"]


def test_a_change_reports_its_steps_and_ends_with_the_answer(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "acme", files={"/usr/share/acme": "x"},
                         scriptlets={"post": "echo from the scriptlet"})
    planned = dnf.plugin(node, "install", bundle, "--dry-run", *LINES).lines[-1]
    done = succeeded(dnf.plugin(node, "install", bundle, "-y", *LINES))
    assert steps(done.lines) == ["metadata", "plan", "install", "settings", "records"]
    result = done.lines[-1]
    assert (result["event"], result["done"], planned["done"]) == ("result", True, False)
    assert result["digest"] == planned["digest"]
    assert "Installing: acme-1.0-1.noarch" in messages(done)
    assert any("from the scriptlet" in text for text in messages(done))
    assert "Installed plugin acme 1.0.\n" in done.err  # for people
    verified = succeeded(dnf.plugin(node, "verify", *LINES))
    assert steps(verified.lines) == ["metadata", "verify"] and verified.lines[-1]["ok"]
    removed = succeeded(dnf.plugin(node, "remove", "acme", "-y", *LINES))
    assert steps(removed.lines) == ["metadata", "plan", "remove", "settings"]


def test_the_last_line_of_a_change_that_fails_is_the_error(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "acme", files={"/usr/share/acme": "x"},
                         scriptlets={"post": "exit 1"})
    failed = dnf.plugin(node, "install", bundle, "-y", *LINES)
    last = failed.lines[-1]
    assert (failed.status, last["event"], last["error"]["kind"]) == (8, "error", "RolledBack")
    assert last["error"]["message"] in failed.err
    started = [line["step"] for line in failed.lines if line["event"] == "step"]
    assert started == ["metadata", "plan", "install"]
    assert "install" not in [line["step"] for line in failed.lines
                             if line["event"] == "step-done"]
    alone = dnf.plugin(node, "verify", "--progress")
    assert (alone.status, "--progress is for --json" in alone.err) == (2, True)


def test_the_checksum_of_a_package_on_this_machine_is_compared(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    more = support.RpmRepo(tmp_path / "more", "more")
    rpm = more.add("helper", "1.0")
    assert more.url
    rpm.write_bytes(rpm.read_bytes()[:-1] + b"x")
    bundle = make_plugin(tmp_path, "acme", requires=["helper"])
    failed = dnf.plugin(node, "install", bundle, "-y", f"--repofrompath=more,{more.url}",
                        "--repo=more", *LINES)
    assert failed.status == 1
    assert "has another checksum" in failed.lines[-1]["error"]["message"]


def test_a_plan_with_another_digest_is_refused(dnf: Dnf, node: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path / "a", "acme", files={"/usr/share/acme": "x"})
    shown = succeeded(dnf.plugin(node, "install", bundle, "--dry-run", "--json", UNSIGNED)).json
    other = make_plugin(tmp_path / "b", "acme", files={"/usr/share/acme": "y"})
    bundle.rename(tmp_path / "moved")
    other.rename(bundle)
    words = (f"--plan-digest={shown['digest']}", "-y", "--json", UNSIGNED)
    refused = dnf.plugin(node, "install", bundle, *words)
    assert (refused.status, refused.json["error"]["kind"]) == (6, "PlanChanged")
    assert not (node / "usr/share/acme").exists()
    bundle.rename(other)
    (tmp_path / "moved").rename(bundle)
    assert succeeded(dnf.plugin(node, "install", bundle, *words)).json["done"]
    wrong = dnf.plugin(node, "remove", "acme", "--plan-digest=12", "-y", "--json")
    assert (wrong.status, wrong.json["error"]["kind"]) == (2, "UsageError")
    no_change = dnf.plugin(node, "verify", f"--plan-digest={shown['digest']}")
    assert (no_change.status, "cannot be done with --plan-digest" in no_change.err) == (2, True)


def test_a_plan_is_refused_after_a_repository_changed(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    more = support.RpmRepo(tmp_path / "more", "more")
    more.add("helper", "1.0")
    bundle = make_plugin(tmp_path, "acme", requires=["helper"])
    words = (str(bundle), "--json", "--refresh", f"--repofrompath=more,{more.url}", "--repo=more",
             UNSIGNED)
    shown = succeeded(dnf.plugin(node, "install", "--dry-run", *words)).json
    assert "helper-1.0-1.noarch" in [package["nevra"] for package in shown["packages"]]
    more.add("helper", "2.0")
    assert more.url in words[3]  # writes the metadata
    digest = f"--plan-digest={shown['digest']}"
    refused = dnf.plugin(node, "install", "-y", digest, *words)
    assert (refused.status, refused.json["error"]["kind"]) == (6, "PlanChanged")
