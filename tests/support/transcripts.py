"""Examples of the documentation: commands after ``# ``, and their output.

They run on temporary roots. Paths that a page names are replaced by paths of the sandbox
in commands, and the reverse in their output.
"""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from tests.support.dnf_runner import NOISE, Dnf, environment

# dnf prints it if the metadata are older than a second, as on a slow machine
AGE = "Last metadata expiration check: "
ELLIPSIS = "..."
"""In an example: any lines if it is a line, any text within a line."""


@dataclass(frozen=True)
class Step:
    """One command and its expected output; without lines, the output is not checked."""

    command: str
    shown: Tuple[str, ...]


def steps(text: str) -> List[Step]:
    """Return the commands of a transcript; a backslash continues a command in the next line."""
    commands: List[Step] = []
    for line in text.splitlines():
        if line.startswith("# "):
            commands.append(Step(line[2:], ()))
        elif commands and commands[-1].command.endswith("\\"):
            commands[-1] = Step(commands[-1].command[:-1] + line.strip(), ())
        elif commands:
            commands[-1] = Step(commands[-1].command, (*commands[-1].shown, line))
        else:
            raise ValueError(f"a transcript begins with a command, not with {line!r}")
    return [Step(step.command, _without_last_blanks(step.shown)) for step in commands]


def _without_last_blanks(lines: Tuple[str, ...]) -> Tuple[str, ...]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def output_agrees(example: Sequence[str], printed: str) -> bool:
    """Return whether ``printed`` matches an example, apart from blanks and ELLIPSIS."""
    if not example:
        return True
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == ELLIPSIS else _line(line) for line in example)
    plain = "".join(f"{' '.join(line.split())}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, plain) is not None


def _line(line: str) -> str:
    parts = " ".join(line.split()).split(ELLIPSIS)
    return ".*".join(map(re.escape, parts)) + r"\n"


@dataclass
class Sandbox:
    """A place to run examples in; ``places`` maps paths of a page to paths of the sandbox.

    A command without ``--installroot`` works on ``default_root``; the working directory
    is ``cwd``.
    """

    dnf: Dnf
    cwd: Path
    default_root: Path
    places: Dict[str, str] = field(default_factory=dict)
    variables: Dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cwd.mkdir(parents=True, exist_ok=True)
        self._status = 0
        argv = self.dnf.argv(Path("ROOT"))
        dnf_command = shlex.join(word for word in argv if word != "--installroot=ROOT")
        self.program("dnf", 'case " $* " in\n'
                     '*" --installroot"*) ;;\n'
                     f'*) set -- --installroot={shlex.quote(str(self.default_root))} "$@" ;;\n'
                     f'esac\nexec {dnf_command.replace("dnf-3 ", _real("dnf-3") + " ", 1)} "$@"\n')

    def program(self, name: str, script: str) -> None:
        """Write a shell script that replaces a program of the machine."""
        folder = self.cwd.parent / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}")
        (folder / name).chmod(0o755)

    def run(self, command: str) -> str:
        """Run one command and return its output; ``$?`` is the status of the previous one."""
        for page_path, path in self.places.items():
            command = command.replace(page_path, path)
        completed = subprocess.run(
            ["bash", "-c", f"(exit {self._status})\n{command}"], cwd=self.cwd, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self._environment(), check=False)
        self._status = completed.returncode
        printed = "".join(line for line in completed.stdout.splitlines(keepends=True)
                          if not any(noise in line for noise in (*NOISE, AGE)))
        for page_path, path in sorted(self.places.items(), key=lambda pair: -len(pair[1])):
            printed = printed.replace(path, page_path)
        return printed

    def play(self, text: str) -> None:
        """Run a transcript. Raises AssertionError if the output of a command differs."""
        for step in steps(text):
            printed = self.run(step.command)
            assert output_agrees(step.shown, printed), (
                f"# {step.command}\nis shown to print:\n" + "\n".join(step.shown)
                + f"\nbut printed (status {self._status}):\n{printed}")
            if not step.shown:
                assert self._status == 0, f"# {step.command}\n{printed}"

    def _environment(self) -> Dict[str, str]:
        env = {**environment(), "COLUMNS": "120", **self.variables}
        return {**env, "PATH": f"{self.cwd.parent / 'bin'}:{env['PATH']}"}


def _real(program: str) -> str:
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert path is not None, f"{program} is not installed"
    return path
