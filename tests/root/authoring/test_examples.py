"""The plugins in examples/: built, linted and installed as their README says."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from ovirt_node_plugin.authoring.lint import lint
from ovirt_node_plugin.plugin.bundle import read_bundle
from ovirt_node_plugin.system.run import run
from tests.support.agent_plugins import changes_to_full_node
from tests.support.dnf_runner import TOP, Dnf, succeeded
from tests.support.full_node import full_node
from tests.support.keys import SigningKey, make_key
from tests.support.kmod import module_bytes
from tests.support.rpms import make_repo

pytestmark = [pytest.mark.root]

EXAMPLES = TOP / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
KERNEL = "5.14.0-427.13.1.el9_4.x86_64"  # of the spec
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/node-plugin.xml"))


@pytest.fixture(name="key", scope="module")
def _key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return make_key(tmp_path_factory.mktemp("keys") / "example")


@pytest.fixture(name="examples", scope="module")
def _examples(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Dict[str, Path]:
    """The folder of each example, built by the commands of the README and signed."""
    home = tmp_path_factory.mktemp("home")
    (home / "example_disk.ko").write_bytes(module_bytes("example_disk", kernel=KERNEL))
    (home / ".rpmmacros").write_text(f"%_dbpath {home}/rpmdb\n%module {home}/example_disk.ko\n")
    top = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, top, dirs_exist_ok=True)
    for name in NAMES:
        if (top / name / "rpm").exists():
            subprocess.run(["sh", "-ec", _build_commands()], cwd=top / name, check=True,
                           env={**os.environ, "HOME": str(home)}, stdout=subprocess.DEVNULL)
            key.sign(sorted((top / name / "repo").rglob("*.rpm")))
            make_repo(top / name / "repo")
            (top / name / "keys").mkdir()
            shutil.copy(key.path, top / name / "keys/RPM-GPG-KEY-example")
    return {name: top / name for name in NAMES}


def _build_commands() -> str:
    first, _ = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert "rpmbuild" in first
    return str(first)


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The full Node; kernels of EL list the symbols that modules may use."""
    (kernel,) = os.listdir(full_node().tree / "usr/lib/modules")
    with full_node().root(tmp_path_factory.mktemp("root")) as root:
        (root / "usr/lib/modules" / kernel / "symvers").write_text(
            "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
        yield root


def names_of(examples: Dict[str, Path]) -> List[str]:
    return [read_bundle(folder, source=name).descriptor.name for name, folder in examples.items()]


def test_lint_finds_nothing_in_the_examples(examples: Dict[str, Path], root: Path) -> None:
    reports = {name: lint(folder, run=run, against=[root]) for name, folder in examples.items()}
    assert {name: report.findings for name, report in reports.items()} == dict.fromkeys(NAMES, ())


def test_the_examples_install_together_and_leave_no_trace(
        dnf: Dnf, examples: Dict[str, Path], root: Path) -> None:
    before = changes_to_full_node(root)
    succeeded(dnf.plugin(root, "install", "-y", "--trust-keys", *examples.values()))
    verified = succeeded(dnf.plugin(root, "verify")).text
    for name in names_of(examples):
        assert f"{name} 1.0: ok" in verified
    for path in ("etc/systemd/system/multi-user.target.wants/example-agent.service",
                 "usr/libexec/vdsm/hooks/before_vm_start/60_example_storage",
                 "etc/modules-load.d/node-plugin-example-disk-example_disk.conf",
                 "etc/systemd/system/example-backup.service.d/server.conf",
                 "etc/pki/ca-trust/source/anchors/example-site.pem"):
        assert os.path.lexists(root / path), path
    succeeded(dnf.plugin(root, "remove", "-y", *names_of(examples)))
    assert changes_to_full_node(root) == before


def test_the_table_of_the_readme_has_each_example() -> None:
    assert sorted(re.findall(r"^\| \[([\w-]+)\]\(\1/\)", README, re.MULTILINE)) == NAMES
