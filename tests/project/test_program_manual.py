"""ovirt-node-plugin(8) agrees with the program: commands, options, JSON, every example."""
from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Iterator, Mapping, Set

import pytest

from ovirt_node_plugin.authoring.lint.codes import CODES
from ovirt_node_plugin.cli import arguments
from ovirt_node_plugin.errors import Status
from ovirt_node_plugin.system import limits
from ovirt_node_plugin.system.run import run
from tests import support
from tests.support import manpages
from tests.support.dnf_runner import TOP, Dnf, environment
from tests.support.program import PROGRAM, Program
from tests.support.update_rpm import make_update_rpm

PAGE, COMMAND = "ovirt-node-plugin.8", "dnf-node-plugin.8"


def parsers() -> Mapping[str, argparse.ArgumentParser]:
    return arguments._parsers()[1]


def options(parser: argparse.ArgumentParser) -> Set[str]:
    return {name for action in parser._actions for name in action.option_strings
            if name.startswith("--")}


def test_commands_are_those_of_the_program() -> None:
    explained = manpages.terms(manpages.section(PAGE, "COMMANDS"))
    assert [term.split()[0] for term in explained] == list(parsers())
    synopsis = manpages.prose(manpages.section(PAGE, "SYNOPSIS"))
    assert re.findall(r"ovirt-node-plugin (\w+)", synopsis) == list(parsers())


def test_options_are_those_of_the_program() -> None:
    known = {"--version"}.union(*(options(parser) for parser in parsers().values()))
    terms = manpages.terms(manpages.section(PAGE, "OPTIONS"))
    assert {word for term in terms for word in re.findall(r"--[\w-]+", term)} == known


def test_the_help_of_each_command_names_its_options() -> None:
    for name, parser in parsers().items():
        done = subprocess.run([PROGRAM, name, "--help"], capture_output=True, text=True,
                              env=environment(), check=True)
        assert options(parser) <= set(re.findall(r"--[\w-]+", done.stdout))


def test_the_findings_of_lint_are_those_of_the_program() -> None:
    lines = manpages.section(PAGE, "FINDINGS")
    assert manpages.terms(lines) == [f"{code} ({row.severity.text})"
                                     for code, row in CODES.items()]
    text = manpages.prose(lines)
    assert [code for code, row in CODES.items()
            if f"{row.text[0].upper()}{row.text[1:]}." not in text] == []


def test_additional_exit_statuses_are_explained() -> None:
    text = manpages.prose(manpages.section(PAGE, "EXIT STATUS"))
    assert str(int(Status.BAD_IMAGE)) in text.split()


def test_the_documented_limit_of_compared_content_is_that_of_the_code() -> None:
    from ovirt_node_plugin.merge import verify
    text = manpages.prose(manpages.section(PAGE, "COMMANDS"))
    assert f"by content up to {verify._CONTENT_LIMIT_BYTES >> 10} KiB" in text


def test_the_documented_limits_of_an_iso_are_those_of_the_code() -> None:
    text = manpages.prose(manpages.section(PAGE, "DESCRIPTION"))
    assert f"at most {limits.COMPARED_BYTES >> 30} GiB together" in text
    assert (f"at most {limits.ISO_FILES} files, and each of its boot configurations"
            f" {limits.BOOT_ENTRIES} entries") in text


@pytest.fixture
def place(built: support.Fixtures, tmp_path: Path) -> Path:
    """A folder with the files that the examples name."""
    for version in ("4.5.5", "4.5.6"):
        shutil.copyfile(built.iso("tree-live", version=version), tmp_path / f"node-{version}.iso")
    (tmp_path / "SHA256SUMS").write_text(run(["sha256sum", tmp_path / "node-4.5.5.iso"]))
    for name in ("cim", "storage"):
        shutil.copyfile(built.bundle(name, form="tar.zst"), tmp_path / f"{name}.tar.zst")
    for rpm in built.bundle("storage").glob("repo/*.rpm"):
        shutil.copy(rpm, tmp_path)
    image = tmp_path / "ovirt-node-ng-image-update-4.5.6-1.el9.squashfs.img"
    run(["xorriso", "-osirrox", "on", "-indev", tmp_path / "node-4.5.6.iso", "-extract",
         "/LiveOS/squashfs.img", image])
    shutil.move(str(make_update_rpm(tmp_path, [image])), tmp_path)
    return tmp_path


def commands() -> Iterator[str]:
    for example in manpages.examples_of_kind(PAGE, "program"):
        yield from example.text.replace("\\\n", " ").splitlines()


@pytest.mark.root
@pytest.mark.slow
def test_every_example_works(place: Path, dnf: Dnf) -> None:
    program = Program(place, dnf)
    names: Set[str] = set()
    for line in commands():
        words = shlex.split(line)
        assert words[0] == "ovirt-node-plugin"
        argv = program.argv(words[1], *words[2:])
        done = subprocess.run(argv, input="y\n", capture_output=True, text=True, check=False,
                              env=environment(), cwd=place)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        names.add(words[1])
    assert names == set(parsers())
    assert (place / "node-4.5.6-less.iso").exists()
    assert (place / "ovirt-node-ng-image-update-4.5.6-1.el9.site1.noarch.rpm").exists()


def test_the_program_starts_in_any_folder(tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(TOP)}, cwd=tmp_path)
    assert re.fullmatch(r"ovirt-node-plugin \d+\.\d+\.\d+\n", done.stdout)
