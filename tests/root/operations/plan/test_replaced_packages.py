"""Packages of a host that no plugin has: replaced only if the administrator allows it."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Sequence

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Answer, Dnf, succeeded
from tests.support.repositories import installed
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

Packages = Sequence[Mapping[str, Any]]
LIBRARY = "libfoo-2-1.noarch"
# What the packages of a plugin do to libfoo, and what becomes of it
CHANGES: Dict[str, Packages] = {
    f"{LIBRARY} is replaced by libfoo-3-1.noarch from bundle:agent": [
        {"name": "agent", "version": "1", "requires": "libfoo >= 3"},
        {"name": "libfoo", "version": "3"}],
    f"{LIBRARY} is replaced by libfoo-1-1.noarch from bundle:agent": [
        {"name": "agent", "version": "1", "requires": "libfoo < 2"},
        {"name": "libfoo", "version": "1"}],
    f"{LIBRARY} is removed": [{"name": "agent", "version": "1", "obsoletes": "libfoo"}],
}


@pytest.fixture
def library(host: Path, tmp_path: Path) -> Path:
    """The host, on which the administrator has installed libfoo."""
    repo = support.RpmRepo(tmp_path / "base", "base")
    repo.add("libfoo", "2", files={"/usr/lib64/libfoo.so.2": "2"})
    run(["rpm", f"--root={host}", "--dbpath=/var/lib/rpm", "--install", "--nosignature",
         *(tmp_path / "base").rglob("*.rpm")])
    return host


def agent(folder: Path, packages: Packages, version: str = "1.0") -> Path:
    repo = support.RpmRepo(folder / f"agent-{version}.repo", "agent")
    for package in packages:
        repo.add(**package)
    return support.write_bundle(folder / f"agent-{version}", support.descriptor_xml(
        "agent", version, repos=["agent"], install=["agent"]), repo=repo)


def install(dnf: Dnf, root: Path, plugin: Path, *words: str) -> Answer:
    return dnf.plugin(root, "install", plugin, "-y", UNSIGNED, *words)


@pytest.mark.parametrize("what", CHANGES)
def test_a_package_of_the_host_is_replaced_only_if_it_is_allowed(
        what: str, library: Path, tmp_path: Path, dnf: Dnf) -> None:
    bundle, before = agent(tmp_path, CHANGES[what]), tree_state(library)
    refused = install(dnf, library, bundle)
    assert refused.status == 6, refused.text
    assert ("plugin agent replaces packages of the system, which no removal brings back:\n"
            f"  {what}\n") in refused.err
    assert "allow it: --allow-replace=libfoo\n" in refused.err
    assert install(dnf, library, bundle, "--allow-replace=libf").status == 6
    assert state_differences(before, tree_state(library)) == []

    done = succeeded(install(dnf, library, bundle, "--allow-replace=lib*", "--json"))
    assert [package["nevra"] for package in done.json["replaced"]] == [LIBRARY]
    assert any(f"{what}; this is one-way" in note for note in done.json["notes"])
    delta = succeeded(dnf.plugin(library, "manifest", "agent", "--delta"))
    assert f"- package of the system {LIBRARY}\n" in delta.out
    assert succeeded(dnf.plugin(library, "verify")).out == "agent 1.0: ok\n"
    succeeded(dnf.plugin(library, "repair"))

    removed = succeeded(dnf.plugin(library, "remove", "agent", "-y"))
    assert (f"{LIBRARY}, which plugin agent replaced, is not brought back."
            f" To have it again: dnf install {LIBRARY}") in removed.text
    assert LIBRARY not in installed(library)


def test_packages_that_plugins_have_are_not_of_the_system(host: Path, tmp_path: Path,
                                                          dnf: Dnf) -> None:
    succeeded(install(dnf, host, agent(tmp_path, [
        {"name": "agent", "version": "1", "requires": "libfoo"},
        {"name": "libfoo", "version": "1"}, {"name": "gone", "version": "1"}])))
    upgraded = succeeded(install(dnf, host, agent(tmp_path, [
        {"name": "agent", "version": "2", "requires": "libfoo"},
        {"name": "libfoo", "version": "2"}], "2.0"), "--json"))
    assert upgraded.json["replaced"] == []


def test_a_newer_version_of_the_hosts_own_repositories_comes_first(
        library: Path, tmp_path: Path, dnf: Dnf) -> None:
    refused = install(dnf, library, agent(tmp_path, CHANGES[
        f"{LIBRARY} is replaced by libfoo-3-1.noarch from bundle:agent"]))
    assert "If the system's own repositories have the new version, run dnf upgrade libfoo" in (
        refused.err)
