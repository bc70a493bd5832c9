"""The program ``ovirt-node-plugin`` of this checkout."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List

from tests.support import schemas, script_server
from tests.support.dnf_runner import NOISE, TOP, Answer, Dnf, environment

PROGRAM = TOP / "bin/ovirt-node-plugin"


@dataclass(frozen=True)
class Program:
    """Runs the program; ``work`` is its work folder, ``dnf`` configures its runs of dnf."""

    work: Path
    dnf: Dnf

    def argv(self, command: str, *words: object) -> List[str]:
        """Return the argument list of one run."""
        options = [f"--work-dir={self.work}"]
        if command in ("merge", "inspect"):
            options += [f"--setopt=pluginpath={TOP / 'dnf-plugins'}",
                        f"--setopt=pluginconfpath={self.dnf.folder / 'pluginconf'}"]
        return [str(PROGRAM), command, *options, *map(str, words)]

    def __call__(self, command: str, *words: object, stdin: str = "") -> Answer:
        """Run one command."""
        completed = script_server.run(self.argv(command, *words), stdin, environment())
        errors = "".join(line for line in completed.stderr.splitlines(keepends=True)
                         if not any(noise in line for noise in NOISE))
        return Answer(completed.returncode, completed.stdout, errors,
                      schemas.PROGRAM_ANSWERS.get(command, ""))
