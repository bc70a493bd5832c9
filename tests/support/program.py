"""The program ``ovirt-node-plugin`` of this checkout."""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import List

from tests.support import schemas, script_server
from tests.support.dnf_runner import NOISE, TOP, Answer, Dnf, environment

PROGRAM = TOP / "bin/ovirt-node-plugin"
# In a message of merge: hints for dnf, arguments of programs, and temporary paths
_FOREIGN = re.compile(r"dnf node-plugin|--installroot|rpmkeys|stdio:|-no_rc|--types |-noappend"
                      r"|-I -c |/\.?[\w.-]*ovirt-node-plugin-[a-z0-9_]{8}\b|/tmp/node-plugin-")


@dataclass(frozen=True)
class Program:
    """Runs the program; ``work`` is its work folder, ``dnf`` configures its runs of dnf."""

    work: Path
    dnf: Dnf

    def argv(self, command: str, *words: object) -> List[str]:
        """Return the argument list of one run."""
        from ovirt_node_plugin.cli import arguments  # needs rpm, which conftest.py asks for

        parser = arguments._parsers()[1].get(command)
        offered = parser.format_usage() if parser is not None else ""
        options = [f"--work-dir={self.work}"] if "--work-dir" in offered else []
        if "--setopt" in offered:
            options += [f"--setopt=pluginpath={TOP / 'dnf-plugins'}",
                        f"--setopt=pluginconfpath={self.dnf.folder / 'pluginconf'}"]
        return [str(PROGRAM), command, *options, *map(str, words)]

    def __call__(self, command: str, *words: object, stdin: str = "") -> Answer:
        """Run one command."""
        completed = script_server.run(self.argv(command, *words), stdin, environment())
        errors = "".join(line for line in completed.stderr.splitlines(keepends=True)
                         if not any(noise in line for noise in NOISE))
        if command == "merge" and not {"-v", "--verbose"}.intersection(map(str, words)):
            check_messages(completed.stdout + completed.stderr)
        return Answer(completed.returncode, completed.stdout, errors,
                      schemas.PROGRAM_ANSWERS.get(command, ""))


def check_messages(text: str) -> None:
    """Raise AssertionError for text of merge that does not help those who ran it."""
    foreign = [line for line in text.splitlines() if _FOREIGN.search(line)]
    assert not foreign, foreign
