"""README and architecture agree with the programs and the tree."""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.system.run import run
from tests import support
from tests.project.test_layers import LIBRARY, imported, read_modules
from tests.support import manpages
from tests.support.dnf_runner import TOP, Dnf, environment
from tests.support.program import PROGRAM, Program
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


def test_a_test_plays_each_block() -> None:
    """A new block needs a test: of sh the first is checked by test_demo and by tools/check."""
    assert [len(blocks(README, language)) for language in ("sh", "console", "xml")] == [3, 2, 1]
    assert len(re.findall(r"^```", README, re.MULTILINE)) == 2 * 6


def play(text: str, cwd: Path, programs: Dict[str, str]) -> str:
    """Run a block in ``cwd`` by a shell that ends at the first failure; return what it prints.

    ``programs`` are shell scripts that replace programs, by name.
    """
    (cwd / "bin").mkdir()
    for name, script in programs.items():
        (cwd / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
        (cwd / "bin" / name).chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=cwd, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**environment(), "PATH": f"{cwd}/bin:{environment()['PATH']}"})
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_commands_on_an_iso_run_as_printed(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    """Only options for the checkout and its work folder are added, and the questions answered."""
    for version in ("4.5.5", "4.5.6"):
        (tmp_path / f"node-{version}.iso").symlink_to(built.iso("tree-live", version=version))
    (tmp_path / "SHA256SUMS").write_text(run(["sha256sum", tmp_path / "node-4.5.5.iso"]))
    for name in ("cim", "storage"):
        (tmp_path / f"{name}.tar.zst").symlink_to(built.bundle(name, form="tar.zst"))
    own = [shlex.join(program.argv(command)[2:]) for command in ("merge", "inspect")]
    script = (f'case $1 in merge) own=({own[0]});; inspect) own=({own[1]});; *) own=();; esac\n'
              f'exec {PROGRAM} "$1" "${{own[@]}}" "${{@:2}}" <<<y')
    printed = play(blocks(README, "sh")[2], tmp_path, {"ovirt-node-plugin": script})
    for line in ("\nInstalled plugin cim 1.0.", "node-4.5.5-site.iso is written.",
                 "cim      1.0      installed", "node-4.5.6-site.iso is written.",
                 "Old          : node-4.5.5-site.iso"):
        assert line in printed, printed
    # the entries of the two versions do the same
    compared = printed.partition("Old          : ")[2]
    assert "\nFiles        : " in compared and "Boot" not in compared


def test_the_commands_that_build_and_install_run_as_printed(tmp_path: Path) -> None:
    """dnf only records its arguments, and make makes empty files with the names of the RPMs.

    The workflow runs the same commands on EL and Fedora.
    """
    spec = (TOP / "ovirt-node-plugin.spec").read_text(encoding="utf-8")
    names = ["ovirt-node-plugin", *(name.replace("%{name}", "ovirt-node-plugin") for name in
                                    re.findall(r"^%package -n (\S+)", spec, re.MULTILINE))]
    make = ("[ $1 = rpm ]\nmkdir -p build/rpms/noarch\n"
            + "\n".join(f"touch build/rpms/noarch/{name}-0.1.0-1.noarch.rpm" for name in names))
    play(blocks(README, "sh")[1], tmp_path, {"dnf": 'echo "$*" >>calls', "make": make})
    *_, builddep, last = (tmp_path / "calls").read_text().splitlines()
    assert builddep == "-y builddep ovirt-node-plugin.spec"
    wanted = [name for name in names if name.startswith(("ovirt-node-plugin", "python3-"))]
    assert len(wanted) == 3 and sorted(last.split()[2:]) == sorted(
        f"build/rpms/noarch/{name}-0.1.0-1.noarch.rpm" for name in wanted)


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
