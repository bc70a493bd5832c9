"""The real dnf with this checkout's plugin, on a temporary root."""
from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from tests.support import schemas, script_server

TOP = Path(__file__).resolve().parents[2]
# Messages of Debian's dnf and rpm in every run: Debian 12's rpm looks in the home folder,
# 11's has another database format as default, 13's needs a mount namespace.
NOISE = ("Unable to detect release version", "Found sqlite rpmdb.sqlite database while",
         "private mounts in chroot not implemented")


@dataclass(frozen=True)
class Answer:
    """The exit status and output of one run.

    ``schema`` is the schema of its JSON answers, empty if every answer is an error.
    """

    status: int
    out: str
    err: str
    schema: str = ""

    @property
    def text(self) -> str:
        """Standard output followed by standard error."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Standard output as one JSON document, validated with its schema."""
        return schemas.validated_answer(json.loads(self.out), self.schema)

    @property
    def lines(self) -> List[Any]:
        """Standard output as one JSON document a line, each validated with its schema."""
        return [schemas.validated_answer(json.loads(line), self.schema)
                for line in self.out.splitlines()]


def succeeded(answer: Answer) -> Answer:
    """Assert that a run succeeded and return its answer."""
    assert answer.status == 0, answer.text
    return answer


@dataclass
class Dnf:
    """Runs dnf; ``folder`` contains its configuration and library."""

    folder: Path
    options: Dict[str, str] = field(default_factory=dict)
    prefix: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        (self.folder / "pluginconf").mkdir(parents=True, exist_ok=True)
        self.path_rules.mkdir(parents=True, exist_ok=True)
        self.own_library.mkdir(parents=True, exist_ok=True)
        self.shipped_library.mkdir(parents=True, exist_ok=True)
        self.configure()

    @property
    def own_library(self) -> Path:
        """The folder in which ``add`` stores bundles."""
        return self.folder / "library/own"

    @property
    def shipped_library(self) -> Path:
        """The folder in which vendors' packages install bundles."""
        return self.folder / "library/shipped"

    @property
    def path_rules(self) -> Path:
        """The folder of the administrator's path rules."""
        return self.folder / "paths.d"

    @property
    def site_parameters(self) -> Path:
        """The folder of the site's values of parameters."""
        return self.folder / "parameters.d"

    def configure(self, **options: str) -> None:
        """Write node-plugin.conf with the folders of this run and ``options``."""
        self.options = options
        values = {"library": f"{self.own_library} {self.shipped_library}",
                  "core_lists": str(TOP / "etc/ovirt-node-plugin/core.d"),
                  "path_lists": str(self.path_rules),
                  "parameters": str(self.site_parameters), **options}
        text = "[main]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        (self.folder / "pluginconf/node-plugin.conf").write_text(text)

    def argv(self, root: Path, *words: object) -> List[str]:
        """Return the argument list of one run on ``root``."""
        return [*self.prefix, "dnf-3", f"--installroot={root}",
                f"--setopt=pluginpath={TOP / 'dnf-plugins'}",
                f"--setopt=pluginconfpath={self.folder / 'pluginconf'}",
                *map(str, words)]

    def __call__(self, root: Path, *words: object, stdin: str = "") -> Answer:
        """Run dnf on ``root`` with ``words``."""
        return self.run(self.argv(root, *words), stdin=stdin)

    def plugin(self, root: Path, *words: object, stdin: str = "") -> Answer:
        """Run ``dnf node-plugin`` on ``root`` with ``words``."""
        return self(root, "node-plugin", *words, stdin=stdin)

    def on_terminal(self, root: Path, replies: str, *words: object) -> Answer:
        """Run ``dnf node-plugin`` on a terminal where a user types ``replies``."""
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, replies.encode())
            completed = subprocess.run(
                self.argv(root, "node-plugin", *words), stdin=terminal, capture_output=True,
                text=True, env=environment(), check=False)
        finally:
            os.close(terminal)
            os.close(keyboard)
        return Answer(completed.returncode, completed.stdout, completed.stderr)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        """Run an argument list in this checkout's environment."""
        completed = script_server.run(argv, stdin, environment())
        errors = "".join(line for line in completed.stderr.splitlines(keepends=True)
                         if not any(noise in line for noise in NOISE))
        return Answer(completed.returncode, completed.stdout, errors,
                      schemas.dnf_answer_schema(argv))


def environment() -> Dict[str, str]:
    """Return an environment in which dnf imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(TOP), "LC_ALL": "C.UTF-8", "COLUMNS": "100",
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}


def at_home(home: Path) -> Tuple[str, ...]:
    """Return a command prefix with which rpm uses the database path of a Node.

    EL's rpm does so by default. Debian's creates a database in ~/.rpmdb; where that is not
    writable, dnf ends before it loads a plugin. ``home`` must not exist.
    """
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /usr/share/rpm\n")
    return ("env", f"HOME={home}")


def add_to_shipped_library(dnf: Dnf, bundle: Path, name: str) -> Path:
    """Copy a folder bundle into the shipped library as ``name`` and return the copy."""
    return Path(shutil.copytree(bundle, dnf.shipped_library / name, symlinks=True))
