"""README and architecture agree with the programs and the tree."""
from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import List

import pytest

from ovirt_node_plugin.cli import arguments
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.system.run import run
from tests import support
from tests.project.test_layers import LIBRARY, imported, read_modules
from tests.support import manpages
from tests.support.dnf_runner import TOP, Dnf
from tests.support.transcripts import Sandbox

README = (TOP / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (TOP / "docs/architecture.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> List[str]:
    """Return the fenced code blocks of a language, empty for blocks without one."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def sandbox(built: support.Fixtures, node: Path, dnf: Dnf, tmp_path: Path) -> Sandbox:
    """A sandbox with a node at /mnt/node and a folder of plugins at /media/usb."""
    stick = tmp_path / "usb"
    stick.mkdir()
    for bundle in (built.bundle("cim", form="tar.zst"), built.bundle("needs-libvirt")):
        run(["cp", "-a", bundle, stick])
    return Sandbox(dnf, cwd=tmp_path / "home/work", default_root=node,
                   places={"/mnt/node": str(node), "/media/usb": str(stick)})


@pytest.mark.slow
def test_the_main_job_prints_what_the_readme_shows(sandbox: Sandbox) -> None:
    sandbox.play(blocks(README, "console")[0])


@pytest.mark.slow
def test_a_plugin_made_as_in_the_readme_can_be_installed(sandbox: Sandbox) -> None:
    (descriptor,) = blocks(README, "xml")
    assert parse_descriptor(descriptor.encode(), origin="README.md").name == "hello"
    (sandbox.cwd / "hello").mkdir()
    (sandbox.cwd / "hello/node-plugin.xml").write_text(descriptor)
    shutil.copy2(support.quick_rpm("hello", "1.0", files={"/usr/share/hello/text": "Hello"}),
                 sandbox.cwd)
    sandbox.play(blocks(README, "console")[1])


def test_the_first_two_commands_are_demo_and_check() -> None:
    commands = [line.split("#")[0].strip() for line in blocks(README, "sh")[0].splitlines()]
    assert commands == ["./tools/demo", "./tools/check"]
    assert all(os.access(TOP / command, os.X_OK) for command in commands)


def test_commands_of_the_program_are_accepted() -> None:
    """ovirt-node-plugin(8) has the same ones, which its tests run."""
    lines = "".join(blocks(README, "sh")).replace("\\\n", " ").splitlines()
    commands = [words for words in map(shlex.split, lines) if words[:1] == ["ovirt-node-plugin"]]
    names = [arguments.parse(words[1:]).command for words in commands]
    assert {"merge", "inspect", "diff"} <= set(names)


def test_named_targets_of_the_makefile_exist() -> None:
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    for step in re.findall(r"make (\w+)", "".join(blocks(README, "sh"))):
        assert re.search(rf"^{step}:", makefile, re.MULTILINE), step


def test_the_workflow_builds_and_installs_as_in_the_readme() -> None:
    flow = (TOP / ".github/workflows/build.yml").read_text(encoding="utf-8")
    ran = re.findall(r"^ +(?:- )?run: (.*)$", flow, re.MULTILINE)
    commands = [line.split("#")[0].strip() for line in blocks(README, "sh")[1].splitlines()]
    for command in filter(None, commands):
        assert command in ran
        assert command.replace("dnf-plugins-core", "dnf5-plugins") in ran


def test_every_manual_page_is_linked() -> None:
    assert all(f"](man/{page})" in README for page in manpages.PAGES)


def test_paths_in_the_picture_of_the_layout_exist() -> None:
    missing = [name for name in named_in_layout() if not (TOP / name).exists()]
    assert missing == []


def test_the_picture_of_the_layout_names_every_module_from_the_ground_up() -> None:
    rows = [name.partition("/")[2].rstrip("/").replace(".py", "") for name in named_in_layout()
            if name.startswith("ovirt_node_plugin/")]
    modules = [row for row in rows if row not in ("", "schema")]
    there = {path.stem for path in LIBRARY.iterdir()
             if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(modules) == sorted(there - {"__init__"})
    assert imports_of_what_is_below(modules) == []


def imports_of_what_is_below(rows: List[str]) -> List[str]:
    """Return the imports from one of ``rows`` to a later one."""
    return [f"{module.package} imports {name}" for module in read_modules(LIBRARY)
            for _, name in imported(module, LIBRARY.name) if name.startswith(LIBRARY.name)
            and name.split(".")[1] in rows[rows.index(module.package) + 1:]]


def named_in_layout() -> List[str]:
    """Return the paths that the picture of the layout names, relative to the top.

    Three blanks part them from what is said of them.
    """
    (picture,) = [block for block in blocks(ARCHITECTURE, "") if "dnf-plugins/" in block]
    found: List[str] = []
    for line in picture.splitlines():
        prefix = f"{LIBRARY.name}/" if line.startswith(" ") else ""
        found += [prefix + name for name in line.strip().split("   ")[0].split()]
    return found
