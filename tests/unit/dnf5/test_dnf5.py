"""Dialogue with DNF 5's actions plugin; every failure stops DNF."""
from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import pytest

from ovirt_node_plugin.dnf5 import policy, program
from ovirt_node_plugin.dnf5.conversation import Conversation, Dnf5Package, Item
from ovirt_node_plugin.policy.core_rules import CoreRules

pytestmark = pytest.mark.unit


def reply(**values: Any) -> str:
    return json.dumps({"op": "reply", "status": "OK", "return": values}) + "\n"


def run_program(hook: str, replies: str) -> Tuple[int, List[Dict[str, Any]]]:
    """Run the program with replies of the actions plugin; return its requests."""
    requests = io.StringIO()
    status = program.main([hook], requests=requests, replies=io.StringIO(replies))
    return status, [json.loads(line) for line in requests.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with an empty library and an empty list of core packages."""
    (tmp_path / "core.conf").write_text("kernel*\n")
    path = tmp_path / "node-plugin.conf"
    path.write_text(f"[main]\nlibrary = {tmp_path / 'none'}\ncore_lists = {tmp_path}\n")
    read = policy.read_options
    monkeypatch.setattr(policy, "read_options", lambda: read(path))
    return path


def test_requests_and_messages_about_repositories_are_exact(tmp_path: Path) -> None:
    plugins = tmp_path / "repo"
    (plugins / "repodata").mkdir(parents=True)
    (plugins / "repodata/repomd.xml").write_text('<data type="node-plugin">')
    # the second is the cache of the disabled repo os-extra, not that of os
    for name in ("cached-0123456789abcdef", "os-extra-0123456789abcdef"):
        cached = tmp_path / "cache" / name / "repodata"
        cached.mkdir(parents=True)
        (cached / "repomd.xml").write_text('<data type="node-plugin">')

    def pairs(**values: str) -> str:
        return reply(keys_val=[{"key": key.replace("__", "."), "value": value}
                               for key, value in values.items()])

    status, requests = run_program("repos", "".join([
        pairs(installroot=str(tmp_path)),
        pairs(os__enabled="1", mine__enabled="1", cached__enabled="true", off__enabled="0"),
        pairs(cachedir=str(tmp_path / "cache")),
        pairs(os__baseurl="https://example.com/os", mine__baseurl=f"file://{plugins}"),
        pairs(), pairs(), reply(actions_vars=[])]))
    assert status == 0
    assert [(request["op"], request["domain"], request["args"]) for request in requests] == [
        ("get", "conf", {"key": "installroot"}), ("get", "conf", {"key": "*.enabled"}),
        ("get", "conf", {"key": "cachedir"}), ("get", "conf", {"key": "*.baseurl"}),
        ("set", "conf", {"key": "cached.enabled", "value": "0"}),
        ("set", "conf", {"key": "mine.enabled", "value": "0"}),
        ("set", "actions_vars", {"name": "node_plugin_repos", "value": "cached,mine"})]


@pytest.mark.parametrize("hook", ["repos", "transaction"])
@pytest.mark.parametrize("replies", [
    "", "nonsense\n", "{}\n", reply(), json.dumps({"status": "ERROR", "message": "no"}) + "\n"])
def test_an_invalid_reply_stops_dnf(hook: str, replies: str) -> None:
    status, requests = run_program(hook, replies)
    assert status == 1
    assert [request["op"] for request in requests] == ["get",
                                                       "stop"] and requests[-1]["args"]["message"]


def test_an_unknown_hook_or_an_invalid_option_stops_dnf(configuration: Path) -> None:
    assert run_program("other", "")[1][-1]["op"] == "stop"
    configuration.write_text("[main]\nlive = maybe\n")
    status, requests = run_program("repos", "")
    assert status == 1 and "live = 'maybe'" in requests[-1]["args"]["message"]
    configuration.write_text("[main]\nenabled = 0\n")
    assert run_program("repos", "") == (0, [])


def item(name: str, action: str, repo: str = "os", evr: str = "2-1") -> Item:
    return Item(Dnf5Package(name, evr, f"{name}-{evr}.noarch", repo), action)


CORE = CoreRules(("kernel*",), frozenset(["claimed-1-1.noarch"]), everything=True,
                 free=("image*",))
ROOT = [Dnf5Package(name, "1-1", f"{name}-1-1.noarch", "@System")
        for name in ("base", "claimed", "kernel", "image")]


def reported_changes(items: Sequence[Item], repos: Optional[Sequence[str]] = None) -> List[str]:
    changes = policy.changes(items, CORE, installed=lambda: ROOT,
                             repos=None if repos is None else set(repos))
    return [change.text() for change in changes]


@pytest.mark.parametrize("name, action", itertools.product(
    ("base", "claimed", "kernel", "image", "new", "kernel-rt"), ("I", "U", "D", "R", "E", "O")))
def test_each_change_of_a_core_package_is_reported(name: str, action: str) -> None:
    if action in ("U", "D", "R"):
        items = [item(name, action), item(name, "O", evr="1-1")]
    else:
        items = [item(name, action, evr="1-1" if action in ("E", "O") else "2-1")]
    # an installed package that no record claims is core, whatever its name
    core = name in ("base", "kernel", "kernel-rt") or (name == "new" and action != "I")
    words = {"U": "upgrade", "D": "downgrade", "R": "reinstall", "E": "remove",
             "O": "obsolete", "I": "install"}
    lines = reported_changes(items)
    assert bool(lines) == core, lines
    assert all(line.startswith(f"{words[action]} {name}-") for line in lines)


def test_only_packages_that_an_allowed_package_obsoletes_may_be_removed() -> None:
    image = item("image", "I")
    assert reported_changes([image, item("base", "O", evr="1-1")]) == []
    assert reported_changes([image, item("base", "E", evr="1-1")]) == ["remove base-1-1"]
    assert reported_changes([item("new", "I"),
                             item("base", "O", evr="1-1")]) == ["obsolete base-1-1"]


def test_on_a_host_only_transactions_with_plugin_packages_are_restricted() -> None:
    upgrade = [item("kernel", "U"), item("kernel", "O", evr="1-1")]
    assert reported_changes(upgrade, repos=["vendor"]) == []
    assert reported_changes([*upgrade, item("agent", "I", "vendor")], repos=["vendor"]) == [
        "upgrade kernel-1-1 to kernel-2-1 from os"]
    assert reported_changes([item("kernel-rt", "I", "vendor")], repos=["vendor"]) == [
        "install kernel-rt-2-1 from vendor"]


def test_requests_for_packages_contain_what_the_rules_need() -> None:
    requests = io.StringIO()
    row = {"name": "a", "evr": "1:2-3", "nevra": "a-1:2-3.noarch", "repo_id": "os"}
    talk = Conversation(requests, io.StringIO(
        reply(packages=[row]) + reply(trans_packages=[{**row, "action": "I"}])))
    (package,) = talk.installed()
    (arriving,) = talk.transaction()
    assert str(package) == "a-1:2-3.noarch" and arriving == Item(package, "I")
    assert [json.loads(line)["args"] for line in requests.getvalue().splitlines()] == [
        {"output": ["name", "evr", "nevra", "repo_id"], "filters": [{"key": "installed"}],
         "params": [{"key": "IGNORE_EXCLUDES"}]},
        {"output": ["name", "evr", "nevra", "repo_id", "action"]}]
