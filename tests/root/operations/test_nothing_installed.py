"""A plugin counts as installed when the package that it names is there as the plugin brings it."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]


def bundle_of(folder: Path, name: str, versions: Sequence[str], version: str = "1") -> Path:
    """Return a plugin that names the core package chrony, of which it has ``versions``."""
    repo = support.RpmRepo(folder / f"{name}-{version}.repo", name)
    for offered in versions:
        repo.add("chrony", offered)
    repo.add(f"{name}-data", version, files={f"/opt/{name}/data": "x"})
    return support.write_bundle(folder / f"{name}-{version}", support.descriptor_xml(
        name, version, install=["chrony", f"{name}-data"], repos=[name]), repo=repo)


def test_an_older_core_package_is_not_what_the_plugin_brings(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    for name, versions in (("newer", ["99"]), ("mixed", ["0", "99"])):
        answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle_of(tmp_path, name, versions))
        assert answer.status == 5, answer.text
        assert "the image has chrony-4.3-1.el9" in answer.text
        assert f"repo bundle:{name} offers chrony-99-1" in answer.text
        assert "You need a newer Node ISO" in answer.text
        assert state_differences(before, tree_state(node)) == []
    # an image with the same version, or a newer one, has what the plugin brings
    succeeded(dnf.plugin(node, "install", "-y", UNSIGNED, bundle_of(tmp_path, "older", ["0"])))
    # an upgrade needs what its new version brings
    before = tree_state(node)
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle_of(tmp_path, "older", ["99"], "2"))
    assert answer.status == 5 and "offers chrony-99-1" in answer.text, answer.text
    assert state_differences(before, tree_state(node)) == []


def test_a_plugin_whose_repository_is_off_is_not_installed_by_a_core_package(
        dnf: Dnf, node: Path, tmp_path: Path) -> None:
    before = tree_state(node)
    off = support.RpmRepo(tmp_path / "off", "off")
    off.add("chrony", "99")
    bundle = support.write_bundle(tmp_path / "bundle", support.descriptor_xml(
        "off", "1", install=["chrony"], repos=["off"]), repo_files={"off.repo": off.repo_file()})
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, bundle)
    assert answer.status == 4 and "Add --enablerepo=off" in answer.text, answer.text
    answer = dnf.plugin(node, "install", "-y", UNSIGNED, "--enablerepo=off", bundle)
    assert answer.status == 5 and "repo off offers chrony-99-1" in answer.text, answer.text
    assert state_differences(before, tree_state(node)) == []


def test_a_host_gets_the_version_that_the_plugin_brings_if_it_is_allowed(
        dnf: Dnf, host: Path, tmp_path: Path) -> None:
    repo = support.RpmRepo(tmp_path / "system", "system")
    repo.add("acme", "0.9", files={"/opt/acme/data": "old"})
    succeeded(dnf(host, "install", "-y", UNSIGNED, f"--repofrompath=system,{repo.url}", "acme"))
    new = support.RpmRepo(tmp_path / "new", "acme")
    new.add("acme", "1.0", files={"/opt/acme/data": "new"})
    bundle = support.write_bundle(
        tmp_path / "acme", support.descriptor_xml("acme", "1.0", repos=["acme"]), repo=new)
    assert dnf.plugin(host, "install", "-y", UNSIGNED, bundle).status == 6  # one-way
    succeeded(dnf.plugin(host, "install", "-y", UNSIGNED, "--allow-replace=acme", bundle))
    assert (host / "opt/acme/data").read_text() == "new\n"
    assert "acme-1.0-1.noarch" in dnf.plugin(host, "manifest", "--packages", "acme").out
