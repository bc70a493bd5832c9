"""Examples of the documentation as they are printed: commands after ``# ``, and output.

They are run as root would type them, on temporary roots: paths that a page names
are those of the sandbox when a command runs, and the page's own in what it printed.
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

ELLIPSIS = "..."
"""In an example: any lines, where it stands alone; any text, inside of one."""


@dataclass(frozen=True)
class Step:
    """One command and the lines that it is shown to print; none: not shown."""

    command: str
    shown: Tuple[str, ...]


def steps(text: str) -> List[Step]:
    """Return the commands of a transcript; a backslash continues one in the next line."""
    found: List[Step] = []
    for line in text.splitlines():
        if line.startswith("# "):
            found.append(Step(line[2:], ()))
        elif found and found[-1].command.endswith("\\"):
            found[-1] = Step(found[-1].command[:-1] + line.strip(), ())
        elif found:
            found[-1] = Step(found[-1].command, (*found[-1].shown, line))
        else:
            raise ValueError(f"a transcript begins with a command, not with {line!r}")
    return [Step(step.command, _without_last_blanks(step.shown)) for step in found]


def _without_last_blanks(lines: Tuple[str, ...]) -> Tuple[str, ...]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def output_agrees(shown: Sequence[str], printed: str) -> bool:
    """Say if ``printed`` is what an example shows, but for blanks and what it leaves out."""
    if not shown:
        return True
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == ELLIPSIS else _line(line) for line in shown)
    plain = "".join(f"{' '.join(line.split())}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, plain) is not None


def _line(line: str) -> str:
    parts = " ".join(line.split()).split(ELLIPSIS)
    return ".*".join(map(re.escape, parts)) + r"\n"


@dataclass
class Sandbox:
    """A place to run examples in: ``places`` maps what they say to what is meant.

    A command without ``--installroot`` works on ``default_root``; the current
    folder is ``cwd``.
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
        rest = shlex.join(word for word in argv if word != "--installroot=ROOT")
        self.program("dnf", 'case " $* " in\n'
                     '*" --installroot"*) ;;\n'
                     f'*) set -- --installroot={shlex.quote(str(self.default_root))} "$@" ;;\n'
                     f'esac\nexec {rest.replace("dnf-3 ", _real("dnf-3") + " ", 1)} "$@"\n')

    def program(self, name: str, script: str) -> None:
        """Put a shell script in front of a program of the machine."""
        folder = self.cwd.parent / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}")
        (folder / name).chmod(0o755)

    def run(self, command: str) -> str:
        """Run one command and return what it printed; ``$?`` is the status of the last one."""
        for said, meant in self.places.items():
            command = command.replace(said, meant)
        done = subprocess.run(
            ["bash", "-c", f"(exit {self._status})\n{command}"], cwd=self.cwd, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self._environment(), check=False)
        self._status = done.returncode
        printed = "".join(line for line in done.stdout.splitlines(keepends=True)
                          if not any(noise in line for noise in NOISE))
        for said, meant in sorted(self.places.items(), key=lambda pair: -len(pair[1])):
            printed = printed.replace(meant, said)
        return printed

    def play(self, text: str) -> None:
        """Run a transcript; every command has to print what it is shown to print."""
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
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert found is not None, f"{program} is not installed"
    return found
