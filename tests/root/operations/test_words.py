"""Commands with globs and versions in place of names."""
from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, add_to_shipped_library, succeeded
from tests.support.repositories import installed

pytestmark = pytest.mark.root


def names(answer: Answer) -> List[str]:
    return [f"{plugin['name']} {plugin['version']}"
            for plugin in succeeded(answer).json["plugins"]]


def test_globs_and_versions_name_plugins_in_every_command(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = installed(node)
    for name, version in (("acme-a", "1.0"), ("acme-b", "1.0"), ("zoo", "1.0")):
        add_to_shipped_library(dnf, make_plugin(tmp_path, name, version,
                                                files={f"/opt/{name}/x": version}), name)
    succeeded(dnf.plugin(node, "add", make_plugin(tmp_path, "acme-a", "2.0",
                                                  files={"/opt/acme-a/x": "2.0"})))
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, "acme-a=1.0", "acme-b", "zoo-1.0")
    assert "Installed plugin acme-a 1.0." in succeeded(answer).out
    assert names(dnf.plugin(node, "list", "acme*", "--json")) == ["acme-a 1.0", "acme-b 1.0"]
    assert names(dnf.plugin(node, "list", "--all", "acme-a=2*", "--json")) == ["acme-a 2.0"]
    assert names(dnf.plugin(node, "verify", "acme*", "zoo=1.0", "--json")) == [
        "acme-a 1.0", "acme-b 1.0", "zoo 1.0"]
    plugins = succeeded(dnf.plugin(node, "info", "acme-a*", "--json")).json["plugins"]
    assert [plugin["version"] for plugin in plugins] == ["1.0", "2.0"]
    for words, message in ((["remove", "-y", "none*"], "matches none*"),
                           (["remove", "-y", "zoo=2.0"], "in version 1.0, not 2.0"),
                           (["install", "-y", "zoo=2.0"], "there is no plugin zoo=2.0"),
                           (["upgrade", "-y", "acme-a=2.0"], "install acme-a=2.0"),
                           (["repair", "-y", "none*"], "matches none*"),
                           (["list", "none*"], "no plugin none* to list")):
        answer = dnf.plugin(node, *words)
        assert answer.status == 2 and message in answer.text, words
    answer = dnf.plugin(node, "upgrade", "--dry-run", UNSIGNED, "acme*")
    assert answer.status == 6 and "acme-a 2.0 is by Test" in answer.text  # another folder
    assert succeeded(dnf.plugin(node, "upgrade", "-y", "z*")).out == "Nothing to do.\n"
    succeeded(dnf.plugin(node, "remove", "-y", "acme*"))
    assert names(dnf.plugin(node, "list", "--json")) == ["zoo 1.0"]
    succeeded(dnf.plugin(node, "remove", "-y", "*"))
    assert installed(node) == before
