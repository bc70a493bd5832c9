"""The workflows of docs/ci.md: their schemas, and their commands on a real plugin and image."""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

import pytest
from lxml import etree

from tests import support
from tests.support.dnf_runner import TOP, Dnf, environment
from tests.support.program import Program
from tests.support.signing import signing_key

PAGE = (TOP / "docs/ci.md").read_text(encoding="utf-8")


def workflows() -> Tuple[str, str]:
    """Return the texts for GitHub and for GitLab."""
    github, gitlab = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return github, gitlab


def commands(workflow: str) -> List[str]:
    """Return the command lines of a workflow, without the marks of YAML."""
    joined = re.sub(r"\\\n\s+", "", workflow)
    return [re.sub(r"^\s*(?:- |run: )*", "", line) for line in joined.splitlines()]


def own_commands(workflow: str) -> List[str]:
    return [line for line in commands(workflow)
            if re.match(r"ovirt-node-plugin (?:lint|pack|try) ", line)]


@pytest.mark.parametrize(("workflow", "schema"), zip(
    workflows(), ("vendor.github-workflows", "vendor.gitlab-ci")), ids=("github", "gitlab"))
def test_each_workflow_is_valid(workflow: str, schema: str, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yml"
    file.write_text(workflow)
    # of the versions in tools/requirements.txt, which tools/setup installs beside this Python
    checker, linter = (str(Path(sys.executable).with_name(name))
                       for name in ("check-jsonschema", "yamllint"))
    for argv in ([checker, "--builtin-schema", schema, str(file)],
                 [linter, "--strict", f"--config-file={TOP / '.yamllint'}", str(file)]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_both_workflows_have_the_same_commands_in_the_order_of_the_table() -> None:
    github, gitlab = map(own_commands, workflows())
    assert github == gitlab
    assert [line.split()[1] for line in github] == ["lint", "pack", "try"]
    table = re.findall(r"^\|[^|]*\| `(ovirt-node-plugin [^`]*)` \|", PAGE, re.MULTILINE)
    assert [line.replace('"$FINGERPRINT"', "FINGERPRINT") for line in github] == table
    for shared in ("dnf -y install ", "curl --fail --location --output ", "printf "):
        assert len({line for text in workflows() for line in commands(text)
                    if line.startswith(shared)}) == 1


@pytest.mark.root
def test_the_commands_of_the_workflows_make_and_try_a_signed_plugin(
        built: support.Fixtures, dnf: Dnf, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    for name in ("bin", "work", "images", "dist"):
        (tmp_path / name).mkdir()
    shutil.copytree(built.bundle("storage"), tmp_path / "acme")
    os.symlink(built.iso("installer"), tmp_path / "images/node.iso")
    program = Program(tmp_path / "work", dnf)
    for name in ("lint", "pack", "try"):  # with the options for a clone
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(program.argv(name))} "$@"\n')
    (programs / "ovirt-node-plugin").write_text(
        f'#!/bin/sh\ncommand=$1\nshift\nexec {programs}/"$command" "$@"\n')
    for path in programs.iterdir():
        path.chmod(0o755)
    with signing_key(built.key, monkeypatch) as fingerprint:
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(own_commands(workflows()[0]))], cwd=tmp_path,
            capture_output=True, text=True, check=False, env={
                **environment(), "GNUPGHOME": os.environ["GNUPGHOME"], "FINGERPRINT": fingerprint,
                "PATH": f"{programs}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = (tmp_path / "dist").glob("*.tar.zst")
    assert (tmp_path / "dist" / f"{archive.name}.asc").exists()
    assert (tmp_path / "lint.sarif").exists()
    results = etree.parse(str(tmp_path / "results.xml")).getroot()
    assert [results.get(name) for name in ("tests", "failures", "skipped")] == ["4", "0", "0"]
