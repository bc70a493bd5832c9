"""Packages of a plugin that no repository offers: the message says why, and what there is."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED
from tests.support.dnf_runner import Dnf

pytestmark = pytest.mark.root


def test_the_message_says_why_a_package_is_not_offered(
        node: Path, tmp_path: Path, dnf: Dnf) -> None:
    repo = support.RpmRepo(tmp_path / "rpms", "storage")
    for name in ("VRTSvxvm", "VRTSvxfs", "VRTSperl"):
        repo.add(name, "8.0", provides=["vrtsp"])
    repo.add("armed", "1.0", arch="aarch64")
    bundle = support.write_bundle(tmp_path / "storage", support.descriptor_xml("storage"),
                                  repo=repo)
    (bundle / "storage.repo").unlink()
    shutil.copy(support.quick_rpm("late", "2.0"), bundle / "repo")

    def refusal(install: str, *words: object) -> str:
        (bundle / "node-plugin.xml").write_text(support.descriptor_xml("storage").replace(
            '<install name="storage"/>', install))
        answer = dnf.plugin(node, "install", bundle, "-y", UNSIGNED, *words)
        assert answer.status == 4, answer.text
        return answer.err

    assert refusal('<install name="vrtsvx"/><install name="VRTSperl" version="9"/>') == (
        "Error: plugin storage 1.0 cannot go into oVirt Node 4.5.5: no repository of this run"
        " offers 2 packages of its <packages>.\n"
        "  vrtsvx: no package has this name.\n"
        "  VRTSperl 9: only VRTSperl-8.0-1.noarch (bundle:storage) is there.\n"
        "The repository bundle:storage has VRTSperl, VRTSvxfs, VRTSvxvm, armed.\n"
        "Name a repository that has it with --enablerepo, or ask the plugin's vendor. If you make"
        " the plugin, correct <packages> in the descriptor, or put the RPM into the repository and"
        f" run: createrepo_c --update {bundle}/repo\n")
    assert ("  armed: armed-1.0-1.aarch64 (bundle:storage) is there, but not for x86_64, the"
            " architecture of the root.\n") in refusal('<install name="armed"/>')
    assert ("  vrtsp: no package has this name; VRTSperl, VRTSvxfs, VRTSvxvm provide it, and"
            " <install> needs the name of a package.\n") in refusal('<install name="vrtsp"/>')
    assert ("  VRTSperl: VRTSperl-8.0-1.noarch (bundle:storage) is there, but excluded: by exclude"
            " or includepkgs in dnf.conf or") in refusal(
                '<install name="VRTSperl"/>', "--exclude=VRTSperl")
    late = refusal('<install name="late"/>')
    assert (f"  late: {bundle}/repo/late-2.0-1.noarch.rpm is there, but the metadata of the"
            " repository are stale and do not name it.\n") in late
    assert late.endswith(f"Make the metadata again: createrepo_c --update {bundle}/repo\n")
    run(["tar", "-C", tmp_path, "-cf", tmp_path / "storage.tar", "storage"])
    packed = dnf.plugin(node, "install", tmp_path / "storage.tar", "-y", UNSIGNED).err
    assert "  late: repo/late-2.0-1.noarch.rpm of the bundle is there, but the metadata" in packed
    assert "in the folder of the bundle, and make its tar again" in packed
