"""The tutorial: its commands, run as they stand, print what it shows."""
from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from ovirt_node_plugin.system.run import run
from tests.support.agent_plugins import changes_to_full_node
from tests.support.dnf_runner import TOP, Dnf
from tests.support.program import PROGRAM, Program
from tests.support.transcripts import Sandbox

pytestmark = [pytest.mark.root, pytest.mark.slow]

TUTORIAL = (TOP / "docs/tutorial.md").read_text(encoding="utf-8")


def test_the_commands_of_the_tutorial_print_what_it_shows(
        program: Program, dnf: Dnf, full_root: Path, tmp_path: Path) -> None:
    """Only options for the checkout and its work folder are added."""
    before = changes_to_full_node(full_root)
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    sandbox = Sandbox(dnf, cwd=tmp_path / "home/work", default_root=full_root, places={
        "/mnt/node": str(full_root), "/usr/share/doc/ovirt-node-plugin": str(TOP)},
        variables={"GNUPGHOME": str(home)})
    # Debian's rpmbuild would look for what the package needs in the machine's own database
    sandbox.program("rpmbuild", f'exec {shutil.which("rpmbuild")} --define "_dbpath {tmp_path}/db"'
                                ' "$@"\n')
    own = shlex.join(program.argv("try")[2:])
    sandbox.program("ovirt-node-plugin", f'[ "$1" != try ] || {{ shift; set -- try {own} "$@"; }}\n'
                                         f'exec /usr/bin/python3 {PROGRAM} "$@"\n')
    try:
        for block in re.findall(r"^```console\n(.*?)^```$", TUTORIAL, re.MULTILINE | re.DOTALL):
            sandbox.play(block)
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], ok=range(256))
    assert changes_to_full_node(full_root) == before
