"""All reasons against plugins are reported at once, and by plugin."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import pytest

from ovirt_node_plugin.errors import NodePluginError, Refused, SeveralReasons
from ovirt_node_plugin.operations.plan.reasons_by_plugin import reasons
from ovirt_node_plugin.target import Target
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf
from tests.support.repositories import installed

pytestmark = pytest.mark.root


def bundles(folder: Path) -> List[Path]:
    """Return plugins: one that fits, one refused for many reasons, one that lacks a package, two
    that have the same file."""
    repo = support.RpmRepo(folder / "rpms", "many")
    repo.add("many", "1.0", files={"/opt/many/x": "", "/boot/many": "", "/etc/dnf/many": ""})
    many = support.write_bundle(folder / "many", support.descriptor_xml(
        "many", repos=["many"],
        requires=['<node min="9"/>', '<package name="libvirt" min="99"/>',
                  '<package name="vdsm" min="99"/>', '<package name="nowhere"/>'],
        settings=['<service name="nope.service" state="enabled"/>']), repo=repo)
    return [make_plugin(folder, "good", files={"/opt/good/x": ""}), many,
            make_plugin(folder, "lacking", requires=["nothing-has-this", "nor-this"]),
            make_plugin(folder, "first", files={"/opt/both": "1"}),
            make_plugin(folder, "second", files={"/opt/both": "2"})]


def test_every_reason_is_named_with_its_plugin(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    before = installed(node)
    answer = dnf.plugin(node, "install", *bundles(tmp_path), "-y", UNSIGNED, "--json")
    assert installed(node) == before
    error = answer.json["error"]
    by_plugin: Dict[Tuple[str, ...], List[Any]] = {}
    for reason in error["reasons"]:
        by_plugin.setdefault(tuple(reason["plugins"]), []).append(reason)
    assert (error["kind"], error["fitting"]) == ("SeveralReasons", ["good"])
    assert list(by_plugin) == [("many",), ("lacking",), ("first, second",)]
    assert answer.status == error["status"] == by_plugin["many",][0]["status"] == 5
    texts = [reason["message"] for reason in by_plugin["many",]]
    for number, part in enumerate([
            "needs oVirt Node 9 or newer", "needs libvirt >= 99", "needs vdsm >= 99",
            "needs nowhere", "/etc/dnf/many", "nope.service", "/boot/many"]):
        assert part in texts[number], texts
    assert len(texts) == 7
    (lacking,) = by_plugin["lacking",]
    assert lacking["status"] == 4
    assert "nothing-has-this" in lacking["message"] and "nor-this" in lacking["message"]
    (both,) = by_plugin["first, second",]
    assert [file["path"] for file in both["disputed_files"]] == ["/opt/both"]
    assert "good" not in both["message"]
    lines = error["message"].splitlines()
    assert lines[0] == "these plugins cannot go into oVirt Node 4.5.5:"
    assert lines[-1] == "There is nothing against the others: plugin good fits."


def test_all_words_that_name_no_plugin_are_named(node: Path, tmp_path: Path, dnf: Dnf) -> None:
    (tmp_path / "empty").mkdir()
    good = make_plugin(tmp_path, "good", files={"/opt/good/x": ""})
    paths = dnf.plugin(node, "install", good, "/no/bundle", tmp_path / "empty", "../x", "-y")
    assert all(word in paths.err for word in ("/no/bundle", f"{tmp_path}/empty", "../x"))
    names = dnf.plugin(node, "install", good, "nope", "neither", "-y", "--json")
    assert (names.status, [reason["kind"] for reason in names.json["error"]["reasons"]]) == (
        2, ["UnknownPlugin", "UnknownPlugin"])


class Bundle:
    """The part of a bundle that reasons depend on."""

    def __init__(self, name: str) -> None:
        self.descriptor = self
        self.name = name


@pytest.mark.parametrize(("refused", "expected", "fitting"), [
    # sets of names that are refused, and that no larger set is accepted with
    (["a"], {"a": "a"}, ["b", "c", "d"]),
    (["a", "cd"], {"a": "a", "c, d": "cd"}, ["b"]),
    (["ab"], {"a, b": "ab"}, ["c", "d"]),
    (["abcd"], {"": "abcd"}, []),
    (["a", "b", "c", "d"], {"a": "a", "b": "b", "c": "c", "d": "d"}, []),
])
def test_reasons_are_attributed_to_the_smallest_group(
        refused: Sequence[str], expected: Dict[str, str], fitting: Sequence[str],
        tmp_path: Path) -> None:
    def failure(some: Sequence[Any]) -> Any:
        names = {bundle.name for bundle in some}
        causes = [cause for cause in refused if set(cause) <= names]
        return Refused(" and ".join(causes)) if causes else None

    every: Any = [Bundle(name) for name in "abcd"]
    target = Target(tmp_path, "node", "Node", "4.5", "")
    error = reasons(every, failure(every), failure, target)
    if isinstance(error, SeveralReasons):
        found = {", ".join(reason.plugins): reason.error.message for reason in error.reasons
                 if reason.plugins}
        assert list(error.fitting) == list(fitting)
    else:
        found = {"": error.message}
    assert found == expected


def test_a_plugin_that_needs_another_of_the_command_is_no_reason(tmp_path: Path) -> None:
    def failure(some: Sequence[Any]) -> Any:
        names = {bundle.name for bundle in some}
        if "c" in names or ("b" in names and "a" not in names):
            return NodePluginError(f"not {' '.join(sorted(names))}")
        return None

    every: Any = [Bundle(name) for name in "bac"]
    error = reasons(every, failure(every), failure, Target(tmp_path, "node", "", "", ""))
    assert isinstance(error, SeveralReasons)
    assert [reason.plugins for reason in error.reasons] == [("c",)]
    assert sorted(error.fitting) == ["a", "b"]
