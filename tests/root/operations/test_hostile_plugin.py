"""A hostile plugin: core packages by an allowed name, its own repository, its own key."""
from __future__ import annotations

import shutil
from pathlib import Path

from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.target import identify
from tests import support
from tests.support.dnf_runner import Dnf
from tests.support.tree_states import state_differences, tree_state


def make_bundle(folder: Path, name: str, **package: object) -> Path:
    """Return a bundle with one package of the same name."""
    repo = support.RpmRepo(folder / "rpms", repo_id=name)
    repo.add(name, "99", **package)  # type: ignore[arg-type]
    bundle = support.write_bundle(folder / "bundle", support.descriptor_xml(name), repo=repo)
    (bundle / f"{name}.repo").unlink()
    return bundle


def test_a_plugin_with_an_allowed_package_name_cannot_replace_core_packages(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(node)
    bundle = make_bundle(tmp_path, "ovirt-node-ng-image-update",
                         obsoletes="device-mapper-multipath")
    answer = dnf.plugin(node, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == Status.NEEDS_NEWER and "device-mapper-multipath" in answer.err
    assert state_differences(before, tree_state(node)) == []


def test_a_package_that_contains_a_repo_file_is_refused(node: Path, dnf: Dnf,
                                                        tmp_path: Path) -> None:
    before = tree_state(node)
    text = "[sneaky]\nname=sneaky\nbaseurl=file:///x\nenabled=1\n"
    bundle = make_bundle(tmp_path, "sneaky", files={"/etc/yum.repos.d/sneaky.repo": text})
    answer = dnf.plugin(node, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == Status.REFUSED and "/etc/yum.repos.d/sneaky.repo" in answer.err
    assert state_differences(before, tree_state(node)) == []


def test_a_scriptlet_that_writes_a_repository_is_rolled_back(
        node: Path, dnf: Dnf, tmp_path: Path) -> None:
    before = tree_state(node)
    bundle = make_bundle(tmp_path, "sneaky", scriptlets={
        "post": "echo '[sneaky]' > /etc/yum.repos.d/sneaky.repo"})
    answer = dnf.plugin(node, "install", bundle, "-y", "--nogpgcheck")
    assert answer.status == Status.ROLLED_BACK and "/etc/yum.repos.d/sneaky.repo" in answer.err
    assert state_differences(before, tree_state(node)) == []


def test_an_upgrade_needs_trust_keys_for_the_keys_of_a_bundle(
        node: Path, dnf: Dnf, built: support.Fixtures, tmp_path: Path) -> None:
    assert dnf.plugin(node, "install", built.bundle("agent", "1.0"), "-y",
                      "--nogpgcheck").status == 0
    newer = Path(shutil.copytree(built.bundle("agent", "1.1"), dnf.shipped_library / "agent"))
    descriptor = (newer / "node-plugin.xml").read_text()
    begin, end = descriptor.index("<repos>"), descriptor.index("</repos>") + len("</repos>")
    (newer / "node-plugin.xml").write_text(descriptor[:begin] + descriptor[end:])
    for path in newer.glob("*.repo"):
        path.unlink()
    answer = dnf.plugin(node, "upgrade", "-y")
    assert answer.status == Status.REFUSED and "--trust-keys" in answer.err


def test_every_path_of_the_running_system_is_identified_as_live() -> None:
    for name in ("/", "//", "/proc/self/root", "/usr/.."):
        assert identify(Path(name)).live, name
    assert not identify(Path("/usr")).live
