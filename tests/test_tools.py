"""The project's own scripts: what they list, what they refuse, where they end."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

import pytest

TOP = Path(__file__).resolve().parent.parent
TOOLS = ("check", "chroot", "matrix", "setup")
GROUPS = ("run", "test", "check", "chroot")


def call(*argv: str, cwd: Path = TOP, env: Optional[Mapping[str, str]] = None
         ) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", env={**os.environ, **(env or {})})


def sources(top: Path) -> List[str]:
    done = call(str(top / "tools" / "sources"), cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.split("\0") if name]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script ``sources``, a file, and things that are none of it."""
    top = tmp_path / "my project"
    for name in ("tools", "build", ".venv", "a/__pycache__", "ovirt.egg-info"):
        (top / name).mkdir(parents=True)
    shutil.copy(TOP / "tools" / "sources", top / "tools")
    for name in ("a/one file", "build/x", ".venv/y", "a/__pycache__/z.pyc", "ovirt.egg-info/w"):
        (top / name).touch()
    return top


def test_sources_are_found_without_git(checkout: Path) -> None:
    assert sources(checkout) == ["a/one file", "tools/sources"]


def test_sources_are_what_git_knows_or_does_not_ignore(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("build\n.venv\n__pycache__\n*.egg-info\n",
                                         encoding="utf-8")
    (checkout / "gone").touch()
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    subprocess.run(["git", "add", "gone", "a"], cwd=checkout, check=True)
    (checkout / "gone").unlink()
    assert sources(checkout) == [".gitignore", "a/one file", "tools/sources"]


@pytest.mark.parametrize("tool", TOOLS)
def test_an_unknown_option_is_refused_before_anything_is_done(tool: str) -> None:
    done = call(str(TOP / "tools" / tool), "--no-such-option")
    assert done.returncode != 0 and "--no-such-option" in done.stderr and done.stdout == ""


@pytest.mark.parametrize("tool", TOOLS)
def test_help_is_the_head_of_the_script(tool: str) -> None:
    done = call(str(TOP / "tools" / tool), "--help")
    assert done.returncode == 0 and f"tools/{tool} " in done.stdout
    assert "set -euo" not in done.stdout


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("family", ["debian", "el"])
def test_setup_lists_the_packages_of_a_group(family: str, group: str) -> None:
    done = call("tools/setup", f"--list={family}", group)
    names = done.stdout.split()
    assert done.returncode == 0 and names
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", name) for name in names)


def test_setup_refuses_an_unknown_group() -> None:
    done = call("tools/setup", "--list=debian", "everything")
    assert done.returncode != 0
    assert "no group is called everything: run, test, check or chroot" in done.stderr


def test_setup_says_which_systems_it_knows(tmp_path: Path) -> None:
    """Seen in a mount namespace where os-release is another system's."""
    other = tmp_path / "os-release"
    other.write_text("ID=plan9\n", encoding="utf-8")
    done = call("unshare", "--mount", "sh", "-c",
                'mount --bind "$1" "$(readlink -f /etc/os-release)" && tools/setup run',
                "sh", str(other))
    assert done.returncode != 0 and "this is plan9; Debian and EL are known" in done.stderr


def test_setup_touches_no_package_manager_when_all_is_there(tmp_path: Path) -> None:
    for name in ("apt-get", "dnf", "pip"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} was started >&2; exit 1\n",
                                     encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = call("tools/setup", "run", "test", "chroot",
                env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_matrix_refuses_an_unknown_suite() -> None:
    done = call("tools/matrix", "--suite", "potato")
    assert done.returncode != 0
    assert "no suite is called potato: bullseye bookworm trixie" in done.stderr


def test_tools_that_make_mounts_ask_for_root(tmp_path: Path) -> None:
    """Run as nobody from a copy, since the checkout may be root's alone."""
    copy = tmp_path / "copy"
    shutil.copytree(TOP / "tools", copy / "tools")
    folder = copy
    while folder != Path("/tmp") and folder != folder.parent:
        folder.chmod(0o755)
        folder = folder.parent
    for tool in ("check", "matrix"):
        done = call("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                    str(copy / "tools" / tool))
        assert done.returncode != 0 and "run as root" in done.stderr, done.stderr


def targets() -> Sequence[str]:
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z]+):(?!=)", text, re.MULTILINE)


def test_every_step_of_the_makefile_is_no_file() -> None:
    text = (TOP / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert sorted(phony.group(1).split()) == sorted(targets())
    assert {"check", "quick", "rpm", "srpm", "mock", "demo", "matrix", "install",
            "clean"} <= set(targets())


@pytest.mark.parametrize("config", ["el9", "el10"])
def test_mock_configurations_are_python_and_have_roots_of_their_own(config: str) -> None:
    text = (TOP / "mock" / f"ovirt-node-plugin-{config}.cfg").read_text(encoding="utf-8")
    included: List[str] = []
    options: dict[str, str] = {}
    exec(text, {"include": included.append, "config_opts": options})  # what mock does
    assert options == {"root": f"ovirt-node-plugin-{config}"}
    assert included == [f"/etc/mock/centos-stream-{config[2:]}-x86_64.cfg"]
