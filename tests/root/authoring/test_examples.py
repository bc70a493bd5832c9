"""The plugins in examples/: built as their README says, packed, linted and tried."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Dict, Iterator

import pytest
from lxml import etree

from ovirt_node_plugin.authoring.lint.codes import Severity
from ovirt_node_plugin.authoring.lint.lint import lint
from ovirt_node_plugin.authoring.pack.pack import PackedPlugin, PackOrder, pack
from ovirt_node_plugin.system.progress import Silent
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.dnf_runner import TOP, succeeded
from tests.support.full_node import full_node
from tests.support.kmod import module_bytes
from tests.support.program import Program
from tests.support.signing import signing_key

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXAMPLES = TOP / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
CORE_LISTS = (TOP / "etc/ovirt-node-plugin/core.d",)
KERNEL = "5.14.0-427.13.1.el9_4.x86_64"  # of the spec
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/node-plugin.xml"))


@pytest.fixture(name="examples", scope="module")
def _examples(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    """The folder of each example, built by the commands of the README."""
    home = tmp_path_factory.mktemp("home")
    (home / "example_disk.ko").write_bytes(module_bytes("example_disk", kernel=KERNEL))
    (home / ".rpmmacros").write_text(f"%_dbpath {home}/rpmdb\n%module {home}/example_disk.ko\n")
    top = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, top, dirs_exist_ok=True)
    for name in NAMES:
        if (top / name / "rpm").exists():
            subprocess.run(["sh", "-ec", _build_commands()], cwd=top / name, check=True,
                           env={**os.environ, "HOME": str(home)}, stdout=subprocess.DEVNULL)
    return {name: top / name for name in NAMES}


@pytest.fixture(name="packed", scope="module")
def _packed(built: support.Fixtures, examples: Dict[str, Path],
            tmp_path_factory: pytest.TempPathFactory) -> Dict[str, PackedPlugin]:
    """Each example, packed and signed."""
    output = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch, signing_key(built.key, patch) as key:
        return {name: pack(PackOrder(folder, output, key=key, core_lists=CORE_LISTS), run=run,
                           progress=Silent()) for name, folder in examples.items()}


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


def test_lint_finds_nothing_in_the_packed_examples(
        packed: Dict[str, PackedPlugin], root: Path) -> None:
    findings = {name: lint(made.archive, run=run, against=[root]).findings if made.archive else None
                for name, made in packed.items()}
    assert findings == dict.fromkeys(NAMES, ())


def test_each_packed_example_passes_its_trial_in_an_image(
        program: Program, packed: Dict[str, PackedPlugin], root: Path) -> None:
    answer = program("try", *(made.archive for made in packed.values()), "--on", root,
                     "--trust-keys", "--json")
    cells = succeeded(answer).json["cells"]
    assert [cell["ok"] for cell in cells] == [True] * len(NAMES)


def test_new_finds_the_settings_of_the_examples_in_their_packages(
        program: Program, examples: Dict[str, Path], tmp_path: Path) -> None:
    """Modules of the image, ports without a service and parameters are in no package."""
    missing = {}
    for name, folder in examples.items():
        if (folder / "rpm").exists():
            made = tmp_path / name
            answer = program("new", name, "--from", *sorted((folder / "repo").rglob("*.rpm")),
                             "--dir", made, "--json")
            found = {setting["element"] for setting in succeeded(answer).json["settings"]}
            assert lint(made, run=run).number(Severity.ERROR) == 0
            missing[name] = set(settings_of(folder)) - found
    assert missing == {
        "agent": set(), "kernel-module": set(), "storage": {"kernel-module"},
        "backup": {"firewall-service", "leave-out", "unit-drop-in"}}


def settings_of(folder: Path) -> Iterator[str]:
    """Yield the elements of an example's settings, without conditions."""
    for node in etree.parse(str(folder / "node-plugin.xml")).getroot().iter(etree.Element):
        parent = node.getparent()
        if parent is not None and parent.tag in ("settings", "when") and node.tag != "when":
            yield str(node.tag)


def test_the_table_of_the_readme_has_each_example() -> None:
    assert sorted(re.findall(r"^\| \[([\w-]+)\]\(\1/\)", README, re.MULTILINE)) == NAMES
